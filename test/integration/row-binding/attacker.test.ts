import 'reflect-metadata'
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases, type TestDatabase } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) own!: string
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['id'] } }) keyed!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, mode: 'direct' }) direct!: string
}

type Secret = 'own' | 'keyed' | 'direct'
const SECRETS: readonly Secret[] = ['own', 'keyed', 'direct']
/** Rows 1 and 2 are of one tenant, 3 is of another. */
const ROWS = [1, 2, 3].map((id) => ({
  id,
  tenantId: id < 3 ? 1 : 2,
  own: `own ${id}`,
  keyed: `keyed ${id}`,
  direct: `direct ${id}`,
}))

type Cells = Readonly<Record<`${Secret}${1 | 2 | 3}`, Buffer>>
/** What is put into a column of row 1, in place of its value; by the code with which it is refused. */
type Forgery = readonly [code: RegExp, column: Secret, forge: (cells: Cells) => Buffer]

const withByte = (bytes: Buffer, at: number, value: number) => {
  const copy = Buffer.from(bytes)
  copy[at] = value
  return copy
}

const MOVED: readonly Forgery[] = [
  [/WRONG_ROW/, 'own', ({ own2 }) => own2],
  [/WRONG_ROW/, 'own', ({ own3 }) => own3],
  [/WRONG_ROW/, 'keyed', ({ keyed2 }) => keyed2],
  [/WRONG_CONTEXT/, 'keyed', ({ keyed3 }) => keyed3],
  [/WRONG_ROW/, 'direct', ({ direct2 }) => direct2],
  [/WRONG_ROW/, 'direct', ({ direct3 }) => direct3],
  // Between columns and modes of the same row.
  [/WRONG_CONTEXT/, 'keyed', ({ own1 }) => own1],
  [/WRONG_CONTEXT/, 'own', ({ keyed1 }) => keyed1],
  [/WRONG_(ROW|CONTEXT)/, 'own', ({ direct1 }) => direct1],
  [/WRONG_(ROW|CONTEXT)/, 'direct', ({ own1 }) => own1],
]

/** Headers, data keys, IVs, values and tags of two rows, put together; other suites; too short, too long. */
function* altered(column: Secret): Generator<readonly [Secret, (cells: Cells) => Buffer]> {
  for (const at of [3, 4, 7, 8, 9, 19, 27, 39])
    for (const other of [`${column}2`, `${column}3`] as const) {
      yield [
        column,
        (cells) => Buffer.concat([cells[`${column}1`].subarray(0, at), cells[other].subarray(at)]),
      ]
      yield [
        column,
        (cells) => Buffer.concat([cells[other].subarray(0, at), cells[`${column}1`].subarray(at)]),
      ]
    }
  for (const suite of [0, 1, 2, 3, 4, 5, 127, 255])
    yield [column, (cells) => withByte(cells[`${column}1`], 2, suite)]
  for (const version of [0, 2, 255]) yield [column, (cells) => withByte(cells[`${column}1`], 1, version)]
  for (const cut of [0, 1, 2, 3, 7, 20, 36, 54])
    yield [column, (cells) => cells[`${column}1`].subarray(0, cut)]
  for (const cut of [1, 15, 16, 17, 28]) yield [column, (cells) => cells[`${column}1`].subarray(0, -cut)]
  yield [column, (cells) => Buffer.concat([cells[`${column}1`], Buffer.of(0)])]
  for (const from of [7, 20, -1, -16, -17])
    yield [
      column,
      (cells) => withByte(cells[`${column}1`], from < 0 ? cells[`${column}1`].length + from : from, 0x55),
    ]
}

