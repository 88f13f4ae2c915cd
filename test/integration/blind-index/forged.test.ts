import { Column, Entity, In, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

@Entity()
class Login {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
  @KmsEncrypted({ type: 'string', search: true, nullable: true }) email!: string | null
}

@Entity({ name: 'login' })
class Filling {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
  @KmsEncrypted({ search: { filling: true } }) email!: string
}

@Entity({ name: 'login' })
class Lenient {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
  @KmsEncrypted({ type: 'string', nullable: true, search: true, onUndecryptable: 'marker' }) email!:
    string | null
}

describeDatabases('A blind index is not trusted', (db) => {
  const log = new StatementLog()
  let app: TestApplication
  let logins: Repository<Login>

  beforeAll(async () => {
    app = await startApplication(db(), [Login], withIndexKey, { logging: ['query'], logger: log })
  })
  beforeEach(async () => {
    logins = app.dataSource.getRepository(Login)
    await logins.clear()
    await logins.save([
      { email: 'victim@x', name: 'v' },
      { email: 'attacker@x', name: 'a' },
    ])
    // From here on the indexes are taken for complete.
    await logins.countBy({ email: '' })
  })
  afterAll(() => app.stop())

  const copyIndex = async () => {
    const [victim] = await db().rawQuery("SELECT email_index FROM login WHERE name = 'v'")
    await db().rawQuery("UPDATE login SET email_index = ? WHERE name = 'a'", [victim!['email_index']])
    await db().rawQuery("UPDATE login SET name = 'w', email_index = NULL WHERE name = 'v'")
    await db().rawQuery("UPDATE login SET email_index = ? WHERE name = 'w'", [Buffer.alloc(16)])
  }

  test.each<[string, () => Promise<unknown>]>([
    ['findOneBy', () => logins.findOneBy({ email: 'victim@x' })],
    ['In', () => logins.findBy({ email: In(['victim@x', 'other']) })],
    ['alternatives', () => logins.find({ where: [{ email: 'victim@x' }, { email: 'other', name: 'a' }] })],
    [
      'a condition as text',
      () => logins.createQueryBuilder('l').where('l.email = :e AND l.id > 0', { e: 'victim@x' }).getOne(),
    ],
  ])('a row with the index of another is INDEX_WRONG, and never a result: %s', async (_, search) => {
    await copyIndex()
    expect(await failure(search())).toMatchObject({ code: 'INDEX_WRONG', entity: 'Login', property: 'email' })
  })

  test('so is one whose value was taken out, with data keys that must be fetched first', async () => {
    const { dataSource, encryption } = await app.restart()
    await copyIndex()
    const error = await failure(dataSource.getRepository(Login).findBy({ email: 'victim@x' }))
    expect(error).toMatchObject({ code: 'INDEX_WRONG' })
    expect(error.message).not.toContain('victim')
    await dataSource.destroy()
    encryption.close()
  })

  test('a value that was taken out, or that does not open, is no result either', async () => {
    const { dataSource, encryption } = await app.restart({}, { entities: [Lenient] })
    const lenient = dataSource.getRepository(Lenient)
    await lenient.countBy({ email: '' })
    await copyIndex()
    for (const value of [null, Buffer.from('c10101ffff', 'hex')]) {
      await db().rawQuery("UPDATE login SET email = ? WHERE name = 'a'", [value])
      expect((await lenient.find()).length).toBe(2)
      const error = await failure(lenient.findBy({ email: 'victim@x' }))
      expect(error).toMatchObject({ code: value ? 'CIPHERTEXT_MALFORMED' : 'INDEX_WRONG', property: 'email' })
      const silent = lenient.createQueryBuilder('l').where({ email: 'victim@x' }).callListeners(false)
      expect(await failure(silent.getMany())).toMatchObject({ property: 'email' })
    }
    await dataSource.destroy()
    encryption.close()
  })

  test('what is compared is opened once', async () => {
    const { encryption } = app
    const find = () => logins.findOneBy({ email: 'victim@x' })
    expect(await encryption.withContext({ maxDecryptions: 1 }, find)).toMatchObject({ name: 'v' })
    const before = encryption.metrics().values.decrypted
    await logins.findBy({ email: In(['victim@x', 'attacker@x']) })
    expect(encryption.metrics().values.decrypted - before).toBe(2)
  })

  test('where nothing is decrypted, nothing could be compared: such a search is not sent', async () => {
    const { encryption } = app
    log.reset()
    const error = await failure(encryption.deny(() => logins.findOneBy({ email: 'victim@x' })))
    expect(error).toMatchObject({ code: 'DECRYPTION_DENIED', entity: 'Login', property: 'email' })
    expect(log.sent).toEqual([])
    const uncompared = { select: { id: true, name: true }, where: { email: 'victim@x' } } as const
    expect(await encryption.deny(() => logins.find(uncompared))).toMatchObject([{ name: 'v' }])
    expect(await encryption.deny(() => logins.countBy({ email: 'victim@x' }))).toBe(1)
  })

  test('rows that other alternatives found are results', async () => {
    const found = await logins.find({ where: [{ email: 'victim@x' }, { name: 'a' }], order: { id: 'ASC' } })
    expect(found.map(({ email }) => email)).toEqual(['victim@x', 'attacker@x'])
  })

  test('rows without an index refuse searches, until they have one; the look is taken once', async () => {
    const { dataSource, encryption } = await app.restart({}, { logging: ['query'], logger: log })
    const repository = dataSource.getRepository(Login)
    await db().rawQuery("UPDATE login SET email_index = NULL WHERE name = 'a'")
    const error = await failure(repository.findBy({ email: 'victim@x' }))
    expect(error).toMatchObject({ code: 'SEARCH_INCOMPLETE', property: 'email' })
    expect(error.message).toContain('filling: true')
    await expect(repository.delete({ email: 'victim@x' })).rejects.toMatchObject({
      code: 'SEARCH_INCOMPLETE',
    })
    const attacker = await repository.findOneByOrFail({ name: 'a' })
    await repository.update(attacker.id, { email: attacker.email! })
    log.reset()
    for (let times = 0; times < 3; times++) expect(await repository.countBy({ email: 'attacker@x' })).toBe(1)
    expect(log.sent.filter(([sql]) => sql.includes('IS NULL'))).toHaveLength(1)
    await dataSource.destroy()
    encryption.close()
  })

  test('what was seen in a transaction that is rolled back holds for that transaction only', async () => {
    const { dataSource, encryption } = await app.restart({}, { logging: ['query'], logger: log })
    const repository = dataSource.getRepository(Login)
    await db().rawQuery("UPDATE login SET email_index = NULL WHERE name = 'a'")
    const inTransaction = (end?: Error) =>
      dataSource.transaction(async (manager) => {
        await manager.delete(Login, { name: 'a' })
        expect(await manager.countBy(Login, { email: 'victim@x' })).toBe(1)
        expect(await manager.countBy(Login, { email: 'victim@x' })).toBe(1)
        if (end) throw end
      })
    expect(await failure(inTransaction(new Error('back')))).toMatchObject({ message: 'back' })
    expect(await failure(repository.findBy({ email: 'victim@x' }))).toMatchObject({
      code: 'SEARCH_INCOMPLETE',
    })
    await inTransaction()
    log.reset()
    expect(await repository.findBy({ email: 'victim@x' })).toMatchObject([{ name: 'v' }])
    expect(log.sent).toHaveLength(1)
    await dataSource.destroy()
    encryption.close()
  })

  test('with filling, the index is written and answers nothing', async () => {
    const { dataSource, encryption } = await app.restart({}, { entities: [Filling] })
    const repository = dataSource.getRepository(Filling)
    await repository.insert({ email: 'new@x', name: 'n' })
    const error = await failure(repository.findBy({ email: 'new@x' }))
    expect(error).toMatchObject({ code: 'SEARCH_REFUSED' })
    expect(error.message).toContain('filling')
    expect(await logins.findOneBy({ email: 'new@x' })).toMatchObject({ name: 'n' })
    await dataSource.destroy()
    encryption.close()
  })

  test.each<[string, object, string]>([
    ['missing', { indexKey: undefined }, 'INVALID_OPTION'],
    ['not base64', { indexKey: 'abc' }, 'INVALID_OPTION'],
  ])('an index key that is %s is an error at once', async (_, options, code) => {
    expect(await failure(app.restart(options))).toMatchObject({ code })
  })

  test('an index key of another KMS key or context is an error, and not an empty result', async () => {
    const { dataSource, encryption } = await app.restart({
      indexKey: Buffer.alloc(184, 1).toString('base64'),
    })
    const repository = dataSource.getRepository(Login)
    for (const use of [
      () => repository.findBy({ email: 'victim@x' }),
      () => repository.insert({ email: 'x', name: 'x' }),
    ])
      expect(await failure(use())).toMatchObject({ code: expect.stringMatching(/^(KMS|CIPHERTEXT)_/) })
    expect(await repository.countBy({ name: 'x' })).toBe(0)
    await dataSource.destroy()
    encryption.close()
  })
})

describeDatabases('A search with the query result cache', (db) => {
  const keys: unknown[] = []
  const store = new Map<string, unknown>()
  const cache = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    synchronize: () => Promise.resolve(),
    getFromCache: (options: { query?: string }) => {
      keys.push(options)
      return Promise.resolve(store.get(options.query ?? ''))
    },
    storeInCache: (options: { query?: string }) => {
      keys.push(options)
      store.set(options.query ?? '', options)
      return Promise.resolve()
    },
    isExpired: () => false,
    clear: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  }
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Login], withIndexKey, { cache: { provider: () => cache as never } })
    await app.dataSource.getRepository(Login).save([
      { email: 'one@x', name: 'a' },
      { email: 'two@x', name: 'b' },
    ])
  })
  afterAll(() => app.stop())

  test('names what is searched by nothing that shows it, and tells searches apart', async () => {
    const logins = app.dataSource.getRepository(Login)
    const find = (email: string) => logins.find({ where: { email }, cache: true })
    const query = (e: string) =>
      logins.createQueryBuilder('l').where('l.email = :e', { e }).cache(true).getMany()
    for (const search of [find, query]) {
      for (const email of ['one@x', 'two@x', 'one@x', 'two@x'])
        expect((await search(email)).map((each) => each.email)).toEqual([email])
    }
    expect(store.size).toBeGreaterThanOrEqual(3)
    expect(JSON.stringify(keys)).not.toMatch(/(one|two)@x/)
  })
  test('compares what the cache gives, too: anybody may have written it', async () => {
    const logins = app.dataSource.getRepository(Login)
    const searches = [
      (email: string) => logins.find({ where: { email }, cache: true }),
      (e: string) => logins.createQueryBuilder('l').where('l.email = :e', { e }).cache(true).getMany(),
    ]
    for (const search of searches) {
      store.clear()
      await search('one@x')
      await search('two@x')
      const [one, two] = [...store.values()] as { result: string }[]
      one!.result = two!.result
      expect(await search('two@x')).toMatchObject([{ name: 'b' }])
      expect(await failure(search('one@x'))).toMatchObject({ code: 'INDEX_WRONG', property: 'email' })
    }
  })
})
