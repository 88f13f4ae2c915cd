import { randomBytes } from 'node:crypto'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Member {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ previous: [{ context: { table: 'people' } }, { context: { table: 'persons' } }] })
  token!: string
}

const FORGED = 1_000
const GOOD = 20
/** Calls that one page has under way at once. */
const CONCURRENCY = 20
/** The current settings, and two previous ones. */
const SETTINGS = 3
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

  beforeAll(async () => {
    app = await startApplication(db(), [Member])
    const repository = app.dataSource.getRepository(Member)
    await repository.insert(
      Array.from({ length: FORGED + GOOD }, (_, index) => ({ token: `token ${index}` })),
    )
    const { quote, rawQuery } = { quote: db().quote.bind(db()), rawQuery: db().rawQuery.bind(db()) }
    // Healthy rows come first and last.
    for (let id = 11; id <= FORGED + 10; id++) {
      await rawQuery(`UPDATE ${quote('member')} SET ${quote('token')} = ? WHERE id = ?`, [forgery(), id])
    }
  })
  beforeEach(() => {
    app.kms.calls.reset()
  })
  afterAll(() => app.stop())

  it('costs a read that fails the calls that were under way, and the error names a forged row', async () => {
    const { dataSource } = await app.restart()
    const error = await failure(dataSource.getRepository(Member).find({ order: { id: 'ASC' } }))
    expect(error).toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT', entity: 'Member', property: 'token' })
    const { id } = (error as unknown as { primaryKey: { id: number } }).primaryKey
    expect(id).toBeGreaterThan(10)
    expect(id).toBeLessThanOrEqual(FORGED + 10)
    expect(decrypts()).toBeLessThanOrEqual(CONCURRENCY * SETTINGS + 1)
  })

  it('costs a read with markers its budget, and shows the healthy rows', async () => {
    const { dataSource } = await app.restart({ onUndecryptable: 'marker' })
    const find = () => dataSource.getRepository(Member).find({ order: { id: 'ASC' } })
    const members = await find()
    const readable = members.filter(({ token }) => !isUndecryptable(token))
    expect(readable).toHaveLength(GOOD)
    for (const { id, token } of readable) expect(token).toBe(`token ${id - 1}`)
    const codes = new Set(members.map(({ token }) => undecryptable(token)?.failure.code))
    expect(codes).toEqual(new Set([undefined, 'CIPHERTEXT_WRONG_CONTEXT', 'CIPHERTEXT_NOT_TRIED']))
    expect(decrypts()).toBeLessThanOrEqual((MAX_REFUSED + CONCURRENCY) * SETTINGS + 1)
  })
})
