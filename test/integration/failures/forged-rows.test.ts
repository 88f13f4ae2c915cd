import { randomBytes } from 'node:crypto'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Member {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() token!: string
}

/** The same table, in whose results nobody knows for which entity they are: what the one opened the other opens anew. */
@Entity('member')
class SameMember {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() token!: string
}

@Entity()
class MovedMember {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ previous: [{ context: { table: 'people' } }, { context: { table: 'persons' } }] })
  token!: string
}

/** `TEST_FORGED_ROWS=10000` makes it a large page; the calls that it costs are the same. In steps of 500. */
const FORGED = Number(process.env['TEST_FORGED_ROWS'] ?? 500)
const STEP = 500
const GOOD = 20
/** Calls that one page has under way at once. */
const CONCURRENCY = 20
const MAX_REFUSED = 50

/** A whole ciphertext that KMS did not make. */
function forgery(): Buffer {
  const bytes = Buffer.concat([Buffer.from('c10101deadbeef00b8', 'hex'), randomBytes(184 + 28 + 10)])
  Buffer.from('0102030078', 'hex').copy(bytes, 9)
  return bytes
}

describeDatabases('A page of forged rows', (db) => {
  let app: TestApplication
  const decrypts = (): number => app.kms.calls.filter(({ operation }) => operation === 'Decrypt').length

  /** Puts forged rows into a table, with healthy ones first and last. */
  async function fill(Class: typeof Member, table: string): Promise<void> {
    const { quote, rawQuery } = { quote: db().quote.bind(db()), rawQuery: db().rawQuery.bind(db()) }
    const repository = app.dataSource.getRepository(Class)
    const good = (from: number) =>
      Array.from({ length: GOOD / 2 }, (_, index) => ({ token: `token ${from + index}` }))
    await repository.insert(good(0))
    for (let made = 0; made < FORGED; made += STEP) {
      const values = Array.from({ length: STEP }, forgery)
      await rawQuery(
        `INSERT INTO ${quote(table)} (${quote('token')}) VALUES ${values.map(() => '(?)').join(', ')}`,
        values,
      )
    }
    await repository.insert(good(GOOD / 2))
  }

  beforeAll(async () => {
    app = await startApplication(db(), [Member, SameMember, MovedMember])
    await fill(Member, 'member')
    await fill(MovedMember, 'moved_member')
  })
  afterAll(() => app.stop())

  describe.each([
    ['of one setting', Member, 1],
    ['that another entity has, too', SameMember, 2],
    ['of a column with two previous settings', MovedMember, 3],
  ])('%s', (_, Class, tries) => {
    it('costs a read that fails the calls that were under way, and the error names a forged row', async () => {
      const { dataSource } = await app.restart()
      app.kms.calls.reset()
      const error = await failure(dataSource.getRepository(Class).find({ order: { id: 'ASC' } }))
      expect(error).toMatchObject({
        code: 'CIPHERTEXT_WRONG_CONTEXT',
        entity: Class.name,
        property: 'token',
      })
      const { id } = (error as unknown as { primaryKey: { id: number } }).primaryKey
      expect(id).toBeGreaterThan(GOOD / 2)
      expect(id).toBeLessThanOrEqual(FORGED + GOOD / 2)
      expect(decrypts()).toBeLessThanOrEqual(CONCURRENCY * tries + 1)
    })

    it('costs a read with markers its budget, and shows the healthy rows', async () => {
      const { dataSource } = await app.restart({ onUndecryptable: 'marker' })
      app.kms.calls.reset()
      const members = await dataSource.getRepository(Class).find({ order: { id: 'ASC' } })
      const readable = members.filter(({ token }) => !isUndecryptable(token))
      expect(readable.map(({ token }) => token)).toEqual(
        Array.from({ length: GOOD }, (_, index) => `token ${index}`),
      )
      const codes = new Set(members.map(({ token }) => undecryptable(token)?.failure.code))
      expect(codes).toEqual(new Set([undefined, 'CIPHERTEXT_WRONG_CONTEXT', 'CIPHERTEXT_NOT_TRIED']))
      expect(decrypts()).toBeLessThanOrEqual((MAX_REFUSED + CONCURRENCY) * tries + 1)
    })
  })
})
