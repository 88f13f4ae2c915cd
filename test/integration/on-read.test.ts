/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import 'reflect-metadata'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import {
  AfterLoad,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type Relation,
  type Repository,
} from 'typeorm'
import {
  isUndecryptable,
  KmsEncrypted,
  redacted,
  undecryptable,
  type ValueEvent,
} from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../support/encryption'
import { StatementCounter } from '../support/statements'

const SECRET = 'the-secret-text'

class Contact {
  @KmsEncrypted({ type: 'string', open: 'on-read' }) phone!: string
}

@Entity()
class Person {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column() name!: string
  @KmsEncrypted({ type: 'string', open: 'on-read' }) secret!: string
  @KmsEncrypted({ type: 'json', open: 'on-read', nullable: true }) codes!: string[] | null
  @KmsEncrypted({ type: 'string', open: 'on-read', search: true, storage: 'text' }) email!: string
  @Column(() => Contact) contact!: Contact
  @OneToMany('Pet', 'owner', { cascade: true }) pets!: Relation<Pet>[]
  @DeleteDateColumn() deletedAt!: Date | null
}

@Entity()
class Pet {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ type: 'string', open: 'on-read', context: { of: 'pets' } }) chip!: string
  @KmsEncrypted({ type: 'string', open: 'on-read', onUndecryptable: 'marker' }) tag!: string
  @ManyToOne('Person', 'pets') owner!: Relation<Person>
}

@Entity()
class Eager {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ type: 'string', context: { of: 'others' } }) value!: string
}

@Entity()
class Listened {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ type: 'string', open: 'on-read' }) value!: string
  seen = ''
  @AfterLoad() look(): void {
    this.seen = this.value
  }
}

@Entity()
class Hidden {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ type: 'string', open: 'on-read', redact: { json: true } }) value!: string
  @KmsEncrypted({ type: 'string', open: 'on-read' }) other!: string

  toJSON(): object {
    return { id: this.id, other: this.other }
  }
}

const VALUES = { secret: SECRET, codes: ['one', 'two'], email: 'ada@example.org', contact: { phone: '555' } }
const person = (id: number): object => ({
  id,
  name: `n${id}`,
  ...structuredClone(VALUES),
  pets: [{ id, chip: `chip ${id}`, tag: `tag ${id}` }],
})

