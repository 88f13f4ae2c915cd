import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import { Column, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted, type Mode } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

interface Codes {
  codes: (string | number | boolean | null)[]
}

abstract class Values {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', default: 'clear' }) clear!: string
}

@Entity()
class EnvelopeValues extends Values {
  @KmsEncrypted({ nullable: true }) text?: string
  @KmsEncrypted({ nullable: true, storage: 'text' }) base64?: string
  @KmsEncrypted({ nullable: true }) bytes?: Buffer
  @KmsEncrypted({ nullable: true, type: 'json' }) json!: Codes | unknown[] | null
  @KmsEncrypted({ nullable: true }) float?: number
  @KmsEncrypted({ nullable: true, type: 'bigint' }) big!: bigint | null
  @KmsEncrypted({ nullable: true }) flag?: boolean
  @KmsEncrypted({ nullable: true }) date?: Date
}

@Entity()
class DirectValues extends Values {
  @KmsEncrypted({ nullable: true, mode: 'direct' }) text?: string
  @KmsEncrypted({ nullable: true, mode: 'direct', storage: 'text' }) base64?: string
  @KmsEncrypted({ nullable: true, mode: 'direct' }) bytes?: Buffer
  @KmsEncrypted({ nullable: true, mode: 'direct', type: 'json' }) json!: Codes | unknown[] | null
  @KmsEncrypted({ nullable: true, mode: 'direct' }) float?: number
  @KmsEncrypted({ nullable: true, mode: 'direct', type: 'bigint' }) big!: bigint | null
  @KmsEncrypted({ nullable: true, mode: 'direct' }) flag?: boolean
  @KmsEncrypted({ nullable: true, mode: 'direct' }) date?: Date
}

@Entity()
class Large {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ maxLength: 10 * 1024 * 1024 }) bytes!: Buffer
  @KmsEncrypted({ type: 'string', maxLength: 128, nullable: true }) short!: string | null
}

type Property = Exclude<keyof EnvelopeValues, 'id' | 'clear'>

const values: Record<Property, unknown[]> = {
  text: ['', 'a', 'Grüße 🔑 漢字 \u0000 \uffff 𝒳', 'quote \' " \\ ` ; --', 'x'.repeat(4000)],
  base64: ['', 'wQEB looks like a ciphertext', '🔐'.repeat(900)],
  bytes: [Buffer.alloc(0), Buffer.from([0]), Buffer.from('c10101', 'hex'), randomBytes(4096)],
  json: [{ codes: ['a', 1, true, null, '\ud800', 1e-7] }, [], [1, [2, { x: {} }]], {}],
  float: [0, -0, 1.1, -2.5e-308, 5e-324, Number.MAX_SAFE_INTEGER, NaN, Infinity, -Infinity],
  big: [0n, -1n, 2n ** 200n],
  flag: [true, false],
  date: [new Date(0), new Date('2026-11-23T12:34:56.789Z'), new Date(-62198755200000), new Date(8.64e15)],
}

const wrong: Record<Property, unknown[]> = {
  text: [1, {}, Buffer.from('x'), 'lone \ud800 surrogate', ['x'], true, 1n, new Date()],
  base64: [1, Symbol('x')],
  bytes: ['text', [1, 2], new ArrayBuffer(4), {}],
  json: [
    1n,
    { a: NaN },
    { d: new Date() },
    [undefined],
    new Map(),
    { f: () => 1 },
    Buffer.from('x'),
    { s: Symbol('s') },
  ],
  float: ['1', 1n, true],
  big: [1, '1'],
  flag: [0, 1, 'true'],
  date: ['2026-11-23', 0, new Date(NaN)],
}

const modes: [Mode, typeof EnvelopeValues | typeof DirectValues][] = [
  ['envelope', EnvelopeValues],
  ['direct', DirectValues],
]

