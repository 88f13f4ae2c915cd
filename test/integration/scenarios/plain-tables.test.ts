import 'reflect-metadata'
import { Column, type DataSource, Entity, ManyToOne, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { kmsCalls } from './support'

@Entity()
class Person {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ storage: 'text' }) name!: string
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) note!: string
  @KmsEncrypted() key!: string
}

/** Nothing in it is encrypted. */
@Entity()
class Product {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'text' }) name!: string
  @Column({ type: 'text' }) display_name!: string
  @Column({ type: 'text' }) note!: string
  @ManyToOne(() => Person, { nullable: true }) maker!: Person | null
}

@Entity()
class Vault {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ mode: 'direct' }) seed!: string
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) pin!: string
}

/** Text of a user that is base64 of what begins like a ciphertext. */
const typed = (suite: number, at: number): string =>
  Buffer.concat([Uint8Array.of(0xc1, 1, suite, 1, 2, 3, 4, 0, 184), Buffer.alloc(240, at)]).toString('base64')

describeDatabases('a table without encrypted columns', (db) => {
  let app: TestApplication
  let dataSource: DataSource

  beforeAll(async () => {
    app = await startApplication(db(), [Person, Product, Vault], { timeout: 30_000 })
    const people = app.dataSource.getRepository(Person)
    await people.save({ name: 'Ann', note: 'of Ann', key: 'key of Ann' })
    const [copied] = await people
      .createQueryBuilder('p')
      .getRawMany<{ p_name: string; p_note: string; p_key: Buffer }>()
    const products = Array.from({ length: 60 }, (_, at) => {
      const texts = [
        typed(1, at),
        typed(2, at),
        copied!.p_name,
        copied!.p_note,
        copied!.p_key.toString('base64'),
      ]
      const text = (shift: number): string => texts[(at + shift) % texts.length]!
      return { name: text(0), display_name: text(1), note: text(2), maker: { id: 1 } as Person }
    })
    await app.dataSource.getRepository(Product).insert(products)
    await app.dataSource
      .getRepository(Vault)
      .save(Array.from({ length: 50 }, (_, id) => ({ id, seed: `seed ${id}`, pin: `pin ${id}` })))
  })
  beforeEach(async () => {
    ;({ dataSource } = await app.restart())
  })
  afterEach(async () => {
    app.kms.misbehave({})
    await dataSource.destroy()
  })
  afterAll(() => app.stop())

  const reads: [string, (dataSource: DataSource) => Promise<unknown[]>][] = [
    ['find', (source) => source.getRepository(Product).find()],
    ['find with select', (source) => source.getRepository(Product).find({ select: { note: true } })],
    ['getRawMany', (source) => source.createQueryBuilder(Product, 'p').getRawMany()],
    [
      'getRawMany under another name',
      (source) => source.createQueryBuilder(Product, 'p').select('p.display_name', 'name').getRawMany(),
    ],
    [
      'getRawAndEntities',
      async (source) => (await source.createQueryBuilder(Product, 'person').getRawAndEntities()).entities,
    ],
    [
      'a join that selects nothing of the encrypted table',
      (source) => source.createQueryBuilder(Product, 'p').innerJoin('p.maker', 'person').getMany(),
    ],
    [
      'a join without entity metadata',
      (source) =>
        source
          .createQueryBuilder(Product, 'person')
          .leftJoin('product', 'note', 'note.id = person.id')
          .addSelect('note.note', 'person_note')
          .getMany(),
    ],
  ]

  it.each(reads)('makes no call to KMS and waits for none: %s', async (_, read) => {
    app.kms.misbehave({ outage: 'hang' })
    const [calls, found] = await kmsCalls({ ...app, dataSource }, () => read(dataSource))
    expect(found).toHaveLength(60)
    expect(calls).toBe(0)
  })

  it('keeps nobody waiting who reads an encrypted one', async () => {
    const [calls, [, people]] = await kmsCalls({ ...app, dataSource }, () =>
      Promise.all([dataSource.getRepository(Product).find(), dataSource.getRepository(Person).find()]),
    )
    expect(people.map(({ name, note, key }) => [name, note, key])).toEqual([['Ann', 'of Ann', 'key of Ann']])
    // One for the data key, and one for the note, which is in direct mode.
    expect(calls).toBe(2)
  })

  describe.each([
    [
      'getRawMany',
      (source: DataSource) =>
        source.createQueryBuilder(Vault, 'v').orderBy('v.id').getRawMany<Record<string, unknown>>(),
    ],
    [
      'getRawMany of a clone',
      (source: DataSource) =>
        source
          .getRepository(Vault)
          .createQueryBuilder('v')
          .orderBy('v.id')
          .clone()
          .getRawMany<Record<string, unknown>>(),
    ],
    [
      'getRawOne',
      async (source: DataSource) => [
        await source.manager
          .createQueryBuilder(Vault, 'v')
          .orderBy('v.id')
          .getRawOne<Record<string, unknown>>(),
      ],
    ],
    [
      'getRawMany in a transaction',
      (source: DataSource) =>
        source.transaction((manager) =>
          manager.createQueryBuilder(Vault, 'v').orderBy('v.id').getRawMany<Record<string, unknown>>(),
        ),
    ],
  ])('raw results: %s', (_, read) => {
    it('cost no call for values that nobody opens', async () => {
      const [calls, rows] = await kmsCalls({ ...app, dataSource }, () => read(dataSource))
      expect(calls).toBe(0)
      const [first] = rows
      expect(first?.['v_seed']).toBeInstanceOf(Uint8Array)
      expect(typeof first?.['v_pin']).toBe('string')
      await expect(app.encryption.decrypt(Vault, 'seed', first?.['v_seed'])).resolves.toBe('seed 0')
      await expect(app.encryption.decrypt(Vault, 'pin', first?.['v_pin'])).resolves.toBe('pin 0')
    })
  })

  it('raw results do not keep entities from being opened that are read at once', async () => {
    const builder = () => dataSource.createQueryBuilder(Vault, 'v').callListeners(false).orderBy('v.id')
    const [calls, [raw, entities]] = await kmsCalls({ ...app, dataSource }, () =>
      Promise.all([builder().getRawMany(), builder().getMany()]),
    )
    expect(raw).toHaveLength(50)
    expect(entities.map(({ seed, pin }) => [seed, pin])).toEqual(
      Array.from({ length: 50 }, (_, id) => [`seed ${id}`, `pin ${id}`]),
    )
    expect(calls).toBe(100)
  })

  it('entities and raw rows of one query are as they were: texts stay texts', async () => {
    const { entities, raw } = await dataSource
      .createQueryBuilder(Vault, 'v')
      .orderBy('v.id')
      .getRawAndEntities<Record<string, unknown>>()
    expect(entities[7]).toMatchObject({ seed: 'seed 7', pin: 'pin 7' })
    expect(typeof raw[7]!['v_pin']).toBe('string')
  })
})