describeDatabases("Values that are opened when they are read (open: 'on-read')", (db) => {
  let app: TestApplication
  let people: Repository<Person>
  const statements = new StatementCounter()

  const opened = (): number => app.encryption.metrics().values.decrypted
  /** How many values are opened meanwhile. */
  const opens = async (work: () => unknown): Promise<number> => {
    const before = opened()
    await work()
    return opened() - before
  }
  const get = (target: object, name: string): unknown =>
    Reflect.get(Object.getOwnPropertyDescriptor(target, name) ?? {}, 'get')
  const one = (id = 1): Promise<Person> => people.findOneOrFail({ where: { id } })

  beforeAll(async () => {
    app = await startApplication(db(), [Person, Pet, Eager, Listened, Hidden], withIndexKey, {
      logging: ['query'],
      logger: statements,
      cache: { duration: 60_000 },
    })
    people = app.dataSource.getRepository(Person)
  })
  beforeEach(async () => {
    await app.dataSource.getRepository(Pet).createQueryBuilder().delete().execute()
    await people.createQueryBuilder().delete().execute()
    await people.save([1, 2, 3].map((id) => people.create(person(id))))
    statements.reset()
  })
  afterAll(() => app.stop())

  test('are not opened by a list that does not show them, and each once by who reads it', async () => {
    let list: Person[] = []
    expect(
      await opens(async () => {
        list = await people.find({ relations: { pets: true }, order: { id: 'ASC' } })
        expect(list.map(({ name }) => name)).toEqual(['n1', 'n2', 'n3'])
        expect(inspect(list, { depth: Infinity, showHidden: true })).not.toContain(SECRET)
      }),
    ).toBe(0)
    const [first] = list
    expect(get(first!, 'secret')).toBeInstanceOf(Function)
    expect(Object.keys(first!)).toEqual(expect.arrayContaining(['secret', 'codes', 'email']))
    expect(await opens(() => [first!.secret, first!.secret, first!.pets[0]!.chip])).toBe(2)
    expect(Object.getOwnPropertyDescriptor(first, 'secret')).toEqual({
      value: SECRET,
      writable: true,
      enumerable: true,
      configurable: true,
    })
    // What can be changed is the same each time.
    first!.codes!.push('three')
    expect(first!.codes).toEqual(['one', 'two', 'three'])
    expect(inspect(first)).toContain(SECRET)
    expect(await opens(() => list[1]!.contact.phone)).toBe(1)
  })

  test('are plain values for whoever copies, compares or serialises the entity', async () => {
    const plain = { ...VALUES, id: 1, name: 'n1', deletedAt: null }
    expect(JSON.parse(JSON.stringify(await one()))).toEqual(plain)
    const { contact, ...copy } = { ...(await one()) }
    expect(copy).toEqual({ ...plain, contact: undefined })
    expect({ ...contact }).toEqual(VALUES.contact)
    expect(Object.fromEntries(Object.entries(await one()))).toMatchObject(VALUES)
    expect(Object.assign({}, await one())).toMatchObject(VALUES)
    expect(structuredClone(await one())).toEqual(plain)
    expect(await one()).toEqual(plain)
    expect(await one()).toMatchObject(VALUES)
    const { secret } = await one()
    expect(secret).toBe(SECRET)
  })

  test('are read through proxies, heirs and copied accessors, and from frozen entities', async () => {
    const proxied = await one()
    expect(new Proxy(proxied, {}).secret).toBe(SECRET)
    expect(get(proxied, 'secret')).toBeUndefined()
    const parent = await one()
    const heir = Object.create(parent) as Person
    expect(heir.secret).toBe(SECRET)
    heir.email = 'own'
    expect([Object.hasOwn(heir, 'email'), parent.email]).toEqual([true, VALUES.email])
    const source = await one()
    const copy = Object.create(Person.prototype, Object.getOwnPropertyDescriptors(source)) as Person
    copy.email = 'changed'
    expect([copy.secret, source.secret, source.email]).toEqual([SECRET, SECRET, VALUES.email])
    const alone = Object.defineProperty({}, 'secret', Object.getOwnPropertyDescriptor(await one(), 'secret')!)
    expect((): unknown => Reflect.get(alone, 'secret')).toThrow(
      expect.objectContaining({ code: 'NOT_DECRYPTED' }),
    )
    const frozen = Object.freeze(await one())
    expect(
      await opens(() => {
        expect([frozen.codes, frozen.codes]).toEqual([VALUES.codes, VALUES.codes])
      }),
    ).toBe(1)
    expect(frozen.codes).toBe(frozen.codes)
    expect(() => Object.assign(frozen, { secret: 'other' })).toThrow(TypeError)
  })

  test('are compared and stored by save as any others, read or not', async () => {
    const unchanged = await one()
    await people.save(unchanged)
    expect(statements.count('UPDATE')).toBe(0)
    const [stored] = await people
      .createQueryBuilder('p')
      .select('p.secret', 'secret')
      .where({ id: 1 })
      .getRawMany()

    const renamed = await one()
    renamed.name = 'renamed'
    await people.save(renamed)
    const [after] = await people
      .createQueryBuilder('p')
      .select('p.secret', 'secret')
      .where({ id: 1 })
      .getRawMany()
    expect(after).toEqual(stored)

    const changed = await one()
    changed.secret = 'new'
    changed.contact.phone = '556'
    changed.codes = null
    await people.save(changed)
    expect(await one()).toMatchObject({
      name: 'renamed',
      secret: 'new',
      codes: null,
      contact: { phone: '556' },
    })
    const inPlace = await one(2)
    inPlace.codes!.push('three')
    await people.save(inPlace)
    expect((await one(2)).codes).toEqual(['one', 'two', 'three'])
  })

  test('are taken over by create, merge, preload, insert, upsert and update', async () => {
    const target = people.create({ id: 9 })
    people.merge(target, await one())
    expect(target).toMatchObject({ ...VALUES, id: 1 })
    expect(people.create(await one())).toMatchObject(VALUES)
    const preloaded = await people.preload({ id: 1, name: 'preloaded' })
    expect(preloaded).toMatchObject({ ...VALUES, name: 'preloaded' })
    for (const [id, store] of [
      [11, (each: Person) => people.insert(each)],
      [12, (each: Person) => people.upsert(each, ['id'])],
      [13, (each: Person) => people.save(each)],
    ] as const) {
      const copied = await one()
      copied.id = id
      await store(copied)
      expect(await one(id)).toMatchObject(VALUES)
    }
    const { secret, codes } = await one()
    await people.update({ id: 2 }, { secret: `${secret}!`, codes })
    expect(await one(2)).toMatchObject({ secret: `${SECRET}!`, codes: VALUES.codes })
  })

  test('are no hindrance to removing, soft removing and recovering their entities', async () => {
    await people.softRemove(await one())
    expect(await people.countBy({ id: 1 })).toBe(0)
    const deleted = await people.findOneOrFail({ where: { id: 1 }, withDeleted: true })
    await people.recover(deleted)
    expect(await one()).toMatchObject(VALUES)
    const loaded = await people.findOneOrFail({ where: { id: 1 }, relations: { pets: true } })
    await app.dataSource.manager.remove(loaded.pets)
    await people.remove(loaded)
    expect(await people.countBy({ id: 1 })).toBe(0)
  })

  test('are found by equality, and found rows compared', async () => {
    const found = await people.findOneByOrFail({ email: VALUES.email, id: 2 })
    expect(get(found, 'email')).toBeUndefined()
    expect(get(found, 'secret')).toBeInstanceOf(Function)
    expect(found).toMatchObject(VALUES)
  })

  test('come from the query result cache unread', async () => {
    const query = () => people.find({ order: { id: 'ASC' }, cache: true })
    await query()
    let list: Person[] = []
    expect(await opens(async () => (list = await query()))).toBe(0)
    expect(list[2]).toMatchObject(VALUES)
    await app.dataSource.queryResultCache?.clear()
  })

  test('stay ciphertext in raw results', async () => {
    const [row] = await people.createQueryBuilder('p').where({ id: 1 }).getRawMany<Record<string, unknown>>()
    expect(inspect(row)).not.toContain(SECRET)
    expect(await app.encryption.decrypt(Person, 'secret', row!['p_secret'])).toBe(SECRET)
  })

  test('that do not open throw where they are read and saved, or are a marker there', async () => {
    const damage = async (entity: string, property: string): Promise<void> => {
      const [table, column] = [entity.toLowerCase(), property].map((name) => db().quote(name))
      const stored = Buffer.from((await app.encryption.encrypt(entity, property, 'x')) as Buffer)
      stored[stored.length - 1]! ^= 1
      await db().rawQuery(`UPDATE ${table} SET ${column} = ? WHERE id = 1`, [stored])
    }
    await damage('Person', 'secret')
    await damage('Pet', 'tag')
    const [first, second] = await people.find({ relations: { pets: true }, order: { id: 'ASC' } })
    for (const read of [() => first!.secret, () => JSON.stringify(first), () => ({ ...first })]) {
      expect(read).toThrow(
        expect.objectContaining({
          code: 'CIPHERTEXT_TAMPERED',
          entity: 'Person',
          property: 'secret',
          primaryKey: { id: 1 },
        }),
      )
    }
    expect(second).toMatchObject(VALUES)
    first!.name = 'renamed'
    expect(await failure(people.save(first!))).toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      property: 'secret',
    })
    const { tag } = first!.pets[0]!
    expect(undecryptable(tag)?.failure).toMatchObject({ property: 'tag', primaryKey: { id: 1 } })
    expect(isUndecryptable(first!.pets[0]!.tag)).toBe(true)
    await people.update({ id: 1 }, { secret: 'mended' })
    expect(await one()).toMatchObject({ name: 'n1', secret: 'mended' })
  })

  test('are opened for whoever reads them, and not for who loads them', async () => {
    const events: ValueEvent[] = []
    const listener = (event: unknown): void => void events.push(event as ValueEvent)
    subscribe('typeorm-kms-encrypted:value', listener)
    try {
      const loaded = await app.encryption.withContext({ user: 'loader', maxDecryptions: 0 }, () => one())
      const meant = expect.objectContaining({ code: 'DECRYPTION_DENIED', property: 'secret' })
      expect(() => app.encryption.deny(() => loaded.secret)).toThrow(meant)
      expect(() => app.encryption.withContext({ maxDecryptions: 0 }, () => loaded.secret)).toThrow(
        expect.objectContaining({ code: 'DECRYPTION_LIMIT' }),
      )
      expect(events).toEqual([])
      expect(app.encryption.withContext({ user: 'reader' }, () => loaded.secret)).toBe(SECRET)
      expect(events).toMatchObject([
        { action: 'decrypt', property: 'secret', primaryKey: { id: 1 }, context: { user: 'reader' } },
      ])
    } finally {
      unsubscribe('typeorm-kms-encrypted:value', listener)
    }
    const denied = await app.encryption.deny(() => one())
    expect(undecryptable(denied.secret)?.failure.code).toBe('DECRYPTION_DENIED')
  })

  test('whose data key has left the memory say what to do, and are opened by open() and before a save', async () => {
    const { dataSource, encryption } = await app.restart({ cache: { maxKeys: 1 } })
    const repository = dataSource.getRepository(Pet)
    const others = dataSource.getRepository(Eager)
    await others.save({ id: 1, value: 'x' })
    const load = async (): Promise<Pet> => {
      const found = await repository
        .createQueryBuilder('p')
        .select(['p.id', 'p.chip'])
        .where({ id: 1 })
        .getOneOrFail()
      expect(get(found, 'chip')).toBeInstanceOf(Function)
      // Another data key takes the only place.
      await others.findOneByOrFail({ id: 1 })
      return found
    }
    const kept = await load()
    await new Promise(setImmediate)
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => kept.chip).toThrow(
        expect.objectContaining({
          code: 'NOT_DECRYPTED',
          entity: 'Pet',
          property: 'chip',
          message: expect.stringContaining('encryption.open('),
        }),
      )
    }
    const related = { pets: [kept, kept], self: undefined as unknown }
    related.self = related
    expect(await encryption.open(related)).toBe(related)
    expect(Object.getOwnPropertyDescriptor(kept, 'chip')?.value).toBe('chip 1')
    const saved = await load()
    await repository.save(saved)
    expect(saved.chip).toBe('chip 1')
    await dataSource.manager.transaction(async (manager) => {
      await manager.remove(await load())
    })
    expect(await repository.countBy({ id: 1 })).toBe(0)
  })

  test('are opened with their rows where their data keys are too many to be kept', async () => {
    const { dataSource } = await app.restart({ cache: { maxKeys: 1 } })
    const [found] = await dataSource.getRepository(Pet).find({ where: { id: 1 }, relations: { owner: true } })
    expect(found).toMatchObject({ chip: 'chip 1', tag: 'tag 1', owner: VALUES })
  })

  test('are not asked for by who changes no value, and KMS is asked once for a list', async () => {
    const { dataSource, encryption } = await app.restart()
    const list = await dataSource.getRepository(Person).find()
    expect(encryption.metrics()).toMatchObject({ kmsCalls: { Decrypt: 1 }, values: { decrypted: 0 } })
    expect(list[0]).toMatchObject(VALUES)
    expect(encryption.metrics().kmsCalls.Decrypt).toBe(1)
  })

  test('are read by listeners of the entity', async () => {
    const repository = app.dataSource.getRepository(Listened)
    await repository.save({ id: 1, value: 'seen' })
    expect(await repository.find()).toMatchObject([{ seen: 'seen' }])
  })

  test('are refused where they cannot wait', async () => {
    @Entity()
    class Direct {
      @PrimaryColumn({ type: 'int' }) id!: number
      @KmsEncrypted({ type: 'string', open: 'on-read', mode: 'direct' }) value!: string
    }
    @Entity()
    class Bound {
      @PrimaryColumn({ type: 'int' }) id!: number
      @KmsEncrypted({ type: 'string', open: 'on-read', boundTo: { row: ['id'] } }) value!: string
    }
    @Entity()
    class Own {
      #value = ''
      @PrimaryColumn({ type: 'int' }) id!: number
      @KmsEncrypted({ type: 'string', open: 'on-read' })
      get value(): string {
        return this.#value
      }
      set value(value: string) {
        this.#value = value
      }
    }
    for (const entity of [Direct, Bound, Own]) {
      expect(await failure(startApplication(db(), [entity]))).toMatchObject({
        code: 'INVALID_OPTION',
        entity: entity.name,
        property: 'value',
        message: expect.stringMatching(/'on-read'.*Leave out one of the two/),
      })
    }
    expect(() => KmsEncrypted({ open: 'never' as 'on-read' })).not.toThrow()
    expect(() => {
      class Wrong {
        @KmsEncrypted({ type: 'string', open: 'never' as 'on-read' }) value!: string
      }
      return Wrong
    }).toThrow("open must be 'on-load' or 'on-read'")
  })

  test('do not show with redact, before and after', async () => {
    const repository = app.dataSource.getRepository(Hidden)
    await repository.save({ id: 1, value: SECRET, other: 'other' })
    const loaded = await repository.findOneByOrFail({ id: 1 })
    // What its own `toJSON` leaves out is not opened for it.
    expect(
      await opens(() => {
        expect(JSON.stringify(loaded)).toBe('{"id":1,"other":"other"}')
      }),
    ).toBe(1)
    for (const read of [() => undefined, () => loaded.value]) {
      read()
      expect(inspect(loaded, { depth: Infinity })).toContain('value: [encrypted Hidden.value]')
      expect(JSON.stringify(loaded)).not.toContain(SECRET)
      expect(inspect(redacted({ loaded }))).not.toContain(SECRET)
    }
    expect(loaded.value).toBe(SECRET)
  })
})
