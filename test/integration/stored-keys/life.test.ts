import { randomBytes } from 'node:crypto'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { pass, startClock, stopClock } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

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

  test('seal no ciphertext once more, and whatever else begins like one', async () => {
    const notes = app.dataSource.getRepository(Note)
    const others = app.dataSource.getRepository(Other)
    await notes.save({ text: 'a secret', bytes: Buffer.from('more') })
    const [stored] = await raw()
    const { encryption, dataSource } = await app.restart({ dataKeys: 'inline' })
    const inline = await encryption.encrypt(Note, 'text', 'a secret', dataSource)
    for (const own of [stored!, inline as Buffer]) {
      for (const bytes of [own, Buffer.from(own.toString('base64'))])
        for (const repository of [notes, dataSource.getRepository(Note)])
          expect(await failure(repository.save({ text: '', bytes }))).toMatchObject({ code: 'INVALID_VALUE' })
      for (const repository of [others, dataSource.getRepository(Other)])
        expect(await failure(repository.insert({ plain: '', text: own.toString('hex') }))).toMatchObject({
          code: 'INVALID_VALUE',
        })
    }
    // One random key of 64 bytes in 16 million begins so.
    for (const start of ['c10104', 'c10102']) {
      const bytes = Buffer.concat([Buffer.from(start, 'hex'), randomBytes(61)])
      for (const repository of [notes, dataSource.getRepository(Note)]) {
        const { id } = await repository.save({ text: bytes.toString('hex'), bytes })
        expect(await repository.findOneBy({ id })).toEqual({ id, text: bytes.toString('hex'), bytes })
      }
    }
    await dataSource.destroy()
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

  describe('cost the first request of a process', () => {
    /** A fresh process with a KMS that answers once so many calls are on their way; and what the key table is asked. */
    async function freshProcess(callsAtOnce: number) {
      let underWay = 0
      let answer = (): void => undefined
      const answered = new Promise<void>((resolve) => (answer = resolve))
      const client = app.kms.client({ maxAttempts: 1 })
      client.middlewareStack.add(
        (next) => async (request) => {
          if (++underWay === callsAtOnce) answer()
          await answered
          return next(request)
        },
        { step: 'initialize' },
      )
      const logger = new StatementLog()
      const { dataSource } = await app.restart({ client }, { logging: true, logger })
      logger.reset()
      app.kms.calls.reset()
      const queries = (): number => logger.sent.filter(([sql]) => /^SELECT.*kms_data_key/.test(sql)).length
      return { dataSource, queries }
    }
    const fill = async (): Promise<void> => {
      await app.dataSource.getRepository(Note).save([{ text: 'one' }, { text: 'two' }])
      await app.dataSource.getRepository(Other).save({ text: 'three', plain: '' })
    }

    test('that reads: one query, and a call for each context, side by side', async () => {
      await fill()
      const { dataSource, queries } = await freshProcess(2)
      const notes = await dataSource
        .getRepository(Note)
        .createQueryBuilder('note')
        .leftJoinAndMapOne('note.other', Other, 'other', 'other.id = note.id')
        .orderBy('note.id')
        .getMany()
      expect(notes).toMatchObject([{ text: 'one', other: { text: 'three' } }, { text: 'two' }])
      expect(app.kms.calls.map(({ operation }) => operation)).toEqual(['Decrypt', 'Decrypt'])
      expect(queries()).toBe(1)
    })

    test('that writes: a query and a call for each context, side by side', async () => {
      await fill()
      const { dataSource, queries } = await freshProcess(2)
      const { manager } = dataSource
      await manager.save([
        manager.create(Note, { text: 'four' }),
        manager.create(Note, { text: 'five' }),
        manager.create(Other, { text: 'six', plain: '' }),
      ])
      expect(app.kms.calls.map(({ operation }) => operation)).toEqual(['Decrypt', 'Decrypt'])
      // With one connection: before the first COMMIT it is asked whether what was found in there is there still.
      expect(queries()).toBe(db().name === 'sqlite' || db().standIn ? 3 : 2)
    })
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
