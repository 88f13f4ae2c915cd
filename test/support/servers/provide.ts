import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { selectedDatabases, standInFor } from '../selection'
import { composeAvailable, startMariadbWithCompose } from './compose'
import { mariadbInstalled, startMariadb } from './mariadb'
import { startPostgres } from './postgres'
import type { TestServer } from './process'

/** Starts what the selected databases need and the environment does not already name. */
export async function provideServers(folder: string, started: TestServer[]): Promise<void> {
  const selected = selectedDatabases()
  const starting: Promise<TestServer>[] = []
  if (selected.includes('mariadb') && !process.env['TEST_MYSQL_URL']) starting.push(provideMariadb(folder))
  if (selected.includes('postgres') && !standInFor('postgres') && !process.env['TEST_POSTGRES_URL'])
    starting.push(startPostgres(subfolder(folder, 'postgres')))
  const results = await Promise.allSettled(
    starting.map(async (server) => {
      started.push(await server)
    }),
  )
  const failures = results.filter((result) => result.status === 'rejected')
  if (failures.length > 0) {
    throw new Error(failures.map(({ reason }) => (reason as Error).message).join('\n\n'))
  }
}

async function provideMariadb(folder: string): Promise<TestServer> {
  if (mariadbInstalled()) return startMariadb(subfolder(folder, 'mariadb'))
  if (await composeAvailable()) return startMariadbWithCompose(subfolder(folder, 'mariadb'))
  throw new Error(
    'The integration tests need a MariaDB or MySQL server, and none was found. One of these helps:\n' +
      '  - install MariaDB (Debian, Ubuntu: apt-get install mariadb-server; macOS: brew install mariadb);\n' +
      '    the tests run it privately in a temporary folder\n' +
      '  - install Docker with Docker Compose, and start it\n' +
      '  - set TEST_MYSQL_URL=mysql://user:password@host:3306/ to a server on which databases may be created',
  )
}

function subfolder(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}
