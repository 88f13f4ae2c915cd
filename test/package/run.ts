import { execFile } from 'node:child_process'
import { resolve } from 'node:path'

/** The project's own folder. */
export const root = resolve(__dirname, '../..')

/** Runs a program and gives what it printed. A failure tells all that it printed: compilers report on stdout. */
export function run(
  program: string,
  args: readonly string[],
  cwd = root,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  // `npm test` tells its children where its own project is; the npm that runs in here is about another.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  return new Promise((done, fail) => {
    execFile(
      program,
      args,
      { cwd, env: { ...env, ...environment }, maxBuffer: 2 ** 24 },
      (error, stdout, stderr) => {
        if (error) fail(new Error(`${program} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error }))
        else done(stdout)
      },
    )
  })
}

/** Runs a script under Node: a file of the consumer, or a tool of this project. */
export function node(script: string, args: readonly string[] = [], cwd = root): Promise<string> {
  return run(process.execPath, [script, ...args], cwd)
}

/** The script of a tool among this project's development dependencies. */
export function tool(path: string): string {
  return resolve(root, 'node_modules', path)
}
