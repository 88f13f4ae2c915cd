/**
 * Writes the dumps of a version, once: `TEST_MYSQL_URL=… TEST_POSTGRES_URL=… node -r ./test/support/typescript.cjs
 * test/upgrades/write.ts 0.1.0`. Those that are there are never written again: they are what somebody has.
 */
import 'reflect-metadata'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms'
import { type DataSource } from 'typeorm'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases'
import { withIndexKey } from '../support/encryption'
import { Inline, inline, Stored, stored } from './0.1.0/entities'
import { folderOf, open } from './application'

const DATABASES: readonly DatabaseName[] = ['sqlite', 'mariadb', 'postgres']
const TABLES = ['inline_values', 'stored_values', 'kms_data_key']

async function main(version: string): Promise<void> {
  const folder = folderOf(version)
  const kmsFile = join(folder, 'kms.json')
  if (existsSync(kmsFile)) throw new Error(`${folder} is there, and is never written again`)
  mkdirSync(folder, { recursive: true })
  const client = new LocalKms({ file: kmsFile, quiet: true }).client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: `upgrades from ${version}` }))
  await client.send(new CreateAliasCommand({ AliasName: 'alias/upgrades', TargetKeyId: KeyMetadata?.KeyId }))
  const { indexKey } = await withIndexKey({ client }, 'alias/upgrades')
  writeFileSync(join(folder, 'index-key.txt'), `${indexKey}\n`)
  for (const name of DATABASES) {
    const database = await createDatabase(name)
    try {
      const application = await open(database.options, kmsFile, indexKey)
      const made = [await synchronised(application.inline), await synchronised(application.stored)].flat()
      await application.inline.getRepository(Inline).insert(inline)
      await application.stored.getRepository(Stored).insert(stored)
      await application.close()
      const rows = await Promise.all(TABLES.map((table) => inserts(database, table)))
      const lines = [...made, ...rows.flat()].map((statement) => `${statement};`)
      writeFileSync(join(folder, `${name}.sql`), `${lines.join('\n')}\n`)
    } finally {
      await database.drop()
    }
  }
}

/** Makes the tables. Gives the statements that did. */
async function synchronised(dataSource: DataSource): Promise<string[]> {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
  await dataSource.synchronize()
  return upQueries.map(({ query }) => query)
}

async function inserts(database: TestDatabase, table: string): Promise<string[]> {
  const rows = await database.rawQuery(`SELECT * FROM ${table}`)
  return rows.map((row) => {
    const names = Object.keys(row).map((name) => database.quote(name))
    const values = Object.values(row).map((value) => literal(value, database.name))
    return `INSERT INTO ${database.quote(table)} (${names.join(', ')}) VALUES (${values.join(', ')})`
  })
}

function literal(value: unknown, database: DatabaseName): string {
  if (value === null) return 'NULL'
  if (Buffer.isBuffer(value)) {
    const hex = value.toString('hex')
    return database === 'postgres' ? `'\\x${hex}'` : `X'${hex}'`
  }
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  throw new Error(`a value of the type ${typeof value} has no place in a dump`)
}

void main(process.argv[2] ?? '')
