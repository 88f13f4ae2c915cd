import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
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

/** Starts one service of `docker-compose.yml` as a project of its own, its logs written to `folder`. */
export async function startWithCompose(service: 'mariadb' | 'postgres', folder: string): Promise<TestServer> {
  chmodSync(folder, 0o777) // the server in the container has another user id
  const project = `typeorm-kms-encrypted-${service}-${process.pid}`
  const compose = (...args: string[]) =>
    run('docker', ['compose', '-p', project, '-f', file, ...args], {
      env: { ...process.env, TEST_LOG_DIR: folder },
    })
  const stop = async () => {
    await compose('down', '--volumes', '--timeout', '1')
  }

  try {
    await compose('up', '--detach', '--wait', service)
    const inside = service === 'mariadb' ? '3306' : '5432'
    const { stdout } = await compose('port', service, inside)
    return { env: await connected(service, stdout.trim(), folder), stop }
  } catch (error) {
    const logs = await compose('logs', '--tail', '25', service).catch(() => ({ stdout: '' }))
    await stop().catch(() => undefined)
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Docker Compose could not start ${service}: ${reason}\n${logs.stdout}`, { cause: error })
  }
}

async function connected(
  service: 'mariadb' | 'postgres',
  address: string,
  folder: string,
): Promise<Record<string, string>> {
  if (service === 'mariadb') {
    const url = `mysql://root:test@${address}/`
    await eventually(async () => (await createConnection(url)).end())
    return {
      TEST_MYSQL_URL: url,
      TEST_MYSQL_GENERAL_LOG: join(folder, 'general.log'),
      TEST_MYSQL_BINLOG_DIR: folder,
    }
  }
  const url = `postgres://test:test@${address}/postgres`
  await eventually(async () => {
    const client = new Client(url)
    await client.connect()
    await client.end()
  })
  return { TEST_POSTGRES_URL: url, TEST_POSTGRES_LOG: join(folder, 'postgresql.log') }
}
