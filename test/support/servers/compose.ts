import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { eventually, run, type TestServer } from './process'

const file = join(__dirname, '..', '..', '..', 'docker-compose.yml')

/** Whether `docker compose` is installed and a Docker engine answers it. */
export async function composeAvailable(): Promise<boolean> {
  try {
    await run('docker', ['compose', 'version'])
    await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 })
    return true
  } catch {
    return false
  }
}

/** Starts the MariaDB of `docker-compose.yml` as a project of its own, its logs written to `folder`. */
export async function startMariadbWithCompose(folder: string): Promise<TestServer> {
  chmodSync(folder, 0o777) // the server in the container has another user id
  const project = `typeorm-kms-encrypted-${process.pid}`
  const env = { ...process.env, TEST_LOG_DIR: folder }
  const compose = (...args: string[]) =>
    run('docker', ['compose', '-p', project, '-f', file, ...args], { env })
  const stop = async () => {
    await compose('down', '--volumes', '--timeout', '1')
  }

  try {
    await compose('up', '--detach', '--wait', 'mariadb')
    const { stdout } = await compose('port', 'mariadb', '3306')
    const url = `mysql://root:test@${stdout.trim()}/`
    await eventually(async () => (await createConnection(url)).end())
    return {
      env: {
        TEST_MYSQL_URL: url,
        TEST_MYSQL_GENERAL_LOG: join(folder, 'general.log'),
        TEST_MYSQL_BINLOG_DIR: folder,
      },
      stop,
    }
  } catch (error) {
    const logs = await compose('logs', '--tail', '25', 'mariadb').catch(() => ({ stdout: '' }))
    await stop().catch(() => undefined)
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Docker Compose could not start MariaDB: ${reason}\n${logs.stdout}`, { cause: error })
  }
}
