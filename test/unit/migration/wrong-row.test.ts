import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { rotateColumns, type RotateOptions, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { TakeBack } from '../../../src/migration/take-back'
import { encryptedColumn } from '../../../src/migration/target'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { rowOf } from './support'

@Entity()
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int', name: 'tenant_id' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) envelope!: string
  @KmsEncrypted({ boundTo: { row: ['id'] }, acceptPlaintext: true }) other!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, storage: 'text', search: true }) text!: string
  @KmsEncrypted({ boundTo: { row: ['id'] }, keyPer: ['tenantId'] }) keyed!: Buffer
  @KmsEncrypted() free!: string
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Account], withIndexKey)
  dataSource = app.dataSource
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})

const accountOf = (id: number) => ({
  id,
  tenantId: id < 3 ? 1 : 2,
  envelope: `envelope ${id}`,
  other: `other ${id}`,
  text: `text ${id}`,
  keyed: Buffer.from(`keyed ${id}`),
  free: `free ${id}`,
})

beforeEach(async () => {
  await db.rawQuery('DELETE FROM account')
  await dataSource.getRepository(Account).insert([1, 2, 3, 4].map(accountOf))
})

const cells = async (column: string): Promise<unknown[]> =>
  (await db.rawQuery(`SELECT "${column}" AS v FROM account ORDER BY id`)).map(({ v }) => v)
const set = (column: string, value: unknown, id: number): Promise<unknown> =>
  db.rawQuery(`UPDATE account SET "${column}" = ? WHERE id = ?`, [value, id])
const takeBack = async (property: string, boundAs: RotateOptions['boundAs'], options: RotateOptions = {}) =>
  (await rotateColumns(dataSource, Account, [property], { ...options, boundAs }))[0]
const verify = async (property: string, options: object = {}) =>
  (await verifyColumns(dataSource, Account, [property], options))[0]!
const idsOf = (keys: readonly Readonly<Record<string, unknown>>[] = []): number[] =>
  keys.map((key) => Number(key['id'])).sort()

describe('values whose row was changed around the library', () => {
  beforeEach(() => db.rawQuery('UPDATE account SET tenant_id = 9 WHERE id < 3'))

  it.each(['text', 'keyed'] as const)('are bound anew, and no others are written: %s', async (property) => {
    expect(await verify(property)).toMatchObject({ failed: 2, rows: 4 })
    const before = await cells(property)
    const result = await takeBack(property, { tenantId: 1 })
    expect(result).toMatchObject({ total: 4, rows: 4, changed: 2, skipped: 0 })
    expect(idsOf(result?.bound)).toEqual([1, 2])
    const after = await cells(property)
    expect(after.slice(2)).toEqual(before.slice(2))
    expect(after.slice(0, 2)).not.toEqual(before.slice(0, 2))
    expect(await verify(property)).toMatchObject({ failed: 0 })
    const account = await dataSource
      .getRepository(Account)
      .findOne({ where: { id: 2 }, select: { id: true, tenantId: true, [property]: true } })
    expect(account?.[property]).toEqual(accountOf(2)[property])
    expect(await takeBack(property, { tenantId: 1 })).toMatchObject({ changed: 0, bound: [] })
  })

  it('are found by their index again', async () => {
    const before = await cells('text_index')
    await db.rawQuery("UPDATE account SET text_index = 'x' WHERE id < 3")
    await takeBack('text', { tenantId: 1 })
    expect(await cells('text_index')).toEqual(before)
    expect(await verify('text')).toMatchObject({ failed: 0 })
  })

  it('are listed on a dry run, and not written', async () => {
    const before = await cells('text')
    const result = await takeBack('text', { tenantId: 1 }, { dryRun: true })
    expect([result?.changed, idsOf(result?.bound)]).toEqual([2, [1, 2]])
    expect(await cells('text')).toEqual(before)
  })

  it.each([1, '1', 1n])('are bound to a value of the column, or its text: %p', async (tenantId) => {
    expect(await takeBack('text', { tenantId }, { dryRun: true })).toMatchObject({ changed: 2 })
  })

  it('are left where they are bound to another value, and listed if that is asked for', async () => {
    expect(await failure(takeBack('text', { tenantId: 7 }))).toMatchObject({
      code: 'CIPHERTEXT_WRONG_ROW',
      property: 'text',
    })
    const result = await takeBack('text', { tenantId: 7 }, { skipFailed: true })
    expect(result).toMatchObject({ changed: 0, skipped: 2, bound: [] })
    expect(idsOf(result?.failures.map(({ primaryKey }) => primaryKey))).toEqual([1, 2])
  })

  it('are not listed where others write them until the end', async () => {
    const takingBack = new TakeBack(encryptedColumn(dataSource, Account, 'text'), { tenantId: 1 })
    const row = rowOf(2, String((await cells('text'))[1]), {
      valueOf: (name) => ({ id: 2, tenant_id: 9 })[name],
    })
    expect(await takingBack.convert(row)).toBeDefined()
    expect(takingBack.rows).toEqual([{ id: 2 }])
    takingBack.leave(row)
    expect(takingBack.rows).toEqual([])
  })

  it.each<[object, RegExp]>([
    [{ free: 1 }, /boundAs names free, .* bound to and keyed by id, tenantId only/],
    [{ tenantId: 'x' }, /tenant/],
    [{ tenantId: 1.5 }, /tenant/],
  ])('are named by properties that they are bound to: %j', async (boundAs, message) => {
    const error = await failure(takeBack('text', boundAs as RotateOptions['boundAs']))
    expect(error.message).toMatch(message)
  })
})

