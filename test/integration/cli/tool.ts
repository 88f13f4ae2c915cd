import { execFile } from 'node:child_process'
import { join } from 'node:path'

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
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment }
  const script = ['-r', '@swc-node/register', join(root, 'src/cli/main.ts')]
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...script, ...args],
      { cwd: root, env },
      (_, stdout, stderr) => {
        resolve({ status: child.exitCode ?? -1, stdout, stderr })
      },
    )
  })
}
