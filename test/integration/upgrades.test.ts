import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DataSource } from 'typeorm'
import { rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../support/databases'
import { Inline, inline, Stored, stored } from '../upgrades/0.1.0/entities'
import { folderOf, open } from '../upgrades/application'

/** Encrypted columns, and how their values of the first row begin: as bytes, or as base64. */
const INLINE: Readonly<Record<string, string>> = {
  bytes: 'c10101',
  text: 'wQEB',
  direct: 'c10102',
  directText: 'wQEC',
  json: 'c10101',
  number: 'c10101',
  bigint: 'c10101',
  boolean: 'c10101',
  date: 'c10101',
  buffer: 'c10101',
  bound: 'c10101',
  searched: 'c10101',
}
const STORED: Readonly<Record<string, string>> = {
  bytes: 'c10104',
  text: 'wQEE',
  keyed: 'c10104',
  searched: 'c10104',
}

describeDatabases('A database that version 0.1.0 wrote', (db) => {
  const folder = mkdtempSync(join(tmpdir(), 'upgrades-'))
  let application: Awaited<ReturnType<typeof open>>

  beforeAll(async () => {
    const dump = readFileSync(join(folderOf('0.1.0'), `${db().name}.sql`), 'utf8')
    for (const statement of dump.split(/;\n/).filter((each) => each !== '')) await db().rawQuery(statement)
    cpSync(join(folderOf('0.1.0'), 'kms.json'), join(folder, 'kms.json'))
    application = await open(db().options, join(folder, 'kms.json'))
  })
  afterAll(async () => {
    await application.close()
    rmSync(folder, { recursive: true })
  })

  it('has values of every suite and storage, empty ones in direct mode included', async () => {
    const begins = async (table: string): Promise<Record<string, string>[]> => {
      const rows = await db().rawQuery(`SELECT * FROM ${table} ORDER BY id`)
      return rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).flatMap(([name, value]) => {
            if (Buffer.isBuffer(value)) return [[name, value.toString('hex', 0, 3)]]
            return typeof value === 'string' ? [[name, value.slice(0, 4)]] : []
          }),
        ),
      )
    }
    const [first, second] = await begins('inline_values')
    expect(first).toMatchObject(INLINE)
    expect(second).toMatchObject({ direct: 'c10103', directText: 'wQED' })
    expect((await begins('stored_values'))[0]).toMatchObject(STORED)
  })

  it('needs no change of its tables', async () => {
    for (const dataSource of [application.inline, application.stored]) {
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
      // TypeORM sees a difference in every nullable column of MariaDB, and changes nothing.
      const changes = upQueries.filter(
        ({ query }) => !/ CHANGE `(\w+)` `\1` [a-z]+(?:\(16\))? NULL$/.test(query),
      )
      expect(changes.map(({ query }) => query)).toEqual([])
    }
  })

  it('is read, found by its indexes, and verified', async () => {
    const order = { id: 'ASC' } as const
    expect(await application.inline.getRepository(Inline).find({ order })).toEqual(inline)
    expect(await application.stored.getRepository(Stored).find({ order })).toEqual(stored)
    const searched = 'ada@example.org'
    expect(await application.inline.getRepository(Inline).findBy({ searched })).toEqual([inline[0]])
    expect(await application.stored.getRepository(Stored).findBy({ searched })).toEqual([stored[0]])
    await verified(application.inline, Inline, INLINE)
    await verified(application.stored, Stored, STORED)
  })

  it('is written, and rotated to the settings of now', async () => {
    const values = application.stored.getRepository(Stored)
    const changed = Object.assign(new Stored(), stored[1], { bytes: 'new' })
    const next = Object.assign(new Stored(), stored[1], { bytes: 'new' })
    await values.save(changed)
    expect(await values.findOneByOrFail({ id: 2 })).toEqual(next)
    await rotateColumns(application.inline, Inline, Object.keys(INLINE), { newDataKeys: true })
    await rotateColumns(application.stored, Stored, Object.keys(STORED))
    const order = { id: 'ASC' } as const
    expect(await application.inline.getRepository(Inline).find({ order })).toEqual(inline)
    expect(await values.findOneByOrFail({ id: 1 })).toEqual(stored[0])
  })
})

async function verified(
  dataSource: DataSource,
  entity: typeof Inline | typeof Stored,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  for (const result of await verifyColumns(dataSource, entity, Object.keys(columns)))
    expect(result).toMatchObject({ failed: 0, notCiphertext: 0 })
}
