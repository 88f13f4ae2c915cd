import fc from 'fast-check'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, decryptColumns, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { KEY_TYPES, type KeyType } from './key-types'

/** What the entity says of the types need not be so. */
@Entity('keyed')
class Keyed {
  @PrimaryColumn('varchar') a!: string
  @KmsEncrypted({ type: 'buffer', nullable: true }) secret!: Buffer | null
}

@Entity('keyed')
class KeyedByTwo {
  @PrimaryColumn('varchar') a!: string
  @PrimaryColumn('varchar') b!: string
  @KmsEncrypted({ type: 'buffer', nullable: true }) secret!: Buffer | null
}

const RUNS = Number(process.env['TEST_RUNS'] ?? 12)

const BINARY = { mariadb: 'longblob', postgres: 'bytea', sqlite: 'blob' } as const

describeDatabases('rows in the order of any primary key', (db) => {
  let one: TestApplication
  let two: TestApplication

  beforeAll(async () => {
    // Connections that lack most characters of the keys, or take a backslash in a text for an escape.
    const options = {
      mariadb: { charset: 'latin1', timezone: 'local' },
      postgres: { extra: { options: '-c standard_conforming_strings=off -c extra_float_digits=0' } },
      sqlite: {},
    }[db().name]
    one = await startApplication(db(), [Keyed], {}, options)
    two = await startApplication(db(), [KeyedByTwo], {}, options)
  })
  afterAll(async () => {
    await one.stop()
    await two.stop()
  })

  /** Makes the table, with a value in each row that tells it from the others. */
  async function fill(
    types: readonly KeyType[],
    rows: readonly (readonly string[])[],
    suffix = '',
  ): Promise<void> {
    await db().rawQuery('DROP TABLE IF EXISTS keyed')
    for (const { prepare } of types) if (prepare) await db().rawQuery(prepare)
    const names = ['a', 'b'].slice(0, types.length)
    const columns = names.map((name, index) => `${name} ${types[index]?.type}`)
    const options = db().name === 'mariadb' ? 'CHARACTER SET utf8mb4' : ''
    await db().rawQuery(
      `CREATE TABLE keyed (${columns.join(', ')}, secret ${BINARY[db().name]}, PRIMARY KEY (${names.join(', ')})) ${options} ${suffix}`,
    )
    for (const [index, row] of rows.entries()) {
      await db().rawQuery(`INSERT INTO keyed VALUES (${row.join(', ')}, ?)`, [Buffer.from(`value ${index}`)])
    }
  }

  /** The values without any order, as a plain scan gives them. */
  async function scan(): Promise<string[]> {
    const rows = await db().rawQuery('SELECT secret FROM keyed')
    return rows.map(({ secret }) => (secret as Buffer).toString('latin1')).sort()
  }

  async function checkRoundTrip(
    app: TestApplication,
    entity: typeof Keyed | typeof KeyedByTwo,
    count: number,
    batchSize: number,
    shards: number,
  ): Promise<void> {
    const before = await scan()
    let rows = 0
    for (let index = 1; index <= shards; index++) {
      const options = { batchSize, ...(shards > 1 && { shard: { index, count: shards } }) }
      const [result] = await encryptColumns(app.dataSource, entity, ['secret'], options)
      rows += result?.changed ?? 0
    }
    expect(rows).toBe(count)
    expect((await scan()).filter((value) => !value.startsWith('\u{c1}\u{1}'))).toEqual([])
    expect(await verifyColumns(app.dataSource, entity, ['secret'], { batchSize })).toMatchObject([
      { rows: count, failed: 0, notCiphertext: 0 },
    ])
    await decryptColumns(app.dataSource, entity, ['secret'], { batchSize })
    expect(await scan()).toEqual(before)
  }

  it('are all met, whatever its type', async () => {
    for (const type of KEY_TYPES[db().name]) {
      await fill(
        [type],
        type.values.map((value) => [value]),
      )
      try {
        await checkRoundTrip(one, Keyed, type.values.length, 3, 1)
      } catch (error) {
        throw new Error(`with a key of type ${type.type}`, { cause: error })
      }
    }
  })

  it('are met as a plain scan meets them, with keys, values, batches and shards as they come', async () => {
    const types = fc.constantFrom(...KEY_TYPES[db().name])
    const cases = fc
      .tuple(types, types, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3 }))
      .chain(([first, second, batchSize, shards]) =>
        fc.record({
          types: fc.constant([first, second]),
          batchSize: fc.constant(batchSize),
          shards: fc.constant(shards),
          rows: fc.uniqueArray(
            fc.tuple(fc.constantFrom(...first.values), fc.constantFrom(...second.values)),
            {
              selector: (row) => row.join(),
              maxLength: 20,
            },
          ),
        }),
      )
    await fc.assert(
      fc.asyncProperty(cases, async ({ types: chosen, rows, batchSize, shards }) => {
        await fill(chosen, rows)
        await checkRoundTrip(two, KeyedByTwo, rows.length, batchSize, shards)
      }),
      { numRuns: RUNS },
    )
  })

  it('are refused before the first row where the key is not unique, or NULL', async () => {
    if (db().name === 'sqlite') {
      expect(await sqliteTellsThemApart(fill, one)).toBe(true)
      return
    }
    await fill([{ type: 'int', values: [] }], [['1'], ['2'], ['3']])
    await db().rawQuery(
      `ALTER TABLE keyed DROP ${db().name === 'mariadb' ? 'PRIMARY KEY' : 'CONSTRAINT keyed_pkey'}`,
    )
    await db().rawQuery('INSERT INTO keyed VALUES (3, ?)', [Buffer.from('another')])
    const before = await scan()
    expect(await failure(encryptColumns(one.dataSource, Keyed, ['secret']))).toMatchObject({
      code: 'NO_PRIMARY_KEY',
      message: expect.stringContaining('have the same primary key'),
    })
    expect(await scan()).toEqual(before)
    // Status needs no key.
    expect(await columnStatus(one.dataSource, Keyed, 'secret')).toMatchObject({ plaintext: 4 })
    await db().rawQuery('DELETE FROM keyed WHERE secret = ?', [Buffer.from('another')])
    await checkRoundTrip(one, Keyed, 3, 2, 1)
  })

  it('are refused where values of the type have no order', async () => {
    if (db().name !== 'postgres') {
      expect(KEY_TYPES[db().name].map(({ type }) => type)).not.toContain('json')
      return
    }
    await db().rawQuery('DROP TABLE IF EXISTS keyed')
    await db().rawQuery('CREATE TABLE keyed (a json NOT NULL, secret bytea)')
    await db().rawQuery(`INSERT INTO keyed VALUES ('{}', 'one'), ('[]', 'two')`)
    expect(await failure(encryptColumns(one.dataSource, Keyed, ['secret']))).toMatchObject({
      code: 'NO_PRIMARY_KEY',
      message: expect.stringContaining('it is not known how values of type json (a) compare'),
    })
    expect(await scan()).toEqual(['one', 'two'])
  })

  it('are all met where the rows have no rowid', async () => {
    const types = db().name === 'sqlite' ? KEY_TYPES.sqlite : KEY_TYPES[db().name].slice(0, 1)
    for (const type of types) {
      const values = type.values.filter((value) => value !== 'NULL').map((value) => [value])
      await fill([type], values, db().name === 'sqlite' ? 'WITHOUT ROWID' : '')
      await checkRoundTrip(one, Keyed, values.length, 3, 2)
      // All in one batch.
      await checkRoundTrip(one, Keyed, values.length, 50, 1)
    }
  })
})

/** SQLite has a rowid beside the key, so that neither is in the way. */
async function sqliteTellsThemApart(
  fill: (types: readonly KeyType[], rows: readonly string[][]) => Promise<void>,
  app: TestApplication,
): Promise<boolean> {
  await fill([{ type: 'varchar', values: [] }], [['NULL'], ['NULL'], ["'a'"], ['NULL']])
  const [result] = await encryptColumns(app.dataSource, Keyed, ['secret'], { batchSize: 1 })
  return result?.changed === 4
}