describeDatabases('the values of encrypted columns', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [EnvelopeValues, DirectValues, Large])
  })
  afterAll(() => app.stop())

  describe.each(modes)('in %s mode', (mode, Entity) => {
    const repository = (): Repository<EnvelopeValues> => app.dataSource.getRepository<EnvelopeValues>(Entity)

    it.each(Object.keys(values) as Property[])('come back as they were: %s', async (property) => {
      const { dataSource } = await app.restart()
      for (const value of values[property]) {
        const saved = await repository().save({ [property]: value })
        expect(saved[property]).toBe(value)
        const found = await dataSource.getRepository<EnvelopeValues>(Entity).findOneByOrFail({ id: saved.id })
        expect(found[property]).toStrictEqual(value)
        const table = db().quote(mode === 'envelope' ? 'envelope_values' : 'direct_values')
        const [row] = await db().rawQuery(`SELECT ${db().quote(property)} AS v FROM ${table} WHERE id = ?`, [
          saved.id,
        ])
        const stored = row!.v as Buffer | string
        const suite =
          mode === 'envelope' ? '01' : value === '' || (Buffer.isBuffer(value) && !value.length) ? '03' : '02'
        const bytes = property === 'base64' ? Buffer.from(stored as string, 'base64') : (stored as Buffer)
        expect(bytes.subarray(0, 3).toString('hex')).toBe(`c101${suite}`)
      }
      await dataSource.destroy()
    })

    it('null is NULL, and undefined is left alone', async () => {
      const saved = await repository().save({ text: 'kept', float: 1 })
      await repository().save({ id: saved.id, text: undefined, float: null } as unknown as EnvelopeValues)
      const found = await repository().findOneByOrFail({ id: saved.id })
      expect([found.text, found.float, found.bytes]).toEqual(['kept', null, null])
    })

    it.each(Object.keys(wrong) as Property[])(
      'of the wrong JavaScript type are refused: %s',
      async (property) => {
        for (const value of wrong[property]) {
          const before = await repository().count()
          app.kms.calls.reset()
          const error = await failure(repository().save({ [property]: value } as object as EnvelopeValues))
          expect(error).toMatchObject({ code: 'INVALID_VALUE', entity: Entity.name, property })
          const inserted = await failure(repository().insert({ [property]: value }))
          expect(inserted).toMatchObject({ code: 'INVALID_VALUE', property })
          expect(app.kms.calls.count()).toBe(0)
          expect(await repository().count()).toBe(before)
        }
      },
    )

    it('JSON and Buffers changed in place are noticed by save', async () => {
      const entity = await repository().save({ json: { codes: ['a'] }, bytes: Buffer.from('abc') })
      ;(entity.json as Codes).codes.push('b')
      entity.bytes[0] = 0x58
      await repository().save(entity)
      const found = await repository().findOneByOrFail({ id: entity.id })
      expect([found.json, found.bytes!.toString()]).toEqual([{ codes: ['a', 'b'] }, 'Xbc'])
    })

    it('an unchanged entity is not written, and KMS is not asked to encrypt', async () => {
      const entity = await repository().save({
        text: 't',
        bytes: Buffer.from('b'),
        json: [1],
        float: NaN,
        date: new Date(1),
      })
      const before = await db().rawQuery(
        `SELECT * FROM ${db().quote(app.dataSource.getMetadata(Entity).tableName)}`,
      )
      app.kms.calls.reset()
      await repository().save(await repository().findOneByOrFail({ id: entity.id }))
      await repository().save(entity)
      expect(app.kms.calls.count('Encrypt') + app.kms.calls.count('GenerateDataKey')).toBe(0)
      const after = await db().rawQuery(
        `SELECT * FROM ${db().quote(app.dataSource.getMetadata(Entity).tableName)}`,
      )
      expect(after).toEqual(before)
    })
  })

  it('10 MB in envelope mode come back, and more than maxLength is refused', async () => {
    const large = app.dataSource.getRepository(Large)
    const bytes = randomBytes(10 * 1024 * 1024)
    const { id } = await large.save({ bytes })
    const found = await large.findOneByOrFail({ id })
    expect(found.bytes.equals(bytes)).toBe(true)
    app.kms.calls.reset()
    const error = await failure(large.insert({ bytes: Buffer.alloc(bytes.length + 1) }))
    expect(error).toMatchObject({ code: 'VALUE_TOO_LARGE', entity: 'Large', property: 'bytes' })
    expect(await failure(large.insert({ bytes, short: 'ü'.repeat(65) }))).toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    expect(app.kms.calls.count()).toBe(0)
  })

  it('up to 4096 bytes fit into direct mode, and one more is refused before KMS and SQL', async () => {
    const direct = app.dataSource.getRepository(DirectValues)
    const { id } = await direct.save({ text: 'ü'.repeat(2048) })
    expect((await direct.findOneByOrFail({ id })).text).toBe('ü'.repeat(2048))
    app.kms.calls.reset()
    const error = await failure(direct.save({ text: 'ü'.repeat(2048) + 'x' }))
    expect(error).toMatchObject({ code: 'VALUE_TOO_LARGE', entity: 'DirectValues', property: 'text' })
    expect(error.message).toContain("mode: 'envelope'")
    expect(app.kms.calls.count()).toBe(0)
  })
})
