import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { pass, startClock, stopClock } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
  @KmsEncrypted({ type: 'buffer', nullable: true, storage: 'text' }) bytes!: Buffer | null
}

@Entity()
class Other {
  @PrimaryGeneratedColumn() id!: number
  @Column() plain!: string
  @KmsEncrypted() text!: string
}

describeDatabases('Stored data keys', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Note, Other], { dataKeys: 'stored' })
  })
  afterEach(startClock)
  afterEach(() => app.stop())

  const raw = async (table = 'note', column = 'text'): Promise<Buffer[]> =>
    (await db().rawQuery(`SELECT ${db().quote(column)} AS v FROM ${table} ORDER BY id`)).map(
      ({ v }) => v as Buffer,
    )

  test('seal values of 55 bytes more than they have, and open them in a fresh process', async () => {
    const notes = app.dataSource.getRepository(Note)
    const { id } = await notes.save({ text: 'a secret', bytes: Buffer.from([1, 2, 3]) })
    expect((await raw()).map((value) => [value.toString('hex', 0, 3), value.length])).toEqual([
      ['c10104', 55 + 'a secret'.length],
    ])
    const { dataSource, encryption } = await app.restart()
    expect(await dataSource.getRepository(Note).findOneByOrFail({ id })).toEqual({
      id,
      text: 'a secret',
      bytes: Buffer.from([1, 2, 3]),
    })
    expect(encryption.metrics().kmsCalls).toMatchObject({ Decrypt: 1, GenerateDataKey: 0 })
  })

  test('are one for each context, made on first need and shared by processes', async () => {
    const { dataSource } = await app.restart()
    await app.dataSource.getRepository(Note).save({ text: 'one' })
    await dataSource.getRepository(Note).save({ text: 'two' })
    await dataSource.getRepository(Note).save({ text: 'three' })
    await dataSource.getRepository(Other).save({ text: 'four', plain: '' })
    const ids = (await raw()).map((value) => value.toString('hex', 3, 19))
    const salts = (await raw()).map((value) => value.toString('hex', 19, 27))
    expect(new Set(ids).size).toBe(1)
    expect(new Set(salts).size).toBe(2)
    const rows = await db().rawQuery('SELECT * FROM kms_data_key ORDER BY created_at')
    expect(rows.map(({ purpose, context }) => ({ purpose, context }))).toEqual([
      { purpose: 'value', context: '{"table":"note"}' },
      { purpose: 'value', context: '{"table":"other"}' },
    ])
  })

  test('are not written by a process that reads only', async () => {
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Note).find()).toEqual([])
    expect(await db().rawQuery('SELECT 1 FROM kms_data_key')).toEqual([])
  })

  test('are made anew after their age; old ones go on opening', async () => {
    stopClock()
    const { dataSource } = await app.restart({ dataKeys: { maxAge: 100 } })
    const notes = dataSource.getRepository(Note)
    await notes.save({ text: 'one' })
    await pass(120, 10)
    await notes.save({ text: 'two' })
    expect(new Set((await raw()).map((value) => value.toString('hex', 3, 19))).size).toBe(2)
    const fresh = (await app.restart()).dataSource.getRepository(Note)
    expect((await fresh.find({ order: { id: 'ASC' } })).map(({ text }) => text)).toEqual(['one', 'two'])
  })
})
