import { createCipheriv, createDecipheriv } from 'node:crypto'
import { Column, DataSource, Entity, PrimaryColumn, type Repository } from 'typeorm'
import { EncryptionTransformer, JSONEncryptionTransformer } from 'typeorm-encrypted'
import { KmsEncrypted, isUndecryptable } from 'typeorm-kms-encrypted'
import { type ForeignFormat, prismaFieldEncryption, typeormEncrypted } from 'typeorm-kms-encrypted/formats'
import { columnStatus, decryptColumns, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { byPrisma, CBC, GCM, KEY as key, PRISMA } from './foreign-values'

const OTHER = `k1.aesgcm256.${Buffer.alloc(32, 7).toString('base64url')}=`

/** `iv:tag:ciphertext` in hexadecimal, as many applications have written it for themselves. */
const seal = (text: string): string => {
  const iv = Buffer.alloc(12, text.length)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv)
  const sealed = Buffer.concat([cipher.update(text), cipher.final()])
  return [iv, cipher.getAuthTag(), sealed].map((part) => part.toString('hex')).join(':')
}
const ofTheirOwn: ForeignFormat = (stored) => {
  const parts = stored.toString().split(':')
  const [iv, tag, sealed] = parts.map((part) => Buffer.from(part, 'hex'))
  if (!iv || !tag || !sealed) return undefined
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv).setAuthTag(tag)
  return Buffer.concat([decipher.update(sealed), decipher.final()])
}

/** The application as it was. */
@Entity('member')
class OldMember {
  @PrimaryColumn('int') id!: number
  @Column('text', { nullable: true, transformer: new EncryptionTransformer(GCM) }) gcm!: string | null
  @Column('text', { nullable: true, transformer: new EncryptionTransformer(CBC) }) cbc!: string | null
  @Column('simple-json', { nullable: true, transformer: new JSONEncryptionTransformer(GCM) }) json!: unknown
  @Column('text', { nullable: true }) prisma!: string | null
  @Column('text', { nullable: true }) own!: string | null
}

/** And as it becomes. */
@Entity('member')
class Member {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true, acceptFormats: [typeormEncrypted(GCM)] })
  gcm!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true, acceptFormats: [typeormEncrypted(CBC)] })
  cbc!: string | null
  @KmsEncrypted({ type: 'json', storage: 'text', nullable: true, acceptFormats: [typeormEncrypted(GCM)] })
  json!: unknown
  @KmsEncrypted({
    type: 'string',
    storage: 'text',
    nullable: true,
    acceptPlaintext: true,
    acceptFormats: [prismaFieldEncryption({ keys: [PRISMA] })],
  })
  prisma!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true, acceptFormats: [ofTheirOwn] })
  own!: string | null
}

const COLUMNS = ['gcm', 'cbc', 'json', 'prisma', 'own'] as const
const ROWS = 24

const valuesOf = (id: number) => {
  const text = `${'é'.repeat(id)} of ${id}`
  return { id, gcm: text, cbc: `${text}!`, json: { text }, prisma: `p ${text}`, own: `o ${text}` }
}

