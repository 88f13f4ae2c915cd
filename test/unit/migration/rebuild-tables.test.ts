import { type QueryRunner } from 'typeorm'
import { rebuildTables } from '../../../src/migration/rebuild-tables'

it('Tables that are made anew: a transaction that the database has ended hides no error', async () => {
  const full = new Error('database or disk is full')
  const sent: string[] = []
  const runner = {
    isTransactionActive: false,
    query: (sql: string) => {
      sent.push(sql)
      return Promise.resolve(sql === 'PRAGMA foreign_keys' && sent.length === 1 ? [{ foreign_keys: 1 }] : [])
    },
    startTransaction: () => Promise.resolve(),
    rollbackTransaction: () => Promise.reject(new Error('cannot rollback - no transaction is active')),
  } as unknown as QueryRunner
  await expect(rebuildTables(runner, ['user'], () => Promise.reject(full))).rejects.toBe(full)
  expect(sent.at(-1)).toBe('PRAGMA foreign_keys = ON')
})
