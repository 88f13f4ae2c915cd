import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { sqlite } from '../../../src/dialects/sqlite'
import { InvalidValueError, TamperedCiphertextError, WrongContextError } from '../../../src/errors'
import { type Unreadable } from '../../../src/migration/failures'
import { RowFinder } from '../../../src/migration/find-row'
import { encryptedColumn } from '../../../src/migration/target'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { startApplication, type TestApplication } from '../../support/encryption'
import { pagesRead, rowOf } from './support'

@Entity('account')
class Account {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @KmsEncrypted({ boundTo: { row: ['tenant'] } }) bound!: string
  @KmsEncrypted({ keyPer: ['tenant'] }) keyed!: string
}

/** Both properties are bound to the same. */
@Entity('twins')
class Twins {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { column: 'twin', row: ['id'] } }) first?:
    string | null
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { column: 'twin', row: ['id'] } }) second?:
    string | null
}

let db: TestDatabase
let app: TestApplication
/** A process that has no data key in memory. */
let cold: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Account, Twins])
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
beforeEach(async () => {
  await db.rawQuery('DELETE FROM account')
  await db.rawQuery('DELETE FROM twins')
  cold = (await app.restart()).dataSource
})
afterEach(async () => {
  jest.restoreAllMocks()
  app.kms.misbehave({})
  await cold.destroy()
})

const add = (...tenants: number[]): Promise<unknown> =>
  app.dataSource.getRepository(Account).insert(
    tenants.map((tenant, at) => ({
      id: at + 1,
      tenant,
      bound: `bound ${at + 1}`,
      keyed: `keyed ${at + 1}`,
    })),
  )
/** More rows like the first one, each of a tenant of its own. */
const addCopies = (first: number, last: number): Promise<unknown> =>
  db.rawQuery(
    `INSERT INTO account WITH RECURSIVE n(i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM n WHERE i < ${last}) ` +
      'SELECT n.i, n.i, a.bound, a.keyed FROM n, account a WHERE a.id = 1',
  )
const valueOf = async (property: string, id: number, table = 'account'): Promise<Buffer> => {
  const [row] = await db.rawQuery(`SELECT "${property}" AS v FROM ${table} WHERE id = ?`, [id])
  return Buffer.from(row?.['v'] as Buffer)
}

const UNREADABLE: Unreadable = {
  primaryKey: { id: 1 },
  code: 'CIPHERTEXT_WRONG_CONTEXT',
  reason: 'it does not open',
}

/** Looks for the rows of values that do not open in the rows in which they are, the first of them with id 1. */
async function ownersOf(
  property: string,
  values: readonly Buffer[],
  {
    entity = Account.name,
    error = new WrongContextError('it is of another row', {}),
  }: { entity?: string; error?: Error } = {},
): Promise<Unreadable[]> {
  const finder = new RowFinder(encryptedColumn(cold, entity, property))
  values.forEach((value, at) => {
    finder.add(rowOf(at + 1, value), error)
  })
  const runner = cold.createQueryRunner()
  try {
    await finder.search(runner)
  } finally {
    await runner.release()
  }
  return finder.explained(values.map((_, at) => ({ ...UNREADABLE, primaryKey: { id: at + 1 } })))
}
const ownerOf = async (...[property, value, more]: [string, Buffer, { entity?: string; error?: Error }?]) =>
  (await ownersOf(property, [value], more))[0]!

