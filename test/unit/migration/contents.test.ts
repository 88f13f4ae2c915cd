import { type DataSource, Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { sqlite } from '../../../src/dialects/sqlite'
import { columnContents } from '../../../src/migration/column-contents'
import { CountedTogether } from '../../../src/migration/counted-together'
import { encryptedColumn } from '../../../src/migration/target'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { Failed } from './support'

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, search: true }) mail!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
}

@Entity()
class Guest {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource
let runner: QueryRunner

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Member, Guest], withIndexKey)
  dataSource = app.dataSource
  runner = dataSource.createQueryRunner()
})
afterAll(async () => {
  await runner.release()
  await app.stop()
  await db.drop()
})
beforeEach(async () => {
  await db.rawQuery('DELETE FROM member')
  await db.rawQuery('DELETE FROM guest')
})
afterEach(() => {
  jest.restoreAllMocks()
})

const note = () => encryptedColumn(dataSource, Member, 'note')
const addPlain = (id: number, mail: string): Promise<unknown> =>
  db.rawQuery('INSERT INTO member (id, mail) VALUES (?, ?)', [id, Buffer.from(mail)])

/** Says how many connections are taken from now on, and how many of them given back. SQLite has a single one. */
function connections(): () => [taken: number, givenBack: number] {
  const take = jest.spyOn(dataSource, 'createQueryRunner')
  const giveBack = jest.spyOn(runner, 'release')
  return () => [take.mock.calls.length, giveBack.mock.calls.length]
}

describe('what a column holds', () => {
  beforeEach(async () => {
    await dataSource.getRepository(Member).insert([
      { id: 1, mail: 'a', note: 'x' },
      { id: 2, mail: 'b', note: null },
    ])
  })

  it('is counted of the rows as they are, and of those that they were', async () => {
    expect(await columnContents(runner, note())).toMatchObject({
      current: expect.arrayContaining([
        expect.objectContaining({ kind: 'ciphertext', rows: 1 }),
        expect.objectContaining({ kind: 'null', rows: 1 }),
      ]) as unknown,
      history: undefined,
      hiddenBy: undefined,
    })
    jest
      .spyOn(sqlite, 'allVersions')
      .mockResolvedValue(
        "(SELECT id, note FROM member UNION ALL SELECT id, note FROM member WHERE id = 1 UNION ALL SELECT 9, x'31') AS _h",
      )
    const { history } = await columnContents(runner, note())
    expect(history?.map(({ kind, rows }) => [kind, rows]).sort()).toEqual([
      ['ciphertext', 1],
      ['other', 1],
    ])
    const status = await columnStatus(runner, 'Member', 'note')
    expect(status).toMatchObject({ rows: 2, plaintext: 0, history: { rows: 2, plaintext: 1 } })
  })

  it('is not judged by what a driver made of the bytes', async () => {
    const query = runner.query.bind(runner)
    const sent = jest.spyOn(runner, 'query')
    const deliver = (value: unknown): unknown =>
      sent.mockImplementation((...each) =>
        / AS _v /.test(each[0]) ? Promise.resolve([{ _v: value }]) : query(...each),
      )
    const refused = { code: 'DRIVER_VALUE', entity: 'Member', property: 'note' }
    deliver('\u{c1}\u{1}\u{1}')
    await expect(columnContents(runner, note())).rejects.toMatchObject(refused)
    // In SQLite, a column of bytes may hold text.
    deliver('a text')
    await expect(columnContents(runner, note())).resolves.toBeDefined()
    const holdBytes = jest.replaceProperty(sqlite, 'binaryColumnsHoldBytes', true)
    await expect(columnContents(runner, note())).rejects.toMatchObject(refused)
    holdBytes.restore()
  })

  it('may have been counted before', async () => {
    const { current } = await columnContents(runner, note())
    expect((await columnContents(runner, note(), [])).current).toEqual([])
    expect((await columnContents(runner, note(), current)).current).toBe(current)
  })

  it.each([
    ['policy', 'ROWS_HIDDEN', /row level security hides rows/],
    ['denied', 'TABLE_ACCESS', /may not read the table member/],
  ])('is not known where the database says %s', async (failure, code, message) => {
    jest.spyOn(sqlite, 'failureOf').mockImplementation((error) => (error as Failed).failure as 'denied')
    jest.spyOn(sqlite, 'hiddenBy').mockRejectedValue(new Failed(failure))
    await expect(columnContents(runner, note())).rejects.toMatchObject({
      code,
      entity: 'Member',
      property: 'note',
      message: expect.stringMatching(message) as unknown,
    })
  })

  it('is another fault as it is', async () => {
    const fault = new Failed('other')
    jest.spyOn(sqlite, 'hiddenBy').mockRejectedValue(fault)
    await expect(columnContents(runner, note())).rejects.toBe(fault)
  })

  it('is not known of a column that is not there, or that the role may not see', async () => {
    await db.rawQuery('ALTER TABLE member RENAME COLUMN note TO other')
    try {
      const missing = { code: 'COLUMN_TYPE', entity: 'Member', property: 'note' }
      await expect(columnContents(runner, note())).rejects.toMatchObject(missing)
      jest.spyOn(sqlite, 'failureOf').mockReturnValue('denied')
      const query = jest.spyOn(runner, 'query')
      await expect(columnContents(runner, note())).rejects.toMatchObject({ code: 'TABLE_ACCESS' })
      expect(query.mock.calls.at(-1)).toEqual(['SELECT "note" FROM "member" WHERE 1 = 0'])
    } finally {
      await db.rawQuery('ALTER TABLE member RENAME COLUMN other TO note')
    }
  })

  it('is read on a connection that is given back', async () => {
    const count = connections()
    await columnStatus(dataSource, Member, 'note')
    expect(count()).toEqual([1, 1])
    jest.spyOn(sqlite, 'hiddenBy').mockRejectedValue(new Failed('other'))
    await expect(columnStatus(dataSource, Member, 'note')).rejects.toThrow('failed')
    expect(count()).toEqual([2, 2])
    await expect(columnStatus(runner, Member, 'note')).rejects.toThrow('failed')
    expect(count()).toEqual([2, 2])
  })

  it('is counted for all columns of a table at once, and for each table by itself', async () => {
    await dataSource.getRepository(Guest).insert({ id: 1, note: 'x' })
    const columns = [
      note(),
      encryptedColumn(dataSource, Guest, 'note'),
      encryptedColumn(dataSource, Member, 'mail'),
    ]
    const together = new CountedTogether(columns)
    const rows = (await together.of(runner, columns[0]!))?.map(({ kind, rows }) => [kind, rows])
    expect(rows).toEqual([
      ['ciphertext', 1],
      ['null', 1],
    ])
    const query = jest.spyOn(runner, 'query')
    expect(await together.of(runner, columns[2]!)).toMatchObject([{ kind: 'ciphertext', rows: 2 }])
    expect(query).not.toHaveBeenCalled()
    // One column of a table is counted as quickly by itself.
    expect(await together.of(runner, columns[1]!)).toBeUndefined()
    expect(query.mock.calls.filter(([sql]) => /^SELECT COUNT/.test(sql))).toEqual([])
  })
})