describe('values whose row has another key now', () => {
  it('are bound to it, where the former row is gone', async () => {
    await db.rawQuery('UPDATE account SET id = 11 WHERE id = 1')
    expect(await takeBack('envelope', { id: 1 })).toMatchObject({ changed: 1, bound: [{ id: '11' }] })
    expect(await verify('envelope')).toMatchObject({ failed: 0 })
  })

  it('are refused where that row is there: what opens so was copied', async () => {
    await set('envelope', (await cells('envelope'))[0], 3)
    const before = await cells('envelope')
    const error = await failure(takeBack('envelope', { id: 1 }))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', entity: 'Account', property: 'envelope' })
    expect(error.message).toContain('boundAs names the row id=1, which is there')
    expect(await cells('envelope')).toEqual(before)
  })

  it('leave plaintext as it is, where that is accepted', async () => {
    await set('other', Buffer.from('plaintext'), 4)
    await db.rawQuery('UPDATE account SET id = 11 WHERE id = 1')
    expect(await takeBack('other', { id: 1 })).toMatchObject({ changed: 1, rows: 4 })
    expect((await cells('other'))[2]).toEqual(Buffer.from('plaintext'))
  })
})

describe('the row that a value belongs to', () => {
  it('is found for a value that was copied', async () => {
    await set('envelope', (await cells('envelope'))[2], 1)
    const { unreadable, failed, notes } = await verify('envelope', { findRow: true })
    expect({ failed, notes }).toEqual({ failed: 1, notes: [] })
    expect(unreadable).toEqual([
      {
        primaryKey: { id: '1' },
        code: 'CIPHERTEXT_WRONG_ROW',
        reason: 'the value is that of the row (id=3): it was copied or moved here.',
        belongsTo: { property: 'envelope', primaryKey: { id: '3' } },
      },
    ])
    const [without] = (await verify('envelope')).unreadable
    expect(without).not.toHaveProperty('belongsTo')
  })

  it('is found for values that were exchanged, and for one of another tenant', async () => {
    const [one, two, three] = await cells('keyed')
    await set('keyed', two, 1)
    await set('keyed', one, 2)
    await set('keyed', three, 4)
    const { unreadable } = await verify('keyed', { findRow: true })
    const found = unreadable.map(({ primaryKey, belongsTo }) => [
      primaryKey['id'],
      belongsTo?.primaryKey['id'],
    ])
    expect(found.sort()).toEqual([
      ['1', '2'],
      ['2', '1'],
      ['4', '3'],
    ])
  })

  it('is found for a value of another column', async () => {
    await set('other', (await cells('envelope'))[0], 1)
    await set('envelope', (await cells('other'))[2], 3)
    const { unreadable } = await verify('envelope', { findRow: true })
    expect(unreadable).toMatchObject([
      {
        primaryKey: { id: '3' },
        reason: expect.stringContaining('that of other of the row (id=3)') as unknown,
        belongsTo: { property: 'other', primaryKey: { id: '3' } },
      },
    ])
  })

  it('is none for a value that was altered', async () => {
    const bytes = Buffer.from((await cells('envelope'))[1] as Buffer)
    bytes[bytes.length - 1] = 255 - (bytes.at(-1) ?? 0)
    await set('envelope', bytes, 2)
    const { unreadable } = await verify('envelope', { findRow: true })
    expect(unreadable).toMatchObject([
      {
        primaryKey: { id: '2' },
        reason: expect.stringMatching(/^the value is that of no row of the table.*\(id\)/) as unknown,
      },
    ])
    expect(unreadable[0]).not.toHaveProperty('belongsTo')
  })

  it('is looked for of 100 values, and the note says how many more there are', async () => {
    await db.rawQuery('DELETE FROM account WHERE id > 2')
    const [value] = await cells('envelope')
    await db.rawQuery(
      'INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 201) ' +
        'SELECT n.i, a.tenant_id, a.envelope, a.other, a.text, a.text_index, a.keyed, a.free FROM n, account a WHERE a.id = 1',
    )
    expect(value).toBeDefined()
    const notes: string[] = []
    const result = await verify('envelope', { findRow: true, onNote: (note: string) => notes.push(note) })
    expect(result.failed).toBe(102)
    expect(result.unreadable.filter(({ belongsTo }) => belongsTo)).toHaveLength(100)
    const note = expect.stringMatching(/^100 values .* and 2 more were not/) as unknown
    expect(result.notes).toEqual([note])
    expect(notes).toEqual([expect.stringMatching(/^Account\.envelope: 100 values/)])
    expect((await verify('envelope', { findRow: true })).notes).toEqual([note])
  })

  it('is asked for of no column that is bound to nothing', async () => {
    await set('free', (await cells('envelope'))[0], 1)
    const result = await verify('free', { findRow: true })
    expect(result).toMatchObject({ failed: 1, notes: [] })
    expect(result.unreadable).toEqual((await verify('free')).unreadable)
  })
})
