import { Column, Entity, PrimaryColumn, type Repository } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'
import { everythingOfError, Watch } from './canary/watch'

@Entity('note')
class Note {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true, unique: true }) label!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', acceptPlaintext: true, nullable: true }) text!:
    string | null
  @KmsEncrypted({ type: 'buffer', acceptPlaintext: true, nullable: true }) bytes!: Buffer | null
  @KmsEncrypted({ type: 'json', storage: 'text', acceptPlaintext: true, nullable: true }) data!: unknown
  @KmsEncrypted({ type: 'number', storage: 'text', acceptPlaintext: true, nullable: true }) count!:
    number | null
  @KmsEncrypted({
    type: 'string',
    storage: 'text',
    acceptPlaintext: true,
    writes: 'ciphertext',
    nullable: true,
  })
  always!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true }) strict!: string | null
}

const VALUES = {
  text: 'träger "é%" 🔑',
  bytes: Buffer.from([0, 1, 0xff, 0xc3]),
  data: { codes: ['é', 1, null] },
  count: -0.5,
  always: 'always',
  strict: 'strict',
}

describeDatabases('What writes store', (db) => {
  let application: TestApplication
  let notes: Repository<Note>
  let watch: Watch

  const start = async (writes: KmsEncryptionOptions['writes']) => {
    watch = await Watch.over(db())
    application = await startApplication(db(), [Note], { writes }, {
      ...watch.options,
      logging: 'all',
      logger: watch.logger,
    } as object)
    application.dataSource.subscribers.push(watch.tracer)
    notes = application.dataSource.getRepository(Note)
  }

  afterEach(async () => {
    await application.stop()
    await watch.relay?.close()
  })

  const stored = async (id = 1): Promise<Record<string, unknown>> => {
    const [row] = await db().rawQuery('SELECT * FROM note WHERE id = ?', [id])
    return row!
  }

  test('is plaintext as those read it that do not decrypt, in columns that accept it and no others', async () => {
    await start('plaintext')
    await notes.insert({ id: 1, ...VALUES, always: null, strict: null })
    expect(application.encryption.metrics().kmsCalls.GenerateDataKey).toBe(0)
    await notes.update(1, { always: VALUES.always, strict: VALUES.strict })
    const row = await stored()
    expect(row).toMatchObject({
      text: VALUES.text,
      data: '{"codes":["é",1,null]}',
      count: '-0.5',
      bytes: VALUES.bytes,
    })
    for (const column of ['always', 'strict']) expect(row[column]).toMatch(/^wQE/)
    expect(await notes.findOneByOrFail({ id: 1 })).toMatchObject({ id: 1, ...VALUES })
  })

  test('is the same on every path', async () => {
    await start('plaintext')
    const text = (n: number) => `text ${n}`
    const saved = await notes.save({ id: 1, label: 'x', text: text(0) })
    expect((await stored())['text']).toBe(text(0))
    saved.text = text(1)
    await notes.save(saved)
    expect((await stored())['text']).toBe(text(1))
    await notes.upsert({ id: 1, text: text(2) }, ['id'])
    expect((await stored())['text']).toBe(text(2))
    await notes
      .createQueryBuilder()
      .update()
      .set({ text: text(3) })
      .where({ id: 1 })
      .execute()
    expect((await stored())['text']).toBe(text(3))
    const { encryption } = application
    expect(await encryption.encrypt(Note, 'text', text(4))).toBe(text(4))
    expect(await encryption.encryptAll(Note, { text: text(5), strict: null })).toEqual({
      text: text(5),
      strict: null,
    })
    // An unchanged entity is not written.
    const entity = await notes.findOneByOrFail({ id: 1 })
    watch.passing()
    await notes.save(entity)
    await notes.update(1, { text: null, bytes: Buffer.alloc(0) })
    expect(await stored()).toMatchObject({ text: null, bytes: Buffer.alloc(0) })
  })

  test('changes with the answer of a function, which is asked at each write', async () => {
    const asked: unknown[] = []
    let answer: unknown = 'plaintext'
    await start((column) => {
      asked.push(column)
      if (answer instanceof Error) throw answer
      return answer as 'plaintext'
    })
    await notes.insert({ id: 1, text: 'one', strict: 'one' })
    expect((await stored())['text']).toBe('one')
    answer = 'ciphertext'
    await notes.update(1, { text: 'two' })
    expect((await stored())['text']).toMatch(/^wQE/)
    expect(new Set(asked.map((each) => JSON.stringify(each)))).toEqual(
      new Set(['{"entity":"Note","property":"text"}']),
    )
    for (const wrong of [undefined, true, Promise.resolve('ciphertext')]) {
      answer = wrong
      expect(await failure(notes.update(1, { text: 'three' }))).toMatchObject({
        code: 'INVALID_OPTION',
        property: 'text',
      })
    }
    const flags = (answer = new Error('the flags cannot be asked'))
    const note = notes.create({ id: 1, text: 'three', data: [1], count: 1 })
    for (const write of [
      () => notes.save(note),
      () => notes.insert({ id: 2, text: 'three' }),
      () => notes.upsert({ id: 1, text: 'three' }, ['id']),
      () => notes.createQueryBuilder().update().set({ text: 'three' }).where({ id: 1 }).execute(),
    ])
      expect(await failure(write())).toBe(flags)
    expect(note).toEqual(notes.create({ id: 1, text: 'three', data: [1], count: 1 }))
    answer = 'ciphertext'
    expect(await notes.find()).toMatchObject([{ id: 1, text: 'two', data: null }])
  })

  test('is never a plaintext that would be taken for a ciphertext', async () => {
    await start(() => 'plaintext')
    await notes.insert({ id: 1, text: 'x' })
    const { encryption } = application
    const ciphertext = await encryption.encrypt(Note, 'always', 'secret')
    for (const values of [
      { text: ciphertext as string },
      { bytes: Buffer.from(ciphertext as string, 'base64') },
    ]) {
      const error = await failure(notes.update(1, values))
      expect(error).toMatchObject({ code: 'INVALID_VALUE', property: Object.keys(values)[0] })
      expect(error.message).toMatch(/looks like a ciphertext/)
    }
    expect(await stored()).toMatchObject({ text: 'x', bytes: null })
  })

  test('shows nowhere but in the database and on the way there, and for other columns not at all', async () => {
    await start('plaintext')
    const secret = `${watch.marker} "é%"`
    await notes.save({ id: 1, always: secret, strict: secret })
    await notes.update(1, { strict: `${secret}2` })
    for (const found of Object.values({ ...watch.passing(), ...(await watch.lasting()) }))
      expect(found).toEqual([])

    await notes.save({ id: 2, label: 'taken', text: secret, data: { secret } })
    await notes.update(2, { bytes: Buffer.from(secret) })
    watch.noteError(await failure(notes.insert({ id: 3, label: 'taken', text: secret })))
    const { encryption, dataSource } = application
    const objects = watch.objects(encryption, dataSource)
    const { tables } = await watch.lasting()
    expect({ ...objects, tables }).toEqual({ objects: [], tables: expect.arrayContaining(['text']) })
    // better-sqlite3 takes values as they are: there they are parameters like any other.
    if (db().name === 'sqlite') return
    const { logger, errors } = watch.passing()
    // PGlite's errors have the parameters.
    if (db().standIn === 'pglite') return
    expect({ logger, errors }).toEqual({ logger: [], errors: [] })
  })

  test('is refused with a value that the column cannot hold as text, and names the place', async () => {
    await start('plaintext')
    const error = await failure(notes.insert({ id: 1, count: 'secret-number' as unknown as number }))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', property: 'count' })
    expect(everythingOfError(error)).not.toContain('secret-number')
  })
})
