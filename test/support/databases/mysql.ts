import { createConnection, type ConnectionOptions } from 'mysql2/promise'
import type { Row, TestDatabase } from '../databases'
import { serverAddress } from './server-url'

export async function createMysqlDatabase(
  database: string,
  type: 'mysql' | 'mariadb',
): Promise<TestDatabase> {
  const { username: user, ...address } = serverAddress('TEST_MYSQL_URL', 3306)
  const quote = (identifier: string) => `\`${identifier.replaceAll('`', '``')}\``
  const connect: ConnectionOptions = { ...address, user }

  const connection = await createConnection(connect)
  await connection.query(`CREATE DATABASE ${quote(database)} CHARACTER SET utf8mb4`)
  await connection.changeUser({ database })

  return {
    name: 'mariadb',
    options: { type, ...address, username: user, database },
    quote,
    async rawQuery(sql, params) {
      const [rows] = await connection.query(sql, params)
      return Array.isArray(rows) ? (rows as Row[]) : []
    },
    async drop() {
      await connection.query(`DROP DATABASE ${quote(database)}`)
      await connection.end()
    },
  }
}
