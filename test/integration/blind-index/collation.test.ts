import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, indexLeakage } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Reader {
  @PrimaryColumn('integer') id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: true, acceptPlaintext: true }) email!: string
  @KmsEncrypted({ search: true, storage: 'text', acceptPlaintext: true }) city!: string
  @KmsEncrypted({ search: { normalize: (v: string) => v.toLowerCase() }, acceptPlaintext: true })
  login!: string
}

/** As a plain column, MariaDB would take what differs in case, accents or spaces behind for the same. */
@Entity()
class Member {
  @PrimaryColumn('integer') id!: number
  @KmsEncrypted({ type: 'string', search: true, unique: true, nullable: true }) email!: string | null
  @KmsEncrypted({
    type: 'string',
    search: { normalize: (v: string) => v.normalize('NFKC').trimEnd().toLowerCase() },
    unique: true,
    nullable: true,
  })
  login!: string | null
}

@Entity()
class PlainMember {
  @PrimaryColumn('integer') id!: number
  @Column('varchar', { length: 40, nullable: true, unique: true }) email!: string | null
}

describeDatabases('A unique value', (db) => {
  let app: TestApplication
  const collides = async (target: typeof Member | typeof PlainMember, property: string, texts: string[]) => {
    const repository = app.dataSource.getRepository<Member | PlainMember>(target)
    await repository.clear()
    await repository.insert({ id: 1, [property]: texts[0] })
    const second = await repository.insert({ id: 2, [property]: texts[1] }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(await repository.count()).toBe(second ? 1 : 2)
    return second !== undefined
  }

  beforeAll(async () => {
    app = await startApplication(db(), [Member, PlainMember], withIndexKey)
  })
  afterAll(() => app.stop())

  test.each<[string, [string, string], onMariadb: boolean, normalized: boolean]>([
    ['the same text', ['ada', 'ada'], true, true],
    ['case', ['ada', 'Ada'], true, true],
    ['a space behind', ['ada', 'ada '], true, true],
    ['an accent', ['ada', 'ad\u00e1'], true, false],
    ['one code point and two', ['\u00e9', 'e\u0301'], false, true],
  ])(
    'is told apart by bytes, whatever a plain column would have compared: %s',
    async (_, texts, onMariadb, normalized) => {
      const isSame = texts[0] === texts[1]
      expect(await collides(PlainMember, 'email', texts)).toBe(
        isSame || (onMariadb && db().name === 'mariadb'),
      )
      expect(await collides(Member, 'email', texts)).toBe(isSame)
      expect(await collides(Member, 'login', texts)).toBe(normalized)
    },
  )

  test('is NULL in as many rows as there are', async () => {
    const members = app.dataSource.getRepository(Member)
    await members.clear()
    await members.insert([{ id: 1 }, { id: 2 }])
    expect(await members.count()).toBe(2)
  })
})

describeDatabases('Plaintext that the database compared otherwise than by bytes', (db) => {
  let app: TestApplication
  const insert = (id: number, text: string, city = `city ${id}`) =>
    db().rawQuery('INSERT INTO reader (id, email, city, login, note) VALUES (?, ?, ?, ?, ?)', [
      id,
      Buffer.from(text),
      city,
      Buffer.from(text),
      '',
    ])

  beforeAll(async () => {
    app = await startApplication(db(), [Reader], withIndexKey)
  })
  beforeEach(() => db().rawQuery('DELETE FROM reader'))
  afterAll(() => app.stop())

  test('is named before the first row, where equal texts differ in bytes', async () => {
    await insert(1, 'ada@secret')
    await insert(2, 'bob')
    await insert(3, 'Ada@secret', 'CITY 1')
    for (const property of ['email', 'city']) {
      const run = encryptColumns(app.dataSource, Reader, [property])
      if (db().name !== 'mariadb') {
        expect(await run).toMatchObject([{ changed: 3 }])
        continue
      }
      const error = await failure(run)
      expect(error).toMatchObject({ code: 'INVALID_OPTION', property })
      expect(error.message).toMatch(/2 rows .* id=[13]; id=[13]\..*normalize.*compareBytes/s)
      expect(error.message).not.toMatch(/secret/i)
      expect(await encryptColumns(app.dataSource, Reader, [property], { compareBytes: true })).toMatchObject([
        { changed: 3 },
      ])
    }
    expect(await encryptColumns(app.dataSource, Reader, ['login'])).toMatchObject([{ changed: 3 }])
    const readers = app.dataSource.getRepository(Reader)
    expect(await readers.countBy({ email: 'ada@secret' })).toBe(1)
    expect(await readers.countBy({ login: 'ADA@SECRET' })).toBe(2)
  })

  test('is encrypted without a question where equal texts have equal bytes', async () => {
    await insert(1, 'ada')
    await insert(2, 'ada')
    await insert(3, 'bob')
    expect(await encryptColumns(app.dataSource, Reader, ['email', 'city', 'login'])).toMatchObject([
      { changed: 3 },
      { changed: 3 },
      { changed: 3 },
    ])
  })

  test('what indexes show is counted, with nothing of a value', async () => {
    const readers = app.dataSource.getRepository(Reader)
    const row = (id: number, email: string, city: string) => ({ id, email, city, login: 'x' })
    await readers.insert([row(1, 'aa', 'x'), row(2, 'aa', 'x'), row(3, 'b', 'x'), row(4, 'ccc', 'y')])
    const [leak] = await indexLeakage(app.dataSource, Reader, 'email')
    expect(leak).toMatchObject({
      index: 'index',
      column: 'email_index',
      rows: 4,
      classes: 3,
      largest: 2,
      alone: 2,
      met: 1.5,
      entropy: 1.5,
      guess: 1,
      nulls: 0,
      lengths: { distinct: 3, alone: 2 },
    })
    expect(leak!.bits.map(({ bits }) => bits)).toEqual([8, 16, 24])
    expect(leak!.bits[2]).toMatchObject({ classes: 3, largest: 2 })
    expect(leak!.advice).toEqual([
      expect.stringMatching(/3 different values, the most frequent in 50 %/),
      expect.stringMatching(/3 different lengths/),
    ])
    const [text] = await indexLeakage(app.dataSource, Reader, 'city')
    expect(text).toMatchObject({ column: 'city_index', classes: 2, largest: 3 })
  })
})