describeDatabases('What other libraries encrypted', (db) => {
  let application: TestApplication
  let members: Repository<Member>
  const all = Array.from({ length: ROWS }, (_, id) => valuesOf(id))

  beforeEach(async () => {
    application = await startApplication(db(), [Member])
    members = application.dataSource.getRepository(Member)
    const old = await new DataSource({
      ...db().options,
      entities: [OldMember],
    }).initialize()
    try {
      await old.getRepository(OldMember).insert(
        await Promise.all(
          all.map(async (values) => ({
            ...values,
            // Every other row of theirs was not encrypted yet.
            prisma: values.id % 2 ? values.prisma : await byPrisma(values.prisma),
            own: seal(values.own),
          })),
        ),
      )
    } finally {
      await old.destroy()
    }
  })

  afterEach(() => application.stop())

  const found = () => members.find({ order: { id: 'ASC' } })
  const stored = async (id: number) => (await db().rawQuery('SELECT * FROM member WHERE id = ?', [id]))[0]!
  const put = (column: string, value: unknown) =>
    db().rawQuery(`UPDATE member SET ${column} = ? WHERE id = 3`, [value])

  test('is read as it is, without a call to KMS; what is written is encrypted', async () => {
    expect(await found()).toEqual(all)
    expect(application.encryption.metrics().kmsBill.requests).toBe(0)
    const member = await members.findOneByOrFail({ id: 5 })
    await members.save(member)
    expect((await stored(5))['own']).toBe(seal(all[5]!.own))
    member.own = 'changed'
    await members.save(member)
    expect((await stored(5))['own']).toMatch(/^wQE/)
    expect(await members.findOneByOrFail({ id: 5 })).toEqual({ ...all[5], own: 'changed' })
    const { encryption } = application
    expect(await encryption.decrypt(Member, 'cbc', (await stored(4))['cbc'])).toBe(all[4]!.cbc)
  })

  test('is converted in place, may be ended in the middle, and is strict afterwards', async () => {
    const { dataSource } = application
    const end = new AbortController()
    const options = { batchSize: 5, concurrency: 1 }
    const ended = await failure(
      encryptColumns(dataSource, Member, COLUMNS, {
        ...options,
        signal: end.signal,
        onProgress: () => {
          end.abort()
        },
      }),
    )
    expect(ended.code).toBe('INTERRUPTED')
    expect(await found()).toEqual(all)
    const results = await encryptColumns(dataSource, Member, COLUMNS, options)
    const [first, ...others] = results.map(({ changed }) => changed)
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(ROWS)
    expect(others).toEqual([ROWS, ROWS, ROWS, ROWS])
    for (const { failed, notCiphertext } of await verifyColumns(dataSource, Member, COLUMNS))
      expect({ failed, notCiphertext }).toEqual({ failed: 0, notCiphertext: 0 })
    for (const column of COLUMNS)
      expect(await columnStatus(dataSource, Member, column)).toMatchObject({ plaintext: 0, rows: ROWS })
    expect(await found()).toEqual(all)
    for (const { changed } of await encryptColumns(dataSource, Member, COLUMNS)) expect(changed).toBe(0)
    // The way back gives plaintext, from theirs as well.
    await put('own', seal('theirs'))
    await decryptColumns(dataSource, Member, ['own'])
    const rows = await db().rawQuery('SELECT own FROM member ORDER BY id')
    expect(rows.map(({ own }) => own)).toEqual(all.map(({ id, own }) => (id === 3 ? 'theirs' : own)))
  })

  test('is verified before and in the middle of it', async () => {
    const { dataSource } = application
    await encryptColumns(dataSource, Member, ['gcm'])
    for (const { failed } of await verifyColumns(dataSource, Member, COLUMNS)) expect(failed).toBe(0)
  })

  test.each([
    ['plaintext', 'gcm', 'plain text'],
    ['plaintext that looks like theirs', 'gcm', Buffer.alloc(40, 7).toString('base64')],
    ['a value under another key', 'own', seal('x').replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
    ['a value whose key is not named', 'prisma', byPrisma('x', OTHER)],
  ] as const)('does not open, and is never encrypted once more: %s', async (_, column, written) => {
    const { dataSource } = application
    const value = await written
    await put(column, value)
    const error = await failure(found())
    expect(error).toMatchObject({ code: 'FOREIGN_FORMAT', property: column, primaryKey: { id: 3 } })
    expect(error.message).not.toContain(value)
    const refused = await failure(encryptColumns(dataSource, Member, [column]))
    expect(refused).toMatchObject({ code: 'FOREIGN_FORMAT', primaryKey: { id: '3' } })
    const [skipped] = await encryptColumns(dataSource, Member, [column], { skipFailed: true })
    expect(skipped).toMatchObject({ skipped: 1 })
    const [verified] = await verifyColumns(dataSource, Member, [column])
    expect(verified).toMatchObject({ failed: 1 })
    expect((await stored(3))[column]).toBe(value)
    const marking = await application.restart({ onUndecryptable: 'marker' })
    const marked = await marking.dataSource.getRepository(Member).findOneByOrFail({ id: 3 })
    expect(isUndecryptable(marked[column])).toBe(true)
  })

  test('is not mixed with plaintext that a switch stores', async () => {
    const { encryption } = await application.restart({ writes: 'plaintext' })
    expect(await encryption.encrypt(Member, 'prisma', 'x')).toBe('x')
    const error = await failure(encryption.encrypt(Member, 'prisma', await byPrisma('x')))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', property: 'prisma' })
  })
})
