import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { KeyTableRows } from '../../../src/migration/data-keys/key-table-rows'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Vault {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ storage: 'text', type: 'string', nullable: true }) note!: string | null
}

@Entity()
class Chest {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() gold!: string
}

const ROWS = Number(process.env['TEST_ROWS'] ?? 20)

describeDatabases('A rotation of stored data keys', (db) => {
  let app: TestApplication
  let other: string

  beforeEach(async () => {
    app = await startApplication(db(), [Vault, Chest], { dataKeys: 'stored' })
    other = await app.createKey()
    await fill()
  })
  afterEach(() => app.stop())

  async function fill(): Promise<void> {
    for (let first = 0; first < ROWS; first += 1_000) {
      const count = Math.min(1_000, ROWS - first)
      const rows = Array.from({ length: count }, (_, index) => ({
        id: first + index,
        secret: `secret ${first + index}`,
        note: index % 2 === 0 ? 'note' : null,
      }))
      await app.dataSource.getRepository(Vault).insert(rows)
    }
    await app.dataSource.getRepository(Chest).insert({ id: 1, gold: 'much' })
  }

  const values = () => db().rawQuery('SELECT * FROM vault ORDER BY id')
  const keyTable = () => db().rawQuery('SELECT * FROM kms_data_key ORDER BY context')

  it('is one call and one row of the key table for each data key, and writes no value', async () => {
    const before = await values()
    const rows = await keyTable()
    app.kms.calls.reset()
    const began = performance.now()
    const results = await rotateColumns(app.dataSource, Vault, ['secret', 'note'], { to: other })
    if (process.env['TEST_ROWS']) {
      process.stdout.write(
        `${db().name}: ${ROWS} rows, ${(performance.now() - began).toFixed(0)} ms, ${app.kms.calls.count()} calls\n`,
      )
    }
    expect(results).toMatchObject([
      { changed: 0, rows: ROWS, dataKeys: 1 },
      { changed: 0, dataKeys: 0 },
    ])
    // The second column shares the data key, and asks whether it is where it should be.
    expect(app.kms.calls.count('ReEncrypt')).toBe(2)
    expect(app.kms.calls.count()).toBe(2)
    expect(await values()).toEqual(before)
    const after = await keyTable()
    expect(after.map(({ kms_key }) => kms_key)).toEqual([rows[0]?.['kms_key'], other])
    expect(after.map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
    expect(after[0]).toEqual(rows[0])
    const fresh = await app.restart({ keyId: other })
    expect(await fresh.dataSource.getRepository(Vault).findOneByOrFail({ id: 3 })).toMatchObject({
      secret: 'secret 3',
    })
    expect(await verifyColumns(fresh.dataSource, Vault, ['secret'])).toMatchObject([{ failed: 0 }])
  })

  it('costs a call and no update when it is run again', async () => {
    await rotateColumns(app.dataSource, Chest, ['gold'], { to: other })
    const rows = await keyTable()
    expect(await rotateColumns(app.dataSource, Chest, ['gold'], { to: other })).toMatchObject([
      { dataKeys: 0 },
    ])
    expect(await keyTable()).toEqual(rows)
    expect(await rotateColumns(app.dataSource, Chest, ['gold'], { dryRun: true })).toMatchObject([
      { dataKeys: 1 },
    ])
    expect(await keyTable()).toEqual(rows)
  })

  it('does not believe the key table about the KMS key, and mends it', async () => {
    await db().rawQuery('UPDATE kms_data_key SET kms_key = ?', [other])
    expect(await rotateColumns(app.dataSource, Chest, ['gold'], { to: other })).toMatchObject([
      { dataKeys: 1 },
    ])
    await db().rawQuery('UPDATE kms_data_key SET kms_key = ?', ['arn:aws:kms:us-east-1:1:key/forged'])
    expect(await rotateColumns(app.dataSource, Chest, ['gold'], { to: other })).toMatchObject([
      { dataKeys: 1 },
    ])
    const gold = (await keyTable()).find(({ context }) => String(context).includes('chest'))
    expect(gold).toMatchObject({ kms_key: other })
  })

  it('leaves a row that somebody else changes meanwhile to them, and looks again', async () => {
    const { dataSource } = await app.restart()
    const [before] = await keyTable()
    // The first answer comes too late: the other rotation is done by then.
    let first = true
    app.kms.misbehave({
      latency: () => {
        const wasFirst = first
        first = false
        return wasFirst ? 300 : 0
      },
    })
    const third = await app.createKey()
    first = true
    const [slow] = await Promise.all([
      rotateColumns(app.dataSource, Chest, ['gold'], { to: other }),
      rotateColumns(dataSource, Chest, ['gold'], { to: third }),
    ])
    app.kms.misbehave({})
    expect(slow).toMatchObject([{ dataKeys: 1 }])
    expect((await keyTable())[0]).toMatchObject({ id: before?.['id'], kms_key: other })
    const fresh = (await app.restart({ keyId: other })).dataSource
    expect(await fresh.getRepository(Chest).find()).toEqual([{ id: 1, gold: 'much' }])
  })

  it('changes no row that is not what it was when it was read', async () => {
    const rows = new KeyTableRows(app.dataSource)
    const [stale] = await rows.all()
    if (!stale) throw new Error('there is one')
    const theirs = { ciphertext: Buffer.alloc(184, 1), keyReference: other }
    expect(await rows.move(stale, theirs)).toBe(true)
    const after = await keyTable()
    expect(await rows.move(stale, { ciphertext: Buffer.alloc(184, 2), keyReference: 'mine' })).toBe(false)
    expect(await keyTable()).toEqual(after)
  })

  it('with new data keys seals every value anew, after the lease', async () => {
    const { dataSource } = await app.restart({ dataKeys: { lease: 200 } })
    const before = await values()
    const result = await rotateColumns(dataSource, Vault, ['secret'], { newDataKeys: true })
    expect(result).toMatchObject([{ changed: ROWS, dataKeys: 0 }])
    const ids = (rows: Record<string, unknown>[]) =>
      new Set(rows.map(({ secret }) => (secret as Buffer).toString('hex', 3, 19)))
    const after = await values()
    expect(ids(after).size).toBe(1)
    expect(ids(after)).not.toEqual(ids(before))
    expect(after.map(({ note }) => note)).toEqual(before.map(({ note }) => note))
    expect(await verifyColumns(dataSource, Vault, ['secret', 'note'])).toMatchObject([
      { failed: 0 },
      { failed: 0 },
    ])
  })

  it('with new data keys goes on where it was ended, and ends the data keys of all columns at once', async () => {
    const { dataSource } = await app.restart({ dataKeys: { lease: 300 } })
    const notes: string[] = []
    const ended = rotateColumns(dataSource, Vault, ['secret', 'note'], {
      newDataKeys: true,
      batchSize: 5,
      onNote: (note) => notes.push(note),
      onProgress: ({ rows }) => {
        if (rows >= 10) throw new Error('ended')
      },
    })
    await expect(ended).rejects.toThrow('ended')
    const time = /--made-before (\S+)/.exec(notes.join())?.[1] ?? ''
    const half = await values()
    const madeBefore = new Date(time)
    const options = { newDataKeys: true, madeBefore }
    const [secret, note] = await rotateColumns(dataSource, Vault, ['secret', 'note'], options)
    expect(secret?.changed).toBeLessThanOrEqual(ROWS - 10)
    expect(note?.changed).toBe(ROWS / 2)
    expect((await values()).slice(0, 10).map((row) => row['secret'])).toEqual(
      half.slice(0, 10).map((row) => row['secret']),
    )
    // One of the first beginning, and one that all values are under now.
    expect((await keyTable()).filter(({ context }) => String(context).includes('vault'))).toHaveLength(2)
    expect(await rotateColumns(dataSource, Vault, ['secret', 'note'], options)).toMatchObject([
      { changed: 0 },
      { changed: 0 },
    ])
    await expect(rotateColumns(dataSource, Vault, ['secret'], { madeBefore })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })

  it('converts values that carry their data keys, and back, by the settings of their column', async () => {
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    const back = await rotateColumns(inline, Vault, ['secret', 'note'])
    expect(back).toMatchObject([{ changed: ROWS }, { changed: ROWS / 2 }])
    expect(await columnStatus(inline, Vault, 'secret')).toMatchObject({
      ciphertext: [{ mode: 'envelope', rows: ROWS, dataKeys: undefined }],
    })
    const status = await columnStatus(app.dataSource, Vault, 'note')
    expect(status).toMatchObject({ ciphertext: [{ mode: 'envelope', rows: ROWS / 2 }], otherStorage: 0 })
    const stored = (await app.restart()).dataSource
    const forth = await rotateColumns(stored, Vault, ['secret', 'note'])
    expect(forth).toMatchObject([{ changed: ROWS }, { changed: ROWS / 2 }])
    const { keyTag, ...count } = (await columnStatus(stored, Vault, 'note')).ciphertext[0] ?? {}
    expect(keyTag).toBeUndefined()
    expect(count).toMatchObject({ mode: 'stored', rows: ROWS / 2, dataKeys: 1 })
    const fresh = (await app.restart()).dataSource.getRepository(Vault)
    expect(await fresh.findOneByOrFail({ id: 4 })).toEqual({ id: 4, secret: 'secret 4', note: 'note' })
    expect(await rotateColumns(stored, Vault, ['secret'])).toMatchObject([{ changed: 0, rows: ROWS }])
  })

  it('stores nothing under a data key that KMS does not open again', async () => {
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    await rotateColumns(inline, Vault, ['secret'])
    const stored = (await app.restart({ keyId: KEY })).dataSource
    await stored.getRepository(Vault).insert({ id: ROWS, secret: 'new', note: null })
    // The data key is in memory, and its row is forged since.
    await db().rawQuery("UPDATE kms_data_key SET encrypted_data_key = ? WHERE purpose = 'value'", [
      Buffer.alloc(184, 1),
    ])
    const before = await values()
    await expect(rotateColumns(stored, Vault, ['secret'])).rejects.toMatchObject({
      name: expect.stringMatching(/Error$/) as string,
    })
    expect(await values()).toEqual(before)
  })
})
