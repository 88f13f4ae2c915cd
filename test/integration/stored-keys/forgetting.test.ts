import { Entity, PrimaryColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Patient {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ context: { clinic: 'north' } }) record!: string
  @KmsEncrypted({ context: { clinic: 'south' }, type: 'string', nullable: true, storage: 'text' })
  remark!: string | null
}

const LEASE = 200
const [NORTH, SOUTH] = [{ clinic: 'north' }, { clinic: 'south' }]

describeDatabases('Forgetting', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Patient], { dataKeys: { lease: LEASE } })
    await app.dataSource.getRepository(Patient).insert([
      { id: 1, record: 'one', remark: 'kept' },
      { id: 2, record: 'two', remark: null },
    ])
  })
  afterEach(() => app.stop())

  const patients = () => app.dataSource.getRepository(Patient)
  const keyTable = () => db().rawQuery('SELECT * FROM kms_data_key ORDER BY context')
  const remarks = () => patients().find({ select: { id: true, remark: true }, order: { id: 'ASC' } })

  it('makes the values of a context unreadable, says so of each, and leaves the others', async () => {
    const began = performance.now()
    const report = await app.encryption.forget(NORTH)
    expect(performance.now() - began).toBeGreaterThanOrEqual(LEASE - 5)
    expect(report).toMatchObject({
      state: 'destroyed',
      pairs: NORTH,
      rows: 2,
      columns: [{ entity: 'Patient', property: 'record', rows: 2, inline: 0 }],
      dataKeys: [{ purpose: 'value', context: NORTH }],
      kmsKeys: [expect.stringMatching(/^arn:aws:kms:/)],
      madeMeanwhile: 0,
    })
    expect(report.remains.join()).toMatch(/Backups.*kms_data_key/)
    expect(report.inMemoryUntil?.getTime()).toBe((report.destroyedAt?.getTime() ?? 0) + 300_000 + LEASE)
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ rows: 2 })
    for (const { dataSource } of [app, await app.restart()]) {
      await expect(dataSource.getRepository(Patient).find()).rejects.toMatchObject({
        code: 'FORGOTTEN',
        kind: 'value',
        entity: 'Patient',
        property: 'record',
        primaryKey: { id: 1 },
      })
    }
    expect(await remarks()).toMatchObject([{ remark: 'kept' }, { remark: null }])
    const rows = await keyTable()
    expect(rows).toMatchObject([{ encrypted_data_key: null, context: JSON.stringify(NORTH) }, {}])
    expect(rows[1]?.['encrypted_data_key']).not.toBeNull()
  })

  it('is a marker where the application asks for one', async () => {
    await app.encryption.forget(NORTH)
    const { dataSource } = await app.restart({ onUndecryptable: 'marker' })
    const [patient] = await dataSource.getRepository(Patient).find({ order: { id: 'ASC' } })
    expect(isUndecryptable(patient?.record)).toBe(true)
    expect(patient?.remark).toBe('kept')
  })

  it('is told from a loss by status, verify and rotate', async () => {
    await app.encryption.forget(NORTH)
    await db().rawQuery('DELETE FROM kms_data_key WHERE context = ?', [JSON.stringify(SOUTH)])
    const { dataSource } = await app.restart()
    expect(await columnStatus(dataSource, Patient, 'record')).toMatchObject({
      forgotten: 2,
      missing: 0,
      plaintext: 0,
      ciphertext: [],
    })
    expect(await columnStatus(dataSource, Patient, 'remark')).toMatchObject({ forgotten: 0, missing: 1 })
    const [record] = await verifyColumns(dataSource, Patient, ['record'])
    expect(record).toMatchObject({ failed: 0, forgotten: 2, rows: 2 })
    expect(await verifyColumns(dataSource, Patient, ['remark'])).toMatchObject([
      { failed: 1, forgotten: 0, unreadable: [{ code: 'DATA_KEY_NOT_FOUND' }] },
    ])
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    expect(await rotateColumns(inline, Patient, ['record'])).toMatchObject([{ changed: 0, forgotten: 2 }])
  })

  it('refuses where values carry their data keys, unless it is to leave them', async () => {
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    await inline.getRepository(Patient).insert({ id: 3, record: 'three', remark: null })
    const before = await keyTable()
    await expect(app.encryption.forget(NORTH, {}, app.dataSource)).rejects.toMatchObject({
      code: 'INLINE_VALUES_LEFT',
      message: expect.stringContaining('1 values of the context in Patient.record') as string,
    })
    expect(await keyTable()).toEqual(before)
    const report = await app.encryption.forget(NORTH, { leaveInline: true })
    expect(report).toMatchObject({ rows: 2, columns: [{ inline: 1 }] })
    expect(report.remains.join()).toContain('1 values of the context carry their data keys')
    expect(await inline.getRepository(Patient).findOneByOrFail({ id: 3 })).toMatchObject({ record: 'three' })
  })

  it('after a waiting time can be undone until then, and values are read and not written meanwhile', async () => {
    const report = await app.encryption.forget(NORTH, { wait: 60_000 })
    expect(report).toMatchObject({ state: 'waiting', rows: 2, destroyedAt: undefined })
    expect((report.destroyAt?.getTime() ?? 0) - (report.retiredAt?.getTime() ?? 0)).toBe(60_000)
    expect(await patients().find()).toHaveLength(2)
    expect(await app.encryption.forgetDue()).toMatchObject({ state: 'nothing' })
    await patients().insert({ id: 3, record: 'three', remark: null })
    expect(await keyTable()).toHaveLength(3)
    expect(await app.encryption.cancelForgetting(NORTH)).toMatchObject({ state: 'restored', rows: 2 })
    expect(await app.encryption.cancelForgetting(NORTH)).toMatchObject({ state: 'nothing' })
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Patient).find()).toHaveLength(3)
    const rows = await keyTable()
    for (const row of rows) expect(row).toMatchObject({ destroy_at: null })
    // Of values it opens and seals nothing more: there is another one meanwhile.
    const retired = rows.filter(({ retired_at }) => retired_at !== null)
    expect(retired).toMatchObject([{ purpose: 'value' }])
  })

  it('is done by whoever comes when the waiting time is over', async () => {
    await app.encryption.forget(NORTH, { wait: 1 })
    await app.encryption.forget(SOUTH, { wait: 60_000 })
    expect(await app.encryption.forgetDue()).toMatchObject({ state: 'destroyed', rows: 2 })
    expect(await app.encryption.forgetDue()).toMatchObject({ state: 'nothing' })
    await expect(patients().find()).rejects.toMatchObject({ code: 'FORGOTTEN' })
    expect(await remarks()).toHaveLength(2)
  })

  it('changes nothing where it is only tried, refused, or has nothing to do', async () => {
    const before = await keyTable()
    expect(await app.encryption.forget(NORTH, { dryRun: true })).toMatchObject({ state: 'planned', rows: 2 })
    const confirm = () => Promise.reject(new Error('no'))
    await expect(app.encryption.forget(NORTH, { confirm })).rejects.toThrow('no')
    expect(await app.encryption.forget({ clinic: 'east' })).toMatchObject({ state: 'nothing', rows: 0 })
    for (const pairs of [{}, { clinic: 5 }, undefined]) {
      await expect(app.encryption.forget(pairs as Record<string, string>)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      })
    }
    await expect(app.encryption.forget(NORTH, { wait: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(await keyTable()).toEqual(before)
  })

  it('empties the context in the key table on request', async () => {
    await app.encryption.forget(NORTH, { emptyContext: true })
    const destroyed = (await keyTable()).find((row) => row['encrypted_data_key'] === null)
    expect(destroyed).toMatchObject({ context: null })
    await expect(patients().find()).rejects.toMatchObject({ code: 'FORGOTTEN' })
  })

  it('goes by what the context is, not by what the key table says of it', async () => {
    const swapped = [JSON.stringify(SOUTH), JSON.stringify(NORTH), 'no JSON']
    for (const text of swapped) await db().rawQuery('UPDATE kms_data_key SET context = ?', [text])
    expect(await app.encryption.forget(NORTH)).toMatchObject({ rows: 2 })
    expect(await remarks()).toMatchObject([{ remark: 'kept' }, { remark: null }])
  })

  it('tells of data keys that the application makes for the context meanwhile', async () => {
    const { dataSource } = await app.restart()
    expect(await app.encryption.forget(NORTH, { wait: 1 })).toMatchObject({
      state: 'waiting',
      madeMeanwhile: 0,
    })
    await dataSource.getRepository(Patient).insert({ id: 3, record: 'new', remark: null })
    const report = await app.encryption.forgetDue()
    expect(report).toMatchObject({ state: 'destroyed', madeMeanwhile: 1 })
    expect(report.remains.join()).toContain('Stop that, and repeat.')
  })
})
