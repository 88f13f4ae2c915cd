import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { type TestDatabase } from '../support/databases'

/** What became of a run. */
export interface Run {
  status: number | null
  stdout: string
  stderr: string
}

const root = join(__dirname, '..', '..')

/** Of this process's own environment the sample sees what finds its programs, and nothing of Jest and AWS. */
const inherited = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR', 'SystemRoot'].map((name) => [name, process.env[name]]),
)

const aws = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_CONFIG_FILE: join(root, 'no-such-file'),
  AWS_EC2_METADATA_DISABLED: 'true',
}

/** Runs `npm run sample`. */
export function runSample(environment: Record<string, string>): Promise<Run> {
  return new Promise((resolve) => {
    const env = { ...inherited, ...aws, npm_config_loglevel: 'silent', ...environment }
    const child = execFile('npm', ['run', '--silent', 'sample'], { cwd: root, env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr })
    })
  })
}

/** How the sample is told its database. */
export function environmentOf({ options }: TestDatabase): Record<string, string> {
  if (options.type === 'better-sqlite3') return { SAMPLE_FOLDER: dirname(options.database) }
  const { type, host, port, username, password, database } = options as unknown as Record<string, string>
  const url = new URL(`${type!}://${host!}:${port!}/${database!}`)
  Object.assign(url, { username, password })
  return { DATABASE_URL: url.href, SAMPLE_FOLDER: process.env['TEST_SQLITE_DIR'] ?? '' }
}