describeDatabases('An attacker who may write everything in the database', (db) => {
  let app: TestApplication
  const table = () => db().quote('account')
  const cell = async (column: string, id: number): Promise<Buffer> =>
    (await db().rawQuery(`SELECT ${db().quote(column)} AS v FROM ${table()} WHERE id = ?`, [id]))[0]![
      'v'
    ] as Buffer
  const set = (column: string, value: unknown, id = 1) =>
    db().rawQuery(`UPDATE ${table()} SET ${db().quote(column)} = ? WHERE id = ?`, [value, id])

  beforeAll(async () => {
    app = await startApplication(db(), [Account])
  })
  afterAll(() => app.stop())

  describe.each(['inline', 'stored'] as const)('under %s data keys', (dataKeys) => {
    let cells: Cells
    const start = () => app.restart({ dataKeys, onUndecryptable: 'marker' })
    /** The value of row 1, or the code of why there is none. */
    const read = async (column: Secret, dataSource: DataSource): Promise<string> => {
      const { [column]: value } = await dataSource.getRepository(Account).findOneByOrFail({ id: 1 })
      return undecryptable(value)?.failure.code ?? value
    }

    beforeAll(async () => {
      const { dataSource } = await start()
      await dataSource.synchronize()
      await dataSource.getRepository(Account).clear()
      await dataSource.getRepository(Account).insert(ROWS)
      const all = SECRETS.flatMap((column) => [1, 2, 3].map((id) => [column, id] as const))
      const found = await Promise.all(all.map(([column, id]) => cell(column, id)))
      cells = Object.fromEntries(all.map(([column, id], at) => [`${column}${id}`, found[at]])) as never
    })
    afterEach(async () => {
      for (const column of SECRETS) await set(column, cells[`${column}1`])
      const { dataSource } = await start()
      expect(await dataSource.getRepository(Account).find({ order: { id: 'ASC' } })).toEqual(ROWS)
      await dataSource.destroy()
    })

    it('moves values between rows, tenants, columns and modes: each is named', async () => {
      for (const isWarm of [true, false]) {
        const { dataSource } = await start()
        if (isWarm) await dataSource.getRepository(Account).find()
        for (const [code, column, forge] of MOVED) {
          await set(column, forge(cells))
          expect(await read(column, dataSource)).toMatch(code)
          await set(column, cells[`${column}1`])
        }
        await dataSource.destroy()
      }
    })

    it('alters values, cuts them off and puts them together from several: none opens', async () => {
      const { dataSource } = await start()
      let tried = 0
      // Direct values know no data keys.
      for (const column of SECRETS.filter((each) => dataKeys === 'inline' || each !== 'direct'))
        for (const [, forge] of altered(column)) {
          const forged = forge(cells)
          if (forged.equals(cells[`${column}1`])) continue
          await set(column, forged)
          expect(await read(column, dataSource)).toMatch(/^(CIPHERTEXT_|PLAINTEXT_FOUND|DATA_KEY_|KMS_)/)
          await set(column, cells[`${column}1`])
          tried++
        }
      expect(tried).toBeGreaterThan(90)
      await dataSource.destroy()
    })

    it('sets what values are bound to: none opens as that of another', async () => {
      await set('tenantId', 2)
      const { dataSource } = await start()
      expect(await read('keyed', dataSource)).toMatch(/WRONG_CONTEXT/)
      expect(await read('direct', dataSource)).toMatch(/WRONG_ROW/)
      expect(await read('own', dataSource)).toBe('own 1')
      await dataSource.destroy()
      await set('tenantId', 1)
    })
  })

  it('exchanges rows of the key table, and data keys of tenants: nothing opens, nothing is sealed under them', async () => {
    const { dataSource } = await app.restart({ dataKeys: 'stored' })
    await dataSource.synchronize()
    await dataSource.getRepository(Account).clear()
    await dataSource.getRepository(Account).insert(ROWS)
    await dataSource.destroy()
    const keys = await db().rawQuery(`SELECT * FROM kms_data_key WHERE purpose = 'value'`)
    const contextOf = (row: Record<string, unknown>) =>
      JSON.parse(String(row['context'])) as Record<string, string>
    const of = (tenant: string) => keys.find((row) => contextOf(row)['tenantId'] === tenant)!
    const [one, two] = [of('1'), of('2')]
    const plain = keys.find((row) => !('tenantId' in contextOf(row)))!
    const put = (row: Record<string, unknown>, column: string, value: unknown) =>
      db().rawQuery(`UPDATE kms_data_key SET ${db().quote(column)} = ? WHERE id = ?`, [value, row['id']])
    for (const [victim, column, forged] of [
      [one, 'encrypted_data_key', two['encrypted_data_key']],
      [one, 'encrypted_data_key', plain['encrypted_data_key']],
      [plain, 'encrypted_data_key', one['encrypted_data_key']],
      [one, 'encrypted_data_key', (one['encrypted_data_key'] as Buffer).subarray(0, -1)],
    ] as const) {
      await put(victim, column, forged)
      const forgery = await app.restart({ dataKeys: 'stored', onUndecryptable: 'marker' })
      const accounts = forgery.dataSource.getRepository(Account)
      const found = await accounts.findOneByOrFail({ id: 1 })
      const property = victim === plain ? 'own' : 'keyed'
      expect(undecryptable(found[property])?.failure.code).toMatch(/^(DATA_KEY_FORGED|CIPHERTEXT_)/)
      await forgery.dataSource.destroy()
      await put(victim, column, victim[column])
    }
    // The context of a tenant's key is a hint, and nothing else.
    await put(two, 'context_hash', one['context_hash'])
    await put(two, 'created_at', Number(one['created_at']) + 1_000)
    const written = await app.restart({ dataKeys: 'stored', onUndecryptable: 'marker' })
    await written.dataSource
      .getRepository(Account)
      .update({ id: 1 }, { keyed: 'again' })
      .catch(() => undefined)
    const stored = await cell('keyed', 1)
    expect(stored.subarray(3, 19)).not.toEqual(two['id'])
    await written.dataSource.destroy()
  })
})

