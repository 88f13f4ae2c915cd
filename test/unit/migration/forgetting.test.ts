import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { cancelForgetting, forget, forgetDue, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { countForgotten } from '../../../src/migration/data-keys/forget-count'
import { Forgetting } from '../../../src/migration/data-keys/forgetting'
import { KeyTableRows } from '../../../src/migration/data-keys/key-table-rows'
import { moveDataKeys } from '../../../src/migration/data-keys/move'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, KEY, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Patient {
  @PrimaryColumn('int') id!: number
  @Column('int') clinic!: number
  @KmsEncrypted({ keyPer: ['clinic'], type: 'string', search: true }) record!: string
  @KmsEncrypted({ context: { of: 'ward' }, type: 'string', nullable: true }) ward!: string | null
}

let db: TestDatabase
let app: TestApplication
let inline: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Patient], async (test) => ({
    dataKeys: { lease: 30 },
    ...(await withIndexKey(test)),
  }))
  inline = (await app.restart({ dataKeys: 'inline' })).dataSource
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})

/** The context as the key table has it. */
const textOf = (clinic: number): string => `{"clinic":"${clinic}","table":"patient"}`
const WARD = '{"of":"ward"}'
const of = (clinic: number): { clinic: string } => ({ clinic: String(clinic) })
const add = (id: number, clinic: number, dataSource = app.dataSource): Promise<unknown> =>
  dataSource.getRepository(Patient).insert({ id, clinic, record: `r${id}`, ward: `w${id}` })
const keys = (): Promise<Record<string, unknown>[]> =>
  db.rawQuery('SELECT * FROM kms_data_key ORDER BY context')
const alive = async (): Promise<unknown[]> =>
  (await keys()).filter((key) => key['encrypted_data_key'] !== null).map(({ context }) => context)

beforeEach(async () => {
  await db.rawQuery('DELETE FROM patient')
  await db.rawQuery('DELETE FROM kms_data_key')
  await app.dataSource.destroy()
  app.dataSource = (await app.restart()).dataSource
  await add(1, 1)
  await add(2, 1)
  await add(3, 2)
})

