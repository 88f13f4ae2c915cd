import { format, inspect } from 'node:util'
import {
  Column,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type Relation,
  type ValueTransformer,
} from 'typeorm'
import { isUndecryptable, KmsEncrypted, type KmsEncryptionError, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

class Secrets {
  @KmsEncrypted() pin!: string
}

@Entity()
class Holder {
  @PrimaryGeneratedColumn() id!: number
  @OneToMany(() => Wallet, ({ holder }) => holder, { cascade: true }) wallets!: Relation<Wallet>[]
}

/** Members of the recovery codes have the names of what a marker stands for. */
interface Recovery {
  codes: string[]
  stored: string
  failure: string
  column: string
}

@Entity()
class Wallet {
  @PrimaryGeneratedColumn() id!: number
  @Column({ unique: true }) name!: string
  @KmsEncrypted() seed!: string
  @KmsEncrypted() bytes!: Buffer
  @KmsEncrypted({ type: 'json' }) recovery!: Recovery
  @KmsEncrypted({ type: 'json' }) codes!: string[]
  @KmsEncrypted() amount!: number
  @KmsEncrypted() total!: bigint
  @KmsEncrypted() opened!: Date
  @KmsEncrypted({ storage: 'text' }) note!: string
  @KmsEncrypted({ mode: 'direct' }) direct!: string
  @KmsEncrypted({ type: 'string', nullable: true }) loose!: string | null
  @Column(() => Secrets) secrets!: Secrets
  @ManyToOne(() => Holder, ({ wallets }) => wallets, { nullable: true }) @JoinColumn() holder!: Holder | null
}

const COLUMNS = [
  'seed',
  'bytes',
  'recovery',
  'codes',
  'amount',
  'total',
  'opened',
  'note',
  'direct',
  'loose',
  'secretsPin',
]

const values = () => ({
  name: 'first',
  seed: 'a seed',
  bytes: Buffer.from('bytes'),
  recovery: { codes: ['one'], stored: 's', failure: 'f', column: 'c' },
  codes: ['one', 'two'],
  amount: 1,
  total: 2n,
  opened: new Date(0),
  note: 'a note',
  direct: 'direct',
  loose: 'loose',
  secrets: { pin: '1234' },
})

/** A plain copy with another name. */
const renamed = (wallet: Wallet) => Object.assign({}, wallet, { name: 'second' })

/** What an application may do with a value, by the type that it expects. */
const readings: Readonly<Record<string, (wallet: Wallet) => unknown>> = {
  'a template': ({ seed }) => `the ${seed}`,
  'String()': ({ seed }) => [seed].map(String),
  '+': ({ seed }) => 'the ' + seed,
  'concat of a text': ({ seed }) => 'the '.concat(seed),
  'concat of a list': ({ codes }) => ['zero'].concat(codes),
  length: ({ seed }) => seed.length,
  startsWith: ({ seed }) => seed.startsWith('a'),
  'an index': ({ seed }) => seed[0],
  at: ({ seed }) => seed.at(0),
  'a regular expression': ({ seed }) => /a/.test(seed),
  includes: ({ seed }) => 'a seed of a tree'.includes(seed),
  '==': ({ seed }) => (seed as unknown) == 'a seed',
  '<': ({ seed }) => seed < 'b',
  'a property name': ({ seed }) => ({ 'a seed': 1 })[seed],
  'Buffer.from of text': ({ seed }) => Buffer.from(seed),
  'toString of bytes': ({ bytes }) => bytes.toString('hex'),
  equals: ({ bytes }) => bytes.equals(Buffer.from('bytes')),
  'Buffer.from of bytes': ({ bytes }) => Buffer.from(bytes),
  'new Uint8Array': ({ bytes }) => new Uint8Array(bytes),
  'a member': ({ recovery }) => recovery.codes,
  'a member called stored': ({ recovery }) => recovery.stored,
  'a member called failure': ({ recovery }) => recovery.failure,
  'a member called column': ({ recovery }) => recovery.column,
  'an optional member': ({ recovery }) => (recovery as { none?: string }).none,
  'a spread object': ({ recovery }) => ({ ...recovery }),
  'Object.keys': ({ recovery }) => Object.keys(recovery),
  'Object.entries': ({ recovery }) => Object.entries(recovery),
  'for in': ({ recovery }) => {
    for (const name in recovery) return name
  },
  in: ({ recovery }) => 'codes' in recovery,
  hasOwn: ({ recovery }) => Object.hasOwn(recovery, 'codes'),
  'a member to write': ({ recovery }) => (recovery.codes = []),
  'a member to delete': ({ recovery }) => delete (recovery as Partial<Recovery>).codes,
  'Object.assign': ({ recovery }) => Object.assign(recovery, { codes: [] }),
  'Object.freeze': ({ recovery }) => Object.freeze(recovery),
  'a clone': ({ recovery }) => structuredClone(recovery),
  'a spread list': ({ codes }) => [...codes],
  'for of': ({ codes }) => {
    for (const code of codes) return code
  },
  'Array.from': ({ codes }) => Array.from(codes),
  'new Set': ({ codes }) => new Set(codes),
  map: ({ codes }) => codes.map(String),
  join: ({ codes }) => [codes].join(),
  JSON: (wallet) => JSON.stringify(wallet),
  'JSON of a list': ({ codes }) => JSON.stringify({ codes }),
  'a sum': ({ amount }) => amount + 1,
  '-': ({ amount }) => -amount,
  'Number()': ({ amount }) => [amount].map(Number),
  'BigInt()': ({ total }) => [total].map(BigInt),
  'Math.max': ({ amount }) => Math.max(amount, 2),
  getTime: ({ opened }) => opened.getTime(),
  'new Date': ({ opened }) => new Date(opened),
  toISOString: ({ opened }) => opened.toISOString(),
  'of an embedded entity': ({ secrets }) => secrets.pin.length,
  'of direct mode': ({ direct }) => direct.trim(),
}

describeDatabases('A marker', (db) => {
  let app: TestApplication

  const quote = (name: string): string => db().quote(name)
  const stored = async (): Promise<unknown[]> => {
    const list = COLUMNS.map(quote).join(', ')
    const [row] = await db().rawQuery(`SELECT ${list} FROM ${quote('wallet')}`)
    return COLUMNS.map((column) => row![column])
  }
  /** Changes the last byte of each encrypted value of the row. */
  const tamper = async (): Promise<void> => {
    const changed = (await stored()).map((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : Buffer.from(value as Buffer)
      bytes[bytes.length - 1]! ^= 1
      return typeof value === 'string' ? bytes.toString('base64') : bytes
    })
    const set = COLUMNS.map((column) => `${quote(column)} = ?`).join(', ')
    await db().rawQuery(`UPDATE ${quote('wallet')} SET ${set}`, changed)
  }
  const wallets = () => app.dataSource.getRepository(Wallet)
  const load = () => wallets().findOneOrFail({ where: {} })

  beforeEach(async () => {
    app = await startApplication(db(), [Wallet, Holder], { onUndecryptable: 'marker' })
    await wallets().insert(values())
    await tamper()
  })
  afterEach(() => app.stop())

  it('throws the failure on every use as plaintext, whatever the type', async () => {
    const wallet = await load()
    for (const [how, read] of Object.entries(readings)) {
      let thrown: unknown = 'nothing was thrown'
      try {
        read(wallet)
      } catch (error) {
        thrown = error
      }
      const what = how === 'a clone' ? (thrown as Error).name : (thrown as KmsEncryptionError).code
      expect([how, what]).toEqual([
        how,
        how === 'a clone' ? 'DataCloneError' : expect.stringMatching(/^CIPHERTEXT_/),
      ])
    }
    expect(wallet).toMatchObject({ id: 1, name: 'first' })
  })

  it('is printed with its name and no bytes, by every means of Node', async () => {
    const wallet = await load()
    const label = '[encrypted Wallet.recovery]'
    const { recovery } = wallet
    expect([inspect(recovery), format('%s', recovery), format(recovery)]).toEqual(Array(3).fill(label))
    expect(inspect({ recovery }, { showHidden: true, depth: Infinity })).toBe(`{ recovery: ${label} }`)
    expect(format('%o', recovery)).toContain(label)
    expect(inspect(recovery, { showProxy: true, depth: Infinity })).toContain(label)
    // Node 26 says that it is a proxy.
    expect(inspect(recovery, { customInspect: false, showHidden: true })).toMatch(
      /^(?:EncryptedValue \{\}|Proxy\(EncryptedValue \{\}\))$/,
    )
    const printed = inspect(wallet, { showHidden: true, showProxy: true, depth: Infinity })
    for (const bytes of await stored()) {
      expect(printed).not.toContain(
        Buffer.from(bytes as Buffer)
          .toString('hex')
          .slice(-20),
      )
    }
    expect(Object.prototype.toString.call(recovery)).toBe('[object Object]')
  })

  it('can be awaited, passed on and told apart', async () => {
    const { seed, recovery } = await load()
    expect((await Promise.resolve(seed)) === seed).toBe(true)
    expect(new Map([[seed, 1]]).get(seed)).toBe(1)
    expect([isUndecryptable(seed), isUndecryptable(recovery)]).toEqual([true, true])
    const { failure, stored: kept } = undecryptable(recovery)!
    expect(failure).toMatchObject({ entity: 'Wallet', property: 'recovery', primaryKey: { id: 1 } })
    // What is handed out is a copy.
    ;(kept as Buffer).fill(0)
    expect(undecryptable(recovery)!.stored).toEqual((await stored())[2])
  })

  it('fails a test with its failure, and does not hold up the test runner', async () => {
    const { seed, recovery } = await load()
    const thrown = expect.objectContaining({ code: 'CIPHERTEXT_TAMPERED' }) as Error
    expect(() => {
      expect(seed).toBe('a seed')
    }).toThrow(thrown)
    expect(() => {
      expect({ recovery }).toEqual({ recovery: values().recovery })
    }).toThrow(thrown)
    expect(seed).toBe(seed)
  })

  it('is sent to the database by no statement of the application', async () => {
    const { seed } = await load()
    const query = app.dataSource.query(
      `SELECT 1 FROM ${quote('wallet')} WHERE name = ${db().name === 'postgres' ? '$1' : '?'}`,
      [seed],
    )
    expect(await failure(query)).toBeDefined()
    expect(await failure(wallets().findBy({ seed }))).toMatchObject({ code: 'SEARCH_REFUSED' })
    expect(await failure(wallets().update({ id: 1 }, { direct: seed }))).toMatchObject({
      code: 'INVALID_VALUE',
    })
  })

  it.each<[string, (wallet: Wallet) => Promise<unknown>]>([
    ['save, unchanged', (wallet) => wallets().save(wallet)],
    ['save, changed', (wallet) => wallets().save(Object.assign(wallet, { name: 'second' }))],
    ['save without reloading', (wallet) => wallets().save(wallet, { reload: false, listeners: false })],
    ['save of a plain copy', (wallet) => wallets().save(renamed(wallet))],
    ['create', (wallet) => wallets().save(wallets().create(renamed(wallet)))],
    ['merge', (wallet) => wallets().save(wallets().merge(wallets().create(), wallet, { name: 'second' }))],
    ['preload', async (wallet) => wallets().save((await wallets().preload(renamed(wallet)))!)],
    [
      'save into a row that is gone',
      async (wallet) => {
        await wallets().delete(wallet.id)
        await wallets().save(wallet)
      },
    ],
    [
      'insert of the loaded entity',
      async (wallet) => {
        await wallets().delete(wallet.id)
        await wallets().insert(wallet)
      },
    ],
    ['a cascade', (wallet) => app.dataSource.getRepository(Holder).save({ wallets: [wallet] })],
    [
      'a transaction',
      (wallet) => app.dataSource.transaction((manager) => manager.save(Wallet, renamed(wallet))),
    ],
    ['save, twice at once', (wallet) => Promise.all([wallets().save(wallet), wallets().save(wallet)])],
  ])('survives %s', async (_, write) => {
    const before = await stored()
    await write(await load())
    expect(await stored()).toEqual(before)
    expect(isUndecryptable((await load()).seed)).toBe(true)
  })

  it.each<[string, (wallet: Wallet) => Promise<unknown>]>([
    ['update', ({ id, ...rest }) => wallets().update({ id }, { ...rest, name: 'second' })],
    ['update of one column', ({ id, seed }) => wallets().update(id, { seed })],
    ['update of all rows', ({ seed }) => wallets().createQueryBuilder().update().set({ seed }).execute()],
    ['upsert', (wallet) => wallets().upsert(wallet, ['name'])],
    [
      'an insert that updates',
      (wallet) =>
        wallets()
          .createQueryBuilder()
          .insert()
          .values([{ ...values(), name: 'other' }, wallet])
          .orUpdate(['seed', 'note'], ['name'])
          .execute(),
    ],
    [
      'an update builder',
      ({ id, recovery, secrets }) =>
        wallets().createQueryBuilder().update().set({ recovery, secrets }).where({ id }).execute(),
    ],
    [
      'an update builder in a transaction',
      ({ id, note }) =>
        app.dataSource.transaction((manager) =>
          manager.createQueryBuilder(Wallet, 'w').update().set({ note }).where({ id }).execute(),
        ),
    ],
  ])('is refused as a value of %s', async (_, write) => {
    const before = await db().rawQuery(`SELECT * FROM ${quote('wallet')}`)
    expect(await failure(write(await load()))).toMatchObject({ code: 'NOT_DECRYPTED', entity: 'Wallet' })
    expect(await db().rawQuery(`SELECT * FROM ${quote('wallet')}`)).toEqual(before)
  })

  it.each<[string, (wallet: Wallet) => Promise<unknown>]>([
    ['save', (wallet) => wallets().save(Object.assign(wallet, { name: 'second' }))],
    ['save of a plain copy', (wallet) => wallets().save(renamed(wallet))],
    ['save without listeners', (wallet) => wallets().save(renamed(wallet), { listeners: false })],
    ['a transaction', (wallet) => app.dataSource.transaction((m) => m.save(Wallet, renamed(wallet)))],
  ])('never replaces what the row has meanwhile, NULL or a value, in %s', async (_, write) => {
    const wallet = await load()
    await wallets().update(wallet.id, { note: 'mended', loose: null })
    await write(wallet)
    const after = await load()
    expect(after).toMatchObject({ name: 'second', note: 'mended', loose: null })
    expect(isUndecryptable(after.seed)).toBe(true)
  })

  it('makes way for a new value, beside others that stay', async () => {
    const before = await stored()
    await wallets().save(Object.assign(await load(), { seed: 'a new seed' }))
    expect((await load()).seed).toBe('a new seed')
    expect((await stored()).slice(1)).toEqual(before.slice(1))
  })
})

describeDatabases('A value that was never opened', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Wallet, Holder])
    await app.dataSource.getRepository(Wallet).insert(values())
  })
  afterAll(() => app.stop())

  it('throws NOT_DECRYPTED on every use, and stays as it is', async () => {
    const { dataSource } = await app.restart()
    const wallets = dataSource.getRepository(Wallet)
    const stored = () => db().rawQuery(`SELECT ${db().quote('direct')} AS v FROM ${db().quote('wallet')}`)
    const [before] = await stored()
    // What hydration makes of a value that the query runner did not open.
    const { transformer } = dataSource.getMetadata(Wallet).findColumnWithPropertyName('direct')!
    const direct = (transformer as ValueTransformer).from(before!.v) as string
    const thrown = expect.objectContaining({ code: 'NOT_DECRYPTED', property: 'direct' }) as Error
    expect(() => direct.length).toThrow(thrown)
    expect(() => JSON.stringify({ direct })).toThrow(thrown)
    expect([isUndecryptable(direct), undecryptable(direct), inspect(direct)]).toEqual([
      false,
      undefined,
      '[encrypted Wallet.direct]',
    ])
    expect(await failure(wallets.update({ name: 'first' }, { direct }))).toMatchObject({
      code: 'NOT_DECRYPTED',
    })
    const { id } = await wallets.findOneByOrFail({ name: 'first' })
    await wallets.save({ id, direct, note: 'changed' })
    expect(await stored()).toEqual([before])
    expect((await wallets.findOneByOrFail({ name: 'first' })).direct).toBe('direct')
  })
})