/** A table of the same columns, in a schema or database of its own where there are any. */
function twinOf(db: TestDatabase): new () => Account {
  class Twin {}
  const columns = {
    own: { boundTo: { row: ['id'] } },
    keyed: { keyPer: ['tenantId'], boundTo: { row: ['id'] } },
  }
  PrimaryColumn({ type: 'int' })(Twin.prototype, 'id')
  Column({ type: 'int' })(Twin.prototype, 'tenantId')
  for (const [name, options] of Object.entries(columns))
    KmsEncrypted({ type: 'string', ...options })(Twin.prototype, name)
  const direct = { type: 'string', mode: 'direct', boundTo: { row: ['id', 'tenantId'] } } as const
  KmsEncrypted(direct)(Twin.prototype, 'direct')
  const { database } = db.options
  const places = {
    postgres: { name: 'account', schema: 'elsewhere' },
    mariadb: { name: 'account', database: `${String(database)}_elsewhere` },
    sqlite: { name: 'account_elsewhere' },
  }
  Entity(places[db.name])(Twin)
  return Twin as new () => Account
}

describeDatabases('An attacker who may write two tables of the same columns', (db) => {
  it.each(['inline', 'stored'] as const)(
    'moves values and data keys between them, under %s ones: nothing opens, each is named',
    async (dataKeys) => {
      const database = db()
      const { name, options } = database
      const quote = (text: string): string => database.quote(text)
      const elsewhere = name === 'mariadb' ? `${String(options.database)}_elsewhere` : 'elsewhere'
      if (name !== 'sqlite')
        await db().rawQuery(`CREATE ${name === 'mariadb' ? 'DATABASE' : 'SCHEMA'} ${quote(elsewhere)}`)
      const Twin = twinOf(db())
      const app = await startApplication(db(), [Account, Twin], { dataKeys, onUndecryptable: 'marker' })
      for (const Class of [Account, Twin]) {
        await app.dataSource.getRepository(Class).clear()
        await app.dataSource.getRepository(Class).insert(ROWS)
      }
      const tables = [Account, Twin].map((Class) => {
        const { tablePath } = app.dataSource.getMetadata(Class)
        return tablePath.split('.').map(quote).join('.')
      })
      const move = async (): Promise<void> => {
        const [own = [], others = []] = await Promise.all(
          tables.map((table) => db().rawQuery(`SELECT * FROM ${table} ORDER BY id`)),
        )
        for (const [table, rows] of [
          [tables[0]!, others],
          [tables[1]!, own],
        ] as const)
          for (const { id, own, keyed, direct } of rows)
            await db().rawQuery(`UPDATE ${table} SET own = ?, keyed = ?, direct = ? WHERE id = ?`, [
              own,
              keyed,
              direct,
              id,
            ])
      }
      const codes = async (): Promise<string[]> => {
        const { dataSource } = await app.restart()
        const found: string[] = []
        for (const Class of [Account, Twin])
          for (const row of await dataSource.getRepository(Class).find({ order: { id: 'ASC' } }))
            for (const column of SECRETS) found.push(undecryptable(row[column])?.failure.code ?? row[column])
        await dataSource.destroy()
        return found
      }
      await move()
      expect(await codes()).toHaveLength(18)
      for (const code of await codes()) expect(code).toMatch(/^CIPHERTEXT_WRONG_(CONTEXT|ROW)$/)

      if (dataKeys === 'stored') {
        // Each context takes the data keys of the other table for its own: ids, hashes and texts are exchanged.
        const keys = await db().rawQuery(`SELECT * FROM kms_data_key WHERE purpose = 'value'`)
        const other = (context: unknown): string => {
          const pairs = JSON.parse(String(context)) as Record<string, string>
          const table = keys
            .map((row) => JSON.parse(String(row['context'])) as Record<string, string>)
            .find((each) => each['table'] !== pairs['table'])?.['table']
          return JSON.stringify(Object.fromEntries(Object.entries({ ...pairs, table }).sort()))
        }
        for (const { id, context } of keys) {
          const twin = keys.find((row) => row['context'] === other(context))
          if (!twin) throw new Error(`no data key of ${other(context)}`)
          await db().rawQuery('UPDATE kms_data_key SET context_hash = ?, context = ? WHERE id = ?', [
            twin['context_hash'],
            twin['context'],
            id,
          ])
        }
        for (const code of await codes()) expect(code).toMatch(/^(CIPHERTEXT_WRONG_|DATA_KEY_FORGED)/)
        const { dataSource } = await app.restart()
        for (const Class of [Account, Twin])
          await dataSource
            .getRepository(Class)
            .update({ id: 1, tenantId: 1 }, { own: 'a secret of now' })
            .catch(() => undefined)
        const sealed = await Promise.all(
          tables.map((table) => db().rawQuery(`SELECT own AS v FROM ${table} WHERE id = 1`)),
        )
        await dataSource.destroy()
        // Whatever was stored is under no data key of the other table.
        const [a, b] = sealed.map(([row]) => (row!['v'] as Buffer).subarray(3, 19))
        expect(a).not.toEqual(b)
        for (const { id, context, context_hash: hash } of keys)
          await db().rawQuery('UPDATE kms_data_key SET context_hash = ?, context = ? WHERE id = ?', [
            hash,
            context,
            id,
          ])
      } else {
        // Back again, they open.
        await move()
        expect(await codes()).toEqual([ROWS, ROWS].flat().flatMap((row) => SECRETS.map((each) => row[each])))
      }
      await app.stop()
      if (name !== 'sqlite')
        await db().rawQuery(
          `DROP ${name === 'mariadb' ? 'DATABASE' : 'SCHEMA'} ${quote(elsewhere)}${name === 'postgres' ? ' CASCADE' : ''}`,
        )
    },
  )
})