describe('rows that the database may hide', () => {
  it('leave nothing to certify, and are spoken of where values are changed', async () => {
    jest.spyOn(sqlite, 'hiddenBy').mockResolvedValue('policy')
    await expect(verifyColumns(dataSource, Member, ['note'])).rejects.toMatchObject({ code: 'ROWS_HIDDEN' })
    const [result] = await encryptColumns(dataSource, Member, ['note'])
    expect(result?.notes).toEqual([expect.stringContaining('row level security hides rows')])
  })
})

describe('texts that the database took for equal', () => {
  const compare = () =>
    jest.spyOn(sqlite, 'comparedAs').mockResolvedValue({ sql: 'LOWER(CAST("mail" AS TEXT))', name: 'NOCASE' })

  it('are named before a search compares their bytes, and nothing is changed', async () => {
    compare()
    for (const [at, mail] of ['a', 'A', 'b', 'b', 'C'].entries()) await addPlain(at + 1, mail)
    const count = connections()
    await expect(encryptColumns(dataSource, Member, ['mail'])).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      entity: 'Member',
      property: 'mail',
      message: expect.stringMatching(
        /2 rows have values that the database takes for equal \(NOCASE\).*: id=\d; id=\d\. A blind/,
      ) as unknown,
    })
    expect(count()).toEqual([1, 1])
    await expect(encryptColumns(runner, Member, ['mail'])).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(count()).toEqual([1, 1])
    expect(await columnStatus(dataSource, Member, 'mail')).toMatchObject({ plaintext: 5 })
    const [result] = await encryptColumns(dataSource, Member, ['mail'], { compareBytes: true })
    expect(result).toMatchObject({ changed: 5 })
  })

  it('are the first 20 of them, and the number of the others', async () => {
    compare()
    for (let at = 0; at < 22; at++) await addPlain(at + 1, at % 2 === 0 ? 'a' : 'A')
    await expect(encryptColumns(dataSource, Member, ['mail'])).rejects.toThrow(/id=\d+ and 2 more\. A blind/)
  })

  it('are none where they are the same bytes, or the column is not searched', async () => {
    const compared = compare()
    for (const id of [1, 2]) await addPlain(id, 'a')
    await db.rawQuery('INSERT INTO member (id) VALUES (3), (4)')
    expect(await encryptColumns(dataSource, Member, ['mail', 'note'])).toMatchObject([
      { changed: 2 },
      { changed: 0 },
    ])
    expect(compared).toHaveBeenCalledTimes(1)
  })
})