describe('the row that a value belongs to', () => {
  it('is the first that it opens in', async () => {
    await add(1, 1, 2, 2)
    const { belongsTo } = await ownerOf('bound', await valueOf('bound', 4))
    expect(belongsTo).toEqual({ property: 'bound', primaryKey: { id: '3' } })
  })

  it('is looked for in all pages of the table', async () => {
    await add(1, 9_999)
    const value = await valueOf('bound', 2)
    await db.rawQuery('UPDATE account SET id = 9999 WHERE id = 2')
    await addCopies(2, 600)
    expect((await ownerOf('bound', value)).belongsTo?.primaryKey).toEqual({ id: '9999' })
  })

  it('is found with KMS, which is asked once for all rows of a context', async () => {
    await add(1, 1, 1, 1, 2, 2)
    const value = await valueOf('keyed', 5)
    app.kms.calls.reset()
    expect((await ownerOf('keyed', value)).belongsTo?.primaryKey).toEqual({ id: '5' })
    expect(app.kms.calls.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ['Decrypt', 'InvalidCiphertextException'],
      ['Decrypt', 'ok'],
    ])
  })

  it('is found behind many rows of one context, which count as one call', async () => {
    await add(1, 2)
    const value = await valueOf('keyed', 2)
    await db.rawQuery('UPDATE account SET id = 9999 WHERE id = 2')
    await addCopies(2, 1_010)
    await db.rawQuery('UPDATE account SET tenant = 1 WHERE id < 9999')
    expect((await ownerOf('keyed', value)).belongsTo?.primaryKey).toEqual({ id: '9999' })
  })

  it('is tried under the same data key again where the value did not open in a row of its context', async () => {
    await add(1, 2, 3)
    const { cipher } = encryptedColumn(cold, Account, 'bound')
    const decrypt = jest.spyOn(cipher, 'decrypt')
    decrypt.mockRejectedValueOnce(new TamperedCiphertextError('it was altered', {}))
    const { belongsTo } = await ownerOf('bound', await valueOf('bound', 3))
    expect(belongsTo?.primaryKey).toEqual({ id: '3' })
    expect(decrypt).toHaveBeenCalledTimes(2)
  })

  it.each([
    ['first', 'second'],
    ['second', 'first'],
  ])(
    'has it in the same property rather than in another that is bound alike: %s',
    async (property, other) => {
      await app.dataSource.getRepository(Twins).insert([
        { id: 1, [property]: 'x' },
        { id: 2, [property]: 'y' },
      ])
      const { reason, belongsTo } = await ownerOf(property, await valueOf(property, 2, 'twins'), {
        entity: Twins.name,
      })
      expect(belongsTo).toEqual({ property, primaryKey: { id: '2' } })
      expect(reason).not.toContain(other)
    },
  )

  it('may have no value in its place any more', async () => {
    await app.dataSource.getRepository(Twins).insert([
      { id: 1, first: 'x' },
      { id: 2, first: 'y' },
    ])
    const value = await valueOf('first', 2, 'twins')
    await db.rawQuery('UPDATE twins SET first = NULL WHERE id = 2')
    expect((await ownerOf('first', value, { entity: Twins.name })).belongsTo?.primaryKey).toEqual({ id: '2' })
  })

  it('is found behind rows that nothing can be bound to', async () => {
    await add(1, 2, 3)
    await db.rawQuery("UPDATE account SET tenant = 'two' WHERE id = 2")
    expect((await ownerOf('bound', await valueOf('bound', 3))).belongsTo?.primaryKey).toEqual({ id: '3' })
  })

  it('is looked for until all are found, and no further', async () => {
    await add(1, 8, 9)
    const [near, far] = [await valueOf('bound', 2), await valueOf('bound', 3)]
    await db.rawQuery('UPDATE account SET id = 9999 WHERE id = 3')
    await addCopies(100, 700)
    const pages = pagesRead(sqlite)
    const found = await ownersOf('bound', [near, far, near])
    expect(found.map(({ belongsTo }) => belongsTo?.primaryKey['id'])).toEqual(['2', '9999', '2'])
    expect(pages).toHaveLength(2)
    await ownersOf('bound', [near])
    expect(pages).toHaveLength(3)
    // No value is read.
    for (const page of pages) expect(page).toMatchObject({ limit: 500, boundOnly: true })
  })

  it('is another than its own', async () => {
    await add(1, 2)
    const { belongsTo, reason } = await ownerOf('bound', await valueOf('bound', 1))
    expect(belongsTo).toBeUndefined()
    expect(reason).toContain('that of no row of the table')
  })

  it('is not looked for of what is no ciphertext, or does not open for another reason', async () => {
    await add(1, 2)
    const error = new InvalidValueError('it is not of the type')
    expect(await ownerOf('bound', await valueOf('bound', 2), { error })).toEqual(UNREADABLE)
    expect(await ownerOf('bound', Buffer.from('plaintext'))).toEqual(UNREADABLE)
  })

  it('is not said to be none for a fault of ours', async () => {
    await add(1, 2)
    const fault = new TypeError('a fault of ours')
    jest.spyOn(encryptedColumn(cold, Account, 'bound').recipes, 'of').mockImplementation(() => {
      throw fault
    })
    await expect(ownerOf('bound', await valueOf('bound', 2))).rejects.toBe(fault)
  })

  it('is not asked for where each value opens in its own', async () => {
    const runner = cold.createQueryRunner()
    const query = jest.spyOn(runner, 'query')
    const finder = new RowFinder(encryptedColumn(cold, Account, 'bound'))
    await finder.search(runner)
    expect(query).not.toHaveBeenCalled()
    expect(finder.note).toBeUndefined()
    await runner.release()
  })

  it('is not said to be none where KMS could not be asked', async () => {
    await add(1, 1, 2)
    const value = await valueOf('keyed', 3)
    app.kms.misbehave({ outage: true })
    await expect(ownerOf('keyed', value)).rejects.toMatchObject({
      kind: 'service',
      entity: 'Account',
      property: 'keyed',
    })
  })

  it('is looked for with 1,000 calls to KMS, and the reason says so', async () => {
    await add(1)
    await addCopies(2, 1_003)
    const { cipher } = encryptedColumn(cold, Account, 'keyed')
    const decrypt = jest.spyOn(cipher, 'decrypt').mockRejectedValue(new WrongContextError('refused', {}))
    const { reason, belongsTo } = await ownerOf('keyed', await valueOf('keyed', 1))
    expect(reason).toMatch(/none of the rows that were tried, which were not all: KMS was asked 1000 times/)
    expect(belongsTo).toBeUndefined()
    expect(decrypt).toHaveBeenCalledTimes(1_000)
  })

  it.each([false, true])(
    'is looked for on a connection that is put back as it was (fails: %p)',
    async (fails) => {
      await add(1, 2)
      const restore = jest.fn(() => Promise.resolve())
      jest.spyOn(sqlite, 'fixFormats').mockResolvedValue(restore)
      const value = await valueOf('keyed', 2)
      app.kms.misbehave({ outage: fails })
      await ownerOf('keyed', value).catch(() => undefined)
      expect(restore).toHaveBeenCalledTimes(1)
    },
  )
})
