import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { startApplication } from '../support/encryption'

@Entity('user')
class Account {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() privateKey!: string
}

@Entity('user')
class TextAccount {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text' }) privateKey!: string
}

const TITLES = { mariadb: /MariaDB/, postgres: /PostgreSQL/, sqlite: /SQLite/ }

/** The queries that a document gives for values of a kind, of one database. */
function documented(
  path: string,
  kind: 'text' | 'stored' | 'bytes',
  database: keyof typeof TITLES,
): string[] {
  const text = readFileSync(join(__dirname, '../..', path), 'utf8')
  const blocks = Array.from(text.matchAll(/^```sql\n([\s\S]*?)^```/gm), ([, block = '']) => block)
  const isText = (block: string): boolean => /BASE64/i.test(block)
  const isStored = (block: string): boolean => block.includes('C10104')
  return blocks
    .filter((block) => isText(block) === (kind === 'text') && isStored(block) === (kind === 'stored'))
    .flatMap((block) => block.split(/^(?=--)/m))
    .filter((query) => TITLES[database].test(query) || !query.startsWith('--'))
    .map((query) => query.replace(/^--.*$/gm, '').trim())
}

const FORMAT = 'docs/ciphertext-format.md'

describeDatabases('The queries of the documents count values by what they begin with', (db) => {
  const begin = (bytes: Buffer, from: number, to: number): string =>
    bytes.subarray(from, to).toString('hex').toUpperCase()
  const found = async (query: string): Promise<string[]> => {
    const rows = await db().rawQuery(query)
    return rows.map((row) => Object.values(row).map(String).join(' ').toUpperCase())
  }
  const stored = async (): Promise<unknown[]> => {
    const rows = await db().rawQuery(`SELECT * FROM ${db().quote('user')}`)
    return rows.map((row) => row['privateKey'])
  }

  test('bytes', async () => {
    const app = await startApplication(db(), [Account])
    await app.dataSource.getRepository(Account).insert([1, 2].map((id) => ({ id, privateKey: `k${id}` })))
    const queries = [
      ...documented(FORMAT, 'bytes', db().name),
      ...(db().name === 'postgres' ? [] : documented('README.md', 'bytes', db().name)),
    ]
    expect(queries).toHaveLength(db().name === 'postgres' ? 1 : 2)
    const [first] = await stored()
    for (const query of queries) expect(await found(query)).toEqual([`${begin(first as Buffer, 0, 7)} 2`])
    await app.stop()
  })

  test('text', async () => {
    const app = await startApplication(db(), [TextAccount])
    await app.dataSource.getRepository(TextAccount).insert([1, 2].map((id) => ({ id, privateKey: `k${id}` })))
    const queries = documented(FORMAT, 'text', db().name)
    expect(queries).toHaveLength(1)
    const [first] = (await stored()) as string[]
    const start =
      db().name === 'sqlite' ? first!.slice(0, 9).toUpperCase() : begin(Buffer.from(first!, 'base64'), 0, 7)
    for (const query of queries) expect(await found(query)).toEqual([`${start} 2`])
    await app.stop()
  })

  test('stored data keys', async () => {
    const queries = documented(FORMAT, 'stored', db().name)
    expect(queries).toHaveLength(db().name === 'mariadb' ? 1 : 0)
    if (queries.length === 0) return
    const app = await startApplication(db(), [Account], { dataKeys: 'stored' })
    await app.dataSource.getRepository(Account).insert([1, 2].map((id) => ({ id, privateKey: `k${id}` })))
    const [first] = await stored()
    for (const query of queries) expect(await found(query)).toEqual([`${begin(first as Buffer, 3, 19)} 2`])
    await app.stop()
  })
})
