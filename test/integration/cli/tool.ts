import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { LOADER } from '../../support/loader'

/** What became of a run of the tool. */
export interface Run {
  status: number
  stdout: string
  stderr: string
}

const root = join(__dirname, '..', '..', '..')

/** `typeorm-kms` as users run it: a process of its own, with no terminal. */
export function typeormKms(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return run('src/cli/main.ts', args, environment)
}

/** TypeORM's own command line, with a loader for TypeScript. */
export function typeormCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return run('node_modules/typeorm/cli.js', args, environment)
}

function run(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Run> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment }
  const command = [...LOADER, join(root, script), ...args]
  return new Promise((resolve) => {
    const child = execFile(process.execPath, command, { cwd: root, env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr })
    })
  })
}
