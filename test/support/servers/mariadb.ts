import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { endProcess, eventually, findProgram, freePort, isRoot, run, tail, type TestServer } from './process'

/** The durability of a database that lives for a minute is not worth a disk flush. */
const fast = [
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-flush-method=nosync',
  '--innodb-doublewrite=0',
  '--innodb-log-file-size=256M',
  '--sync-binlog=0',
  '--loose-sync-frm=0',
  '--skip-name-resolve',
]

const limits = ['--max-allowed-packet=256M', '--max-connections=300', '--character-set-server=utf8mb4']

export const mariadbInstalled = () =>
  findProgram('mariadbd', 'mysqld') !== undefined &&
  findProgram('mariadb-install-db', 'mysql_install_db') !== undefined

/** Runs the installed MariaDB server privately: its own folder, its own port, nothing of the machine's configuration. */
export async function startMariadb(folder: string): Promise<TestServer> {
  const data = join(folder, 'data')
  const errorLog = join(folder, 'error.log')
  const generalLog = join(folder, 'general.log')
  const binlogFolder = join(folder, 'binlog')
  mkdirSync(binlogFolder, { recursive: true })
  // A server that starts removes the temporary tables of all others that have the same folder for them.
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary, { recursive: true })
  const user = isRoot ? ['--user=root'] : []

  await installSystemTables(data, temporary, user)
  const password = randomBytes(12).toString('hex')
  const initFile = join(folder, 'init.sql')
  writeFileSync(
    initFile,
    `CREATE USER 'test'@'%' IDENTIFIED BY '${password}';\nGRANT ALL ON *.* TO 'test'@'%' WITH GRANT OPTION;\n`,
  )

  const port = await freePort()
  const log = openSync(errorLog, 'a')
  const server = spawn(
    findProgram('mariadbd', 'mysqld')!,
    [
      '--no-defaults',
      ...user,
      `--datadir=${data}`,
      `--tmpdir=${temporary}`,
      '--socket=server.sock', // in the data folder: an absolute path may be too long for a socket
      `--pid-file=${join(folder, 'server.pid')}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--init-file=${initFile}`,
      '--general-log=1',
      `--general-log-file=${generalLog}`,
      `--log-bin=${join(binlogFolder, 'binlog')}`,
      '--binlog-format=ROW',
      '--server-id=1',
      ...fast,
      ...limits,
    ],
    { stdio: ['ignore', log, log] },
  )

  const url = `mysql://test:${password}@127.0.0.1:${port}/`
  const failed = new Promise<never>((_, reject) => {
    server.once('error', reject)
    server.once('exit', () => {
      reject(new Error(`MariaDB did not start. The end of its log:\n${tail(errorLog)}`))
    })
  })
  const answers = eventually(async () => {
    const connection = await createConnection(url)
    await connection.end()
  }).catch((error: unknown) => {
    throw new Error(`MariaDB does not answer. The end of its log:\n${tail(errorLog)}`, { cause: error })
  })
  await Promise.race([answers, failed])
  failed.catch(() => undefined)

  return {
    env: { TEST_MYSQL_URL: url, TEST_MYSQL_GENERAL_LOG: generalLog, TEST_MYSQL_BINLOG_DIR: binlogFolder },
    stop: () => endProcess(server),
  }
}

async function installSystemTables(data: string, temporary: string, user: string[]): Promise<void> {
  const program = findProgram('mariadb-install-db', 'mysql_install_db')!
  try {
    const options = ['--no-defaults', ...user, `--datadir=${data}`, '--skip-test-db', '--skip-name-resolve']
    await run(program, options, { env: { ...process.env, TMPDIR: temporary } })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${program} failed:\n${stdout ?? ''}${stderr ?? ''}`, { cause: error })
  }
}