const TEXTS: readonly [stored: string, others: readonly string[]][] = [
  ['abc', ['ABC', 'Abc', 'abc ', ' abc', 'abc\t', 'ab', '', 'abcabc']],
  ['é', ['e\u0301', 'É', 'e', 'è']],
  ['ß', ['ss', 'ẞ', 'SS']],
  ['ﬁ', ['fi']],
  ['1', ['01', '1.0', '+1', ' 1', '１', '1e0', '0x1']],
]

describeDatabases('A bound and keyed text', (db: () => TestDatabase) => {
  it('that is set to another spelling opens nothing, and finds no other row', async () => {
    const exact = db().name === 'mariadb' ? { collation: 'utf8mb4_nopad_bin', charset: 'utf8mb4' } : {}
    class Named {
      id!: number
      name!: string
      row!: string
      tenant!: string
    }
    PrimaryColumn({ type: 'int' })(Named.prototype, 'id')
    Column({ type: 'varchar', length: 40, ...exact })(Named.prototype, 'name')
    KmsEncrypted({ type: 'string', boundTo: { row: ['name'] } })(Named.prototype, 'row')
    KmsEncrypted({ type: 'string', keyPer: ['name'] })(Named.prototype, 'tenant')
    Entity('named')(Named)
    const app = await startApplication(db(), [Named], { onUndecryptable: 'marker' })
    const named = app.dataSource.getRepository(Named)
    for (const [name, others] of TEXTS) {
      await named.clear()
      await named.insert({ id: 1, name, row: 'secret', tenant: 'secret' })
      for (const other of others) {
        await db().rawQuery('UPDATE named SET name = ? WHERE id = 1', [other])
        const [found] = await named.find()
        expect(found!.name).toBe(other)
        expect(undecryptable(found!.row)?.failure.code).toBe('CIPHERTEXT_WRONG_ROW')
        expect(undecryptable(found!.tenant)?.failure.code).toBe('CIPHERTEXT_WRONG_CONTEXT')
        expect(await named.countBy({ name })).toBe(0)
      }
      await db().rawQuery('UPDATE named SET name = ? WHERE id = 1', [name])
      expect(await named.find()).toMatchObject([{ row: 'secret', tenant: 'secret' }])
    }
    await app.stop()
  })
})
