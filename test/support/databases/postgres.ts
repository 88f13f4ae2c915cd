import { Client } from 'pg'
import type { Row, TestDatabase } from '../databases'
import { serverAddress } from './server-url'

export async function createPostgresDatabase(database: string): Promise<TestDatabase> {
  const { username, ...address } = serverAddress('TEST_POSTGRES_URL', 5432)
  const quote = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`
  await asAdministrator(`CREATE DATABASE ${quote(database)} TEMPLATE template0 ENCODING 'UTF8'`)

  const client = new Client({ ...address, user: username, database })
  await client.connect()

  return {
    name: 'postgres',
    options: { type: 'postgres', ...address, username, database },
    quote,
    async rawQuery(sql, params) {
      const { rows } = await client.query<Row>(params ? numbered(sql) : sql, params)
      return rows
    },
    async drop() {
      await client.end()
      await asAdministrator(`DROP DATABASE ${quote(database)} WITH (FORCE)`)
    },
  }
}

async function asAdministrator(sql: string): Promise<void> {
  const client = new Client({ connectionString: process.env['TEST_POSTGRES_URL'] })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function numbered(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}
