import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { cancelForgetting, forget, forgetDue, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { type StoredDataKey } from '../../../src/cipher/data-keys/store'
import { sqlite } from '../../../src/dialects/sqlite'
import { DataKeyMissingError, KeyTableMissingError, KeyTableUnavailableError } from '../../../src/errors'
import { endDataKeys, type EndOptions } from '../../../src/migration/data-keys/end-data-keys'
import { countForgotten } from '../../../src/migration/data-keys/forget-count'
import { Forgetting } from '../../../src/migration/data-keys/forgetting'
import { KeyTableRows } from '../../../src/migration/data-keys/key-table-rows'
import { moveDataKeys } from '../../../src/migration/data-keys/move'
import { namedDataKeys } from '../../../src/migration/data-keys/named-data-keys'
import { Pass } from '../../../src/migration/pass'
import { type ValueStart } from '../../../src/migration/value-starts'
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

/** Both columns are in the context that the application gives. */
@Entity()
class Twofold {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) one!: string
  @KmsEncrypted({ type: 'string', nullable: true }) other!: string | null
}

@Entity()
class Plain {
  @PrimaryColumn('int') id!: number
}

let db: TestDatabase
let app: TestApplication
let inline: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Patient, Twofold], async (test) => ({
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

describe('forgetting, step by step', () => {
  /** The data keys of both clinics. */
  const both = async () => {
    const work = new Forgetting(app.dataSource, { table: 'patient' })
    const own = await work.find()
    expect(own).toHaveLength(2)
    return { work, own }
  }
  const set = (assignments: string, clinic?: number): Promise<unknown> =>
    db.rawQuery(
      `UPDATE kms_data_key SET ${assignments} WHERE context ${clinic === undefined ? 'IS NOT NULL' : '= ?'}`,
      clinic === undefined ? [] : [textOf(clinic)],
    )

  it('needs a DataSource that is initialised and configured, and is no part of a transaction', async () => {
    const closed = new DataSource({ ...db.options })
    expect(() => new Forgetting(closed, of(1))).toThrow(/^the DataSource is not initialised$/)
    const foreign = await new DataSource({ ...db.options }).initialize()
    expect(() => new KeyTableRows(foreign)).toThrow(/^the DataSource was not configured: wrap its options/)
    await foreign.destroy()
    const inside = app.dataSource.transaction(() => forget(app.dataSource, of(1)))
    const error = await failure(inside)
    expect(error).toMatchObject({ code: 'INVALID_OPTION' })
    expect(error.message).toMatch(/^forgetting cannot be part of a transaction/)
    expect(await alive()).toHaveLength(3)
  })

  it.each<[unknown]>([
    [{}],
    [null],
    [undefined],
    ['table'],
    [{ '': 'a' }],
    [{ clinic: 1 }],
    [{ of: 'a', clinic: null }],
  ])('is refused for what names no context: %j', async (pairs) => {
    for (const work of [forget, cancelForgetting]) {
      const error = await failure(work(app.dataSource, pairs as { clinic: string }))
      expect(error).toMatchObject({ code: 'INVALID_OPTION' })
      expect(error.message).toMatch(/^name what to forget by pairs/)
    }
  })

  it.each([-1, 0.5, Number.NaN, Infinity, 365 * 86_400_000 + 1])('does not wait for %d ms', async (wait) => {
    const error = await failure(forget(app.dataSource, of(1), { wait }))
    expect(error).toMatchObject({ code: 'INVALID_OPTION' })
    expect(error.message).toMatch(/^wait must be a whole number of milliseconds, at most 365 days/)
  })

  it('waits for a year, and is due when that is over', async () => {
    const report = await forget(app.dataSource, of(1), { wait: 365 * 86_400_000 })
    expect(report.state).toBe('waiting')
    const at = report.destroyAt!.getTime()
    expect(at - report.retiredAt!.getTime()).toBe(365 * 86_400_000)
    const now = jest.spyOn(Date, 'now').mockReturnValue(at - 1)
    expect(await forgetDue(app.dataSource, { dryRun: true })).toMatchObject({ state: 'nothing' })
    now.mockReturnValue(at)
    expect(await forgetDue(app.dataSource, { dryRun: true })).toMatchObject({ state: 'planned', rows: 2 })
    now.mockRestore()
  })

  it('cannot be undone for what was destroyed meanwhile, and says how much', async () => {
    const { work, own } = await both()
    await work.retire(own, new Date(), new Date())
    await set('destroyed_at = 5, encrypted_data_key = NULL', 1)
    const error = await failure(work.restore(own))
    expect(error).toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
    expect(error.message).toMatch(
      /^1 of 2 data keys were destroyed before .* backup of kms_data_key has them/,
    )
  })

  it.each([
    ['somebody undid it', 'destroy_at = NULL'],
    ['somebody wrote that it was', 'destroyed_at = 5'],
  ])('does not say that what is there was destroyed: %s', async (_, assignments) => {
    const { work, own } = await both()
    await work.retire(own, new Date(), new Date())
    await set(assignments, 2)
    const error = await failure(work.destroy(own))
    expect(error).toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
    expect(error.message).toMatch(/^1 of 2 data keys were not destroyed/)
    expect(await alive()).toEqual([textOf(2), WARD])
  })

  it('names the row that was removed meanwhile', async () => {
    const { work, own } = await both()
    const [, second] = own
    await db.rawQuery('DELETE FROM kms_data_key WHERE id = ?', [second!.row.id])
    const error = await failure(work.retire(own, new Date(), new Date()))
    expect(error).toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
    expect(error.message).toContain(
      `data key ${second!.row.id.toString('hex')} was removed from kms_data_key`,
    )
  })

  it('counts the values of a context that carry their data keys where there are no others', async () => {
    await add(9, 9, inline)
    expect(await forget(app.dataSource, { table: 'patient' }, { dryRun: true })).toMatchObject({
      rows: 3,
      columns: [{ property: 'record', inline: 1 }],
    })
  })

  it('does not count as a value that carries its data key what is none', async () => {
    const put = (record: Buffer): Promise<unknown> =>
      db.rawQuery('INSERT INTO patient (id, clinic, record) VALUES (9, 1, ?)', [record])
    for (const record of [Buffer.from('plaintext'), Buffer.from('c10105000000000000', 'hex')]) {
      await put(record)
      expect(await forget(app.dataSource, of(1), { dryRun: true })).toMatchObject({
        columns: [{ rows: 2, inline: 0 }],
      })
      await db.rawQuery('DELETE FROM patient WHERE id = 9')
    }
  })

  it('names the columns whose values carry their data keys, and no others', async () => {
    const { dataSource } = await app.restart({ dataKeys: 'inline', context: { app: 'a' } })
    await dataSource.getRepository(Twofold).insert({ id: 1, one: 'a', other: 'b' })
    const both = await app.restart({ context: { app: 'a' } })
    await both.dataSource.getRepository(Twofold).insert({ id: 2, one: 'a', other: 'b' })
    await db.rawQuery('UPDATE twofold SET other = NULL WHERE id = 1')
    const error = await failure(forget(both.dataSource, { app: 'a' }))
    expect(error.message).toMatch(/^1 values of the context in Twofold\.one carry their data keys/)
  })

  it('empties the indexes of searched columns, and goes through no other', async () => {
    const run = jest.spyOn(Pass.prototype, 'run')
    await forget(app.dataSource, { of: 'ward' })
    expect(run).toHaveBeenCalledTimes(1)
    run.mockRestore()
  })

  it('says what is waiting of a context is not made meanwhile', async () => {
    const work = new Forgetting(app.dataSource, of(1))
    const own = await work.find()
    await work.retire(own, new Date(), new Date())
    await add(7, 1, (await app.restart()).dataSource)
    const [made] = (await work.find()).filter(({ row }) => !row.retiredAt)
    const later = new Date(Date.now() + 60_000)
    await work.retire([made!], later, later)
    expect(await forgetDue(app.dataSource)).toMatchObject({ state: 'destroyed', rows: 2, madeMeanwhile: 0 })
  })

  it('reports the KMS keys in order, the latest times, and until when processes may have the data keys', async () => {
    const { work, own } = await both()
    const [one, other] = own.map(({ row, ...rest }, at) => ({
      ...rest,
      row: {
        ...row,
        keyReference: ['b', 'a'][at]!,
        retiredAt: new Date([20, 10][at]!),
        destroyAt: at === 0 ? undefined : new Date(30),
        destroyedAt: new Date([40, 50][at]!),
      },
    }))
    const report = work.report('destroyed', [one!, other!, one!], [])
    const lease = 30
    const maxAge = encryptedColumns(app.dataSource)[0]!.cipher.dataKeys.maxAge
    expect(report).toMatchObject({
      kmsKeys: ['a', 'b'],
      retiredAt: new Date(20),
      destroyAt: new Date(30),
      destroyedAt: new Date(50),
      inMemoryUntil: new Date(50 + maxAge + lease),
    })
    expect(maxAge).toBeGreaterThan(0)
  })

  it('has nothing to do in an application without encrypted columns', async () => {
    const { dataSource } = await app.restart({}, { entities: [Plain] })
    expect(await forget(dataSource, of(1))).toMatchObject({ state: 'nothing', inMemoryUntil: undefined })
  })
})

describe('the rows of the key table', () => {
  const many = Array.from({ length: 501 }, (_, at) => ({ id: Buffer.alloc(16, at) })) as StoredDataKey[]

  it('are found and changed 500 at a time', async () => {
    const rows = new KeyTableRows(app.dataSource)
    const run = jest.spyOn(rows.table, 'run').mockResolvedValue([])
    const find = jest.spyOn(rows.table, 'find').mockResolvedValue([])
    await rows.end(many, new Date())
    // The time, and the ids.
    expect(run.mock.calls.map(([, parameters]) => parameters.length)).toEqual([501, 2])
    expect(find.mock.calls.map(([ids]) => ids.length)).toEqual([500, 1])
    jest.restoreAllMocks()
  })

  it('are all there, or none is told', async () => {
    const rows = new KeyTableRows(app.dataSource)
    const hiddenBy = jest.spyOn(sqlite, 'hiddenBy').mockResolvedValue('policy')
    const error = await failure(rows.all())
    expect(error).toMatchObject({ code: 'ROWS_HIDDEN' })
    expect(error.message).toMatch(/^row level security hides rows of the table kms_data_key/)
    expect(hiddenBy.mock.calls[0]![1]).toEqual({ path: 'kms_data_key', table: '"kms_data_key"' })
    jest.restoreAllMocks()
  })

  it('are asked for those that values name', async () => {
    const [key] = await new KeyTableRows(app.dataSource).all()
    const startOf = (id: Buffer): ValueStart => ({
      kind: 'ciphertext',
      header: Buffer.concat([Buffer.from('c10104', 'hex'), id]),
      text: false,
      outlined: false,
      rows: 1,
    })
    const missing = Buffer.alloc(16, 9)
    const hiddenBy = jest.spyOn(sqlite, 'hiddenBy').mockResolvedValue('policy')
    const named = await namedDataKeys(app.dataSource, [startOf(key!.id), startOf(key!.id)])
    expect([...named]).toEqual([[key!.id.toString('hex'), { state: 'there', row: key }]])
    // What is found need not be looked for behind a policy.
    expect(hiddenBy).not.toHaveBeenCalled()
    const both = [startOf(key!.id), startOf(missing)]
    await expect(namedDataKeys(app.dataSource, both)).rejects.toMatchObject({ code: 'ROWS_HIDDEN' })
    jest.restoreAllMocks()
    expect((await namedDataKeys(app.dataSource, both)).get(missing.toString('hex'))).toEqual({
      state: 'missing',
    })
    expect(await namedDataKeys(app.dataSource, [])).toEqual(new Map())
  })

  it.each<[string, Error, missing: boolean]>([
    ['there is no table', new KeyTableMissingError('no'), true],
    ['there need not be one', new DataKeyMissingError('no'), true],
    ['it cannot be asked', new KeyTableUnavailableError('no'), false],
    ['it says something else', new TypeError('no'), false],
  ])('are missing only if they are: %s', async (_, error, isMissing) => {
    const start: ValueStart = {
      kind: 'ciphertext',
      header: Buffer.from(`c10104${'00'.repeat(16)}`, 'hex'),
      text: false,
      outlined: false,
      rows: 1,
    }
    jest.spyOn(KeyTableRows.prototype, 'find').mockRejectedValue(error)
    const named = namedDataKeys(app.dataSource, [start])
    if (isMissing) expect([...(await named).values()]).toEqual([{ state: 'missing' }])
    else await expect(named).rejects.toBe(error)
    jest.restoreAllMocks()
  })
})

describe('ending data keys', () => {
  const end = (options: EndOptions = {}, dataSource = app.dataSource) =>
    endDataKeys(dataSource, encryptedColumns(dataSource), options)
  const ended = async (): Promise<unknown[]> =>
    (await keys()).filter(({ retired_at }) => retired_at !== null).map(({ context }) => context)

  it('leaves those of blind indexes, which no rotation of values makes anew', async () => {
    await db.rawQuery("UPDATE kms_data_key SET purpose = 'index' WHERE context = ?", [textOf(2)])
    expect(await end()).toEqual(new Set())
    expect(await ended()).toEqual([textOf(1), WARD])
  })

  it('ends those of a table that is not used any more', async () => {
    await end({}, inline)
    expect(await ended()).toHaveLength(3)
  })

  it('leaves those that go on, and has nothing to say of a time', async () => {
    // Not so old that the application makes new ones meanwhile.
    const time = Date.now() - 1_000
    const madeBefore = new Date(time + 2)
    await db.rawQuery('UPDATE kms_data_key SET created_at = CASE WHEN context = ? THEN ? ELSE ? END', [
      WARD,
      time + 2,
      time,
    ])
    const onNote = jest.fn()
    const [going] = (await keys()).filter(({ context }) => context === WARD)
    const kept = new Set([(going!['id'] as Buffer).toString('hex')])
    expect(await end({ madeBefore, dryRun: true, onNote })).toEqual(kept)
    expect(await ended()).toEqual([])
    expect(await end({ madeBefore, onNote })).toEqual(kept)
    expect(await ended()).toEqual([textOf(1), textOf(2)])
    expect(onNote).not.toHaveBeenCalled()
    // Those of before are ended already.
    expect(await end({ onNote })).toEqual(new Set())
    expect(onNote.mock.calls).toEqual([[expect.stringMatching(/^1 stored data keys seal nothing any more/)]])
    await end({ onNote })
    expect(onNote).toHaveBeenCalledTimes(1)
  })

  it('needs a time that there is, and stops as asked', async () => {
    await expect(end({ madeBefore: new Date('never') })).rejects.toThrow(
      /^madeBefore must be a time that there is/,
    )
    const error = await failure(end({ signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'INTERRUPTED', entity: 'Patient' })
    expect(error.message).toContain('stopped as asked, before the first value')
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

  it('reports what a pass over the rows would', async () => {
    const none = { changed: 0, contended: 0, skipped: 0, forgotten: 0, failures: [], notes: [] }
    expect(await rotateColumns(app.dataSource, Patient, ['ward'])).toEqual([
      {
        ...{ entity: 'Patient', property: 'ward', total: 3, rows: 3, dataKeys: 0, ...none },
        elapsed: expect.any(Number) as unknown,
      },
    ])
  })

  it('goes through the rows where a value names a data key of another context, and moves that not', async () => {
    await db.rawQuery('UPDATE patient SET record = ward WHERE id = 1')
    const run = jest.spyOn(Pass.prototype, 'run')
    const settings = { to: await app.createKey() }
    expect(await rotateColumns(app.dataSource, Patient, ['record'], settings)).toMatchObject([
      { rows: 3, changed: 0, dataKeys: 2 },
    ])
    expect(run).toHaveBeenCalledTimes(1)
    run.mockRestore()
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