describe('forgetting', () => {
  it('destroys the data keys of a context, counts its rows, and leaves all others', async () => {
    const index = async (): Promise<unknown[]> =>
      db.rawQuery('SELECT record_index AS i FROM patient ORDER BY id')
    const before = await index()
    const report = await forget(app.dataSource, of(1))
    expect(report).toMatchObject({
      state: 'destroyed',
      pairs: of(1),
      keyTable: 'kms_data_key',
      rows: 2,
      columns: [
        { entity: 'Patient', property: 'record', rows: 2, history: 0, inline: 0, indexes: ['record_index'] },
      ],
      dataKeys: [{ purpose: 'value', context: { ...of(1), table: 'patient' } }],
      kmsKeys: [expect.stringMatching(/^arn:aws:kms:/)],
      madeMeanwhile: 0,
    })
    expect(report.remains).toHaveLength(3)
    expect(report.destroyedAt?.getTime()).toBeGreaterThanOrEqual(report.retiredAt?.getTime() ?? Infinity)
    expect(await alive()).toEqual([textOf(2), WARD])
    // Nothing tells any more which of them were equal.
    const after = await index()
    expect(after[2]).toEqual(before[2])
    for (const at of [0, 1]) expect(after[at]).not.toEqual(before[at])
  })

  it.each<[string, Parameters<typeof forget>[2], state: string]>([
    ['is only tried', { dryRun: true }, 'planned'],
    ['is to wait', { wait: 60_000 }, 'waiting'],
  ])('destroys nothing where it %s', async (_, options, state) => {
    expect(await forget(app.dataSource, of(1), options)).toMatchObject({
      state,
      rows: 2,
      destroyedAt: undefined,
    })
    expect(await alive()).toHaveLength(3)
    const retired = (await keys()).filter(({ retired_at }) => retired_at !== null)
    expect(retired.map(({ context }) => context)).toEqual(state === 'waiting' ? [textOf(1)] : [])
  })

  it('has nothing to do where there are no such data keys, or they are destroyed', async () => {
    const confirm = jest.fn()
    expect(await forget(app.dataSource, of(7), { confirm })).toMatchObject({
      state: 'nothing',
      rows: 0,
      remains: [],
    })
    await forget(app.dataSource, of(1), { confirm })
    expect(await forget(app.dataSource, of(1), { confirm })).toMatchObject({ state: 'nothing', dataKeys: [] })
    expect(confirm.mock.calls).toMatchObject([[{ state: 'planned', rows: 2 }]])
    expect(await cancelForgetting(app.dataSource, of(1))).toMatchObject({ state: 'nothing' })
  })

  it('can be undone until the time is over', async () => {
    await forget(app.dataSource, of(1), { wait: 60_000 })
    expect(await forgetDue(app.dataSource)).toMatchObject({ state: 'nothing', dataKeys: [], columns: [] })
    expect(await cancelForgetting(app.dataSource, of(2))).toMatchObject({ state: 'nothing' })
    expect(await cancelForgetting(app.dataSource, of(1))).toMatchObject({
      state: 'restored',
      rows: 2,
      destroyAt: undefined,
      remains: [],
    })
    for (const key of await keys()) expect(key).toMatchObject({ destroy_at: null })
    expect(await app.dataSource.getRepository(Patient).find()).toHaveLength(3)
  })

  it('that was undone leaves the data keys of values retired, as a rotation may have had it', async () => {
    await rotateColumns(app.dataSource, Patient, ['record'], { newDataKeys: true })
    const retired = async (): Promise<unknown[]> =>
      (await keys()).filter(({ retired_at }) => retired_at !== null).map(({ id }) => id)
    const before = await retired()
    expect(before).toHaveLength(2)
    await forget(app.dataSource, of(1), { wait: 60_000 })
    await cancelForgetting(app.dataSource, of(1))
    expect(await retired()).toEqual(expect.arrayContaining(before))
    await add(4, 1)
    // The one that waited, the one that the rotation made, and a new one.
    const ofClinic = (await keys()).filter(({ context }) => context === textOf(1))
    expect(ofClinic.map(({ retired_at }) => retired_at === null).sort()).toEqual([false, false, true])
  })

  it('that was undone has the one data key of indexes that there is serve again', async () => {
    await db.rawQuery("UPDATE kms_data_key SET purpose = 'index' WHERE context = ?", [textOf(2)])
    const rows = new KeyTableRows(app.dataSource)
    const at = new Date()
    expect(await rows.retire(await rows.all(), at, at)).toHaveLength(3)
    const restored = await rows.restore(await rows.all())
    expect(restored.map(({ destroyAt }) => destroyAt)).toEqual([undefined, undefined, undefined])
    const retired = restored.map(({ purpose, retiredAt }) => [purpose, retiredAt !== undefined])
    expect(retired.sort()).toEqual([
      ['index', false],
      ['value', true],
      ['value', true],
    ])
  })

  it('is refused where values of the context carry their data keys, and counts those of no other', async () => {
    await add(4, 1, inline)
    await add(5, 2, inline)
    await add(6, 2, inline)
    const error = await failure(forget(app.dataSource, of(1)))
    expect(error).toMatchObject({ code: 'INLINE_VALUES_LEFT' })
    expect(error.message).toMatch(/^1 values of the context in Patient\.record carry/)
    expect(await alive()).toHaveLength(3)
    expect(await forget(app.dataSource, of(1), { dryRun: true })).toMatchObject({
      columns: [{ rows: 2, inline: 1 }],
    })
    const report = await forget(app.dataSource, of(1), { leaveInline: true })
    expect(report).toMatchObject({ state: 'destroyed', columns: [{ rows: 2, inline: 1 }] })
    expect(report.remains.join()).toContain('1 values of the context carry their data keys')
    const all = await failure(forget(app.dataSource, { of: 'ward' }))
    expect(all.message).toMatch(/^3 values of the context in Patient\.ward carry/)
  })

  it('of what is due counts the values of its contexts that carry their data keys, and those of no other', async () => {
    await add(4, 1, inline)
    await add(5, 2, inline)
    await forget(app.dataSource, of(1), { wait: 1, leaveInline: true })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const columns = [{ property: 'record', rows: 2, inline: 1 }]
    expect(await forgetDue(app.dataSource, { dryRun: true })).toMatchObject({
      state: 'planned',
      rows: 2,
      columns,
    })
    const report = await forgetDue(app.dataSource, { emptyContext: true })
    expect(report).toMatchObject({ state: 'destroyed', rows: 2 })
    expect(report.columns).toMatchObject(columns)
    expect(report.columns).toHaveLength(1)
    expect(report.remains.join()).toContain('1 values of the context')
    expect((await keys()).map(({ context }) => context)).toEqual([null, textOf(2), WARD])
  })

  it('of what is due says nothing of values in other contexts', async () => {
    await add(5, 2, inline)
    await forget(app.dataSource, of(1), { wait: 1 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const report = await forgetDue(app.dataSource)
    expect(report.columns).toMatchObject([{ property: 'record', rows: 2, inline: 0 }])
    expect(report.remains.join()).not.toContain('carry their data keys')
  })

  it('counts a value that carries its data key once, however many contexts there are', async () => {
    await add(5, 120, inline)
    const contexts = Array.from({ length: 250 }, (_, at) => of(at + 1))
    const runner = app.dataSource.createQueryRunner()
    const counted = await countForgotten(runner, encryptedColumns(app.dataSource), [], contexts)
    expect(counted).toMatchObject([{ property: 'record', rows: 0, inline: 1 }])
  })

  it('is counted on a connection that is given back', async () => {
    const work = new Forgetting(app.dataSource, of(1))
    const own = await work.find()
    const giveBack = jest.spyOn(app.dataSource.createQueryRunner(), 'release')
    const take = jest.spyOn(app.dataSource, 'createQueryRunner')
    expect(await work.count(own)).toMatchObject([{ property: 'record', rows: 2 }])
    expect([take.mock.calls.length, giveBack.mock.calls.length]).toEqual([1, 1])
  })

  it('tells what is made for the context meanwhile', async () => {
    const { dataSource } = await app.restart()
    await forget(app.dataSource, of(1), { wait: 1 })
    await dataSource.getRepository(Patient).insert({ id: 7, clinic: 1, record: 'new', ward: null })
    await dataSource.getRepository(Patient).insert({ id: 8, clinic: 9, record: 'new', ward: null })
    expect(await forgetDue(app.dataSource)).toMatchObject({ state: 'destroyed', rows: 2, madeMeanwhile: 1 })
  })
})

describe('moving data keys to another KMS key', () => {
  const kmsKeys = async (): Promise<unknown[]> => [...new Set((await keys()).map(({ kms_key }) => kms_key))]
  const move = (options: Parameters<typeof moveDataKeys>[2]) =>
    moveDataKeys(app.dataSource, encryptedColumns(app.dataSource), options)

  it('moves each, opens as before, and has nothing to do the next time', async () => {
    const before = await kmsKeys()
    const to = await app.createKey()
    expect(await move({ to, dryRun: true })).toEqual({ found: 3, moved: 3 })
    expect(await kmsKeys()).toEqual(before)
    expect(await move({ to })).toEqual({ found: 3, moved: 3 })
    expect(await kmsKeys()).toEqual([to])
    expect(await move({ to })).toEqual({ found: 3, moved: 0 })
    expect(await (await app.restart()).dataSource.getRepository(Patient).find()).toHaveLength(3)
    const retired = async (): Promise<number> =>
      (await keys()).filter(({ retired_at }) => retired_at !== null).length
    expect(await retired()).toBe(0)
    // They are under another KMS key than the application's: somebody may have put them there.
    expect(await move({ to: KEY })).toEqual({ found: 3, moved: 3 })
    expect(await retired()).toBe(3)
    expect(await kmsKeys()).toEqual(before)
    expect(await move({})).toEqual({ found: 3, moved: 0 })
  })

  it('leaves those that are destroyed, and stops as asked', async () => {
    await forget(app.dataSource, of(1))
    const to = await app.createKey()
    const stopped = AbortSignal.abort()
    expect(await move({ to, signal: stopped })).toEqual({ found: 2, moved: 0 })
    expect(await move({ to })).toEqual({ found: 2, moved: 2 })
    expect(await moveDataKeys(app.dataSource, [], { to })).toEqual({ found: 0, moved: 0 })
  })

  it('says so for a row that others changed', async () => {
    await db.rawQuery('UPDATE kms_data_key SET encrypted_data_key = ? WHERE context = ?', [
      Buffer.alloc(200, 1),
      textOf(1),
    ])
    await expect(move({ to: await app.createKey() })).rejects.toMatchObject({
      kind: expect.any(String) as unknown,
    })
  })
})

describe('rotation of a column under stored data keys', () => {
  it('moves the data keys and reads no value', async () => {
    const values = await db.rawQuery('SELECT record, ward FROM patient ORDER BY id')
    const to = await app.createKey()
    expect(await rotateColumns(app.dataSource, Patient, ['record', 'ward'], { to })).toMatchObject([
      { total: 3, rows: 3, changed: 0, dataKeys: 2, forgotten: 0, skipped: 0 },
      { total: 3, rows: 3, changed: 0, dataKeys: 1 },
    ])
    expect(await db.rawQuery('SELECT record, ward FROM patient ORDER BY id')).toEqual(values)
  })

  it('counts forgotten rows, and converts values that carry their data keys', async () => {
    await add(4, 1, inline)
    expect(await rotateColumns(app.dataSource, Patient, ['record'])).toMatchObject([
      { total: 4, rows: 4, changed: 1, forgotten: 0 },
    ])
    await forget(app.dataSource, of(2))
    expect(await rotateColumns(app.dataSource, Patient, ['record'])).toMatchObject([
      { total: 4, rows: 4, changed: 0, forgotten: 1, dataKeys: 0 },
    ])
  })

  it('makes new data keys, and goes on where it was ended', async () => {
    const begun = new Date(Date.now() + 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const notes: string[] = []
    const onNote = (note: string): unknown => notes.push(note)
    expect(
      await rotateColumns(app.dataSource, Patient, ['record'], { newDataKeys: true, dryRun: true, onNote }),
    ).toMatchObject([{ changed: 3 }])
    expect(notes).toEqual([])
    expect(
      await rotateColumns(app.dataSource, Patient, ['record'], { newDataKeys: true, onNote }),
    ).toMatchObject([{ changed: 3 }])
    expect(notes).toEqual([
      expect.stringMatching(/^2 stored data keys seal nothing any more.*--made-before 2/),
    ])
    expect((await keys()).filter(({ retired_at }) => retired_at !== null)).toHaveLength(2)
    const goingOn = { newDataKeys: true, madeBefore: begun, onNote }
    expect(await rotateColumns(app.dataSource, Patient, ['record'], goingOn)).toMatchObject([
      { rows: 3, changed: 0 },
    ])
    expect(notes).toHaveLength(1)
    // What was made at that very time is left as well.
    const made = Date.now() - 1_000
    await db.rawQuery('UPDATE kms_data_key SET created_at = ?', [made])
    for (const [at, changed] of [
      [made, 0],
      [made + 1, 3],
    ] as const) {
      const settings = { newDataKeys: true, madeBefore: new Date(at) }
      expect(await rotateColumns(app.dataSource, Patient, ['record'], settings)).toMatchObject([{ changed }])
    }
    const stop = AbortSignal.abort()
    const error = await failure(
      rotateColumns(app.dataSource, Patient, ['record'], { newDataKeys: true, signal: stop }),
    )
    expect(error).toMatchObject({ code: 'INTERRUPTED', entity: 'Patient', property: 'record' })
  })
})
