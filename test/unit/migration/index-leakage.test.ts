import { type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { type IndexLeakage, indexLeakage } from 'typeorm-kms-encrypted/migration'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, search: true }) mail!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: true, storage: 'text' }) town!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: { bits: 8 } }) eight!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: { bits: 17 } }) more!: string | null
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Member], withIndexKey)
  dataSource = app.dataSource
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
beforeEach(() => db.rawQuery('DELETE FROM member'))
afterEach(() => {
  jest.restoreAllMocks()
})

/** A row with so long a ciphertext, and an index that begins so. */
const add = (id: number, property: string, length: number, index: string): Promise<unknown> => {
  const isText = property === 'town'
  const bytes = Buffer.from(index.padEnd(32, '0'), 'hex')
  return db.rawQuery(`INSERT INTO member (id, "${property}", "${property}_index") VALUES (?, ?, ?)`, [
    id,
    isText ? 'x'.repeat(length) : Buffer.alloc(length),
    isText ? bytes.toString('hex') : bytes,
  ])
}
const leakage = async (property: string): Promise<IndexLeakage> =>
  (await indexLeakage(dataSource, Member, property))[0]!

describe('what an index shows', () => {
  it.each(['mail', 'town'])(
    'is counted of its values, of their first bytes and of the lengths: %s',
    async (property) => {
      const rows: [length: number, index: string][] = [
        [60, '0a0b0c'],
        [60, '0a0b0c'],
        [60, '0a0b0d'],
        [61, '0a0c'],
        [70, 'ff'],
      ]
      for (const [at, [length, index]] of rows.entries()) await add(at + 1, property, length, index)
      await db.rawQuery('INSERT INTO member (id) VALUES (9)')
      const [part, met] = [1 / 256, 7 / 5]
      expect(await leakage(property)).toMatchObject({
        entity: 'Member',
        property,
        index: 'index',
        column: `${property}_index`,
        rows: 5,
        classes: 4,
        largest: 2,
        alone: 3,
        met: expect.closeTo(met) as unknown,
        nulls: 1,
        lengths: { distinct: 3, alone: 2 },
        bits: [
          {
            bits: 8,
            classes: 2,
            largest: 4,
            met: expect.closeTo(17 / 5) as unknown,
            expectedMet: expect.closeTo(met + (5 - met) * part, 6) as unknown,
            expectedValues: 1 + 3 * part,
          },
          { bits: 16, classes: 3, largest: 3, met: expect.closeTo(11 / 5) as unknown },
          { bits: 24, classes: 4, largest: 2, met: expect.closeTo(met) as unknown },
        ],
        advice: [
          expect.stringMatching(/^4 different values/),
          expect.stringMatching(/^Ciphertexts have 3 different lengths/),
          expect.stringMatching(/^Which 1 rows have no value/),
        ],
      })
    },
  )

  it.each<[property: string, bits: number[]]>([
    ['mail', [8, 16, 24]],
    ['eight', []],
    ['more', [8, 16]],
  ])('is told of fewer bits than it has: %s', async (property, bits) => {
    expect((await leakage(property)).bits.map((each) => each.bits)).toEqual(bits)
  })

  it('is to be mended by fewer bits, unless there are few already', async () => {
    await db.rawQuery('BEGIN')
    for (let id = 0; id < 300; id++) {
      const index = (id >> 1).toString(16).padStart(4, '0')
      await add(id, 'mail', 60, index)
      await add(1_000 + id, 'more', 60, index)
    }
    await db.rawQuery('COMMIT')
    const { advice } = await leakage('mail')
    expect(advice.slice(0, 2)).toEqual([
      expect.stringMatching(/^100 % of the rows have the value of another row/),
      expect.stringMatching(/search: \{ bits: 3 \} .* opens about 40 rows/),
    ])
    const [truncated, next] = (await leakage('more')).advice
    expect(truncated).toMatch(/^100 % of the rows have the bits of another row/)
    expect(next).not.toMatch(/bits:/)
  })

  it('is not to be had without the column of the index', async () => {
    await db.rawQuery('ALTER TABLE member RENAME COLUMN mail_index TO other')
    await expect(leakage('mail')).rejects.toMatchObject({ code: 'COLUMN_TYPE', property: 'mail' })
    await db.rawQuery('ALTER TABLE member RENAME COLUMN other TO mail_index')
  })

  it('is read on a connection that is given back, or on the one that is given', async () => {
    const runner = dataSource.createQueryRunner()
    const take = jest.spyOn(dataSource, 'createQueryRunner')
    const giveBack = jest.spyOn(runner, 'release')
    await indexLeakage(runner, Member, 'mail')
    expect([take.mock.calls, giveBack.mock.calls]).toEqual([[], []])
    await leakage('mail')
    expect([take.mock.calls, giveBack.mock.calls]).toEqual([[['master']], [[]]])
  })
})
