import { Column, Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { forget, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { asPlaintext } from '../../../src/cipher/bytes'
import { type Recipe } from '../../../src/cipher/cipher'
import { type ColumnRows } from '../../../src/dialects/rows/column-rows'
import { sqlite } from '../../../src/dialects/sqlite'
import { CountedTogether } from '../../../src/migration/counted-together'
import { Encrypt } from '../../../src/migration/encrypt'
import { requireSameEquality } from '../../../src/migration/indexes/collation'
import { missingIndexColumns, requireIndexColumns } from '../../../src/migration/indexes/index-columns'
import { readLayout } from '../../../src/migration/rows/column-layout'
import { readEncrypted, readStored, sealChecked } from '../../../src/migration/stored-value'
import { TakeBack } from '../../../src/migration/take-back'
import { encryptedColumn } from '../../../src/migration/target'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { rowOf } from './support'

const theirs = (stored: Buffer): string | undefined =>
  stored.toString().startsWith('theirs:') ? 'a' : undefined

@Entity()
class Item {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @Column('blob') mark!: Buffer
  @KmsEncrypted({ type: 'buffer', nullable: true }) bytes!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true, acceptPlaintext: true }) either!: Buffer | null
  @KmsEncrypted({ type: 'string', nullable: true, mode: 'direct' }) direct!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true, keyPer: ['tenant'] }) keyed!: Buffer | null
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['id', 'tenant'] } }) bound!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['mark'] } }) marked!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, acceptFormats: [theirs] }) foreign!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, acceptFormats: [theirs], acceptPlaintext: true })
  mixed!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: true }) searched!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: { normalize: (text: string) => text } })
  normalized!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true, search: true }) binary!: Buffer | null
}

let db: TestDatabase
let app: TestApplication

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Item], async (test) => ({
    dataKeys: { lease: 20 },
    ...(await withIndexKey(test)),
  }))
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
afterEach(() => jest.restoreAllMocks())

const columnOf = (property: keyof Item, more: object = {}): BoundColumn => {
  const column = encryptedColumn(app.dataSource, Item, property)
  const others = { error: column.error.bind(column), placed: column.placed.bind(column), ...more }
  const descriptors = Object.entries(others).map(([name, value]) => [name, { value: value }])
  return Object.keys(more).length === 0
    ? column
    : (Object.create(column, Object.fromEntries(descriptors) as PropertyDescriptorMap) as BoundColumn)
}
const recipeOf = (column: BoundColumn, row: Partial<Record<string, unknown>> = {}) =>
  column.recipes.of((name) => row[name])
const sealed = async (column: BoundColumn, value: string, recipe: Recipe): Promise<Buffer> =>
  Buffer.from(await column.cipher.encrypt(asPlaintext(Buffer.from(value)), recipe))
const layoutOf = (column: BoundColumn) => readLayout(app.dataSource.createQueryRunner(), column)

describe('a value that ought to be encrypted', () => {
  it('is named for what it is where it is of another tenant', async () => {
    const column = columnOf('keyed')
    const [one, other] = [recipeOf(column, { tenant: 1 }), recipeOf(column, { tenant: 2 })]
    const value = await sealed(column, 'a', other)
    await expect(readEncrypted(column, value, one)).rejects.toMatchObject({
      code: expect.stringMatching(/^CIPHERTEXT_WRONG_/) as unknown,
    })
    expect((await readEncrypted(column, value, other)).kind).toBe('ciphertext')
    await expect(readEncrypted(column, Buffer.from('a'), one)).rejects.toMatchObject({
      code: 'PLAINTEXT_FOUND',
    })
  })

  it.each(['bytes', 'either'] as const)(
    'is plaintext where it does not open, and may be: %s',
    async (property) => {
      const column = columnOf(property)
      const value = await sealed(columnOf('keyed'), 'a', recipeOf(columnOf('keyed'), { tenant: 1 }))
      const read = readEncrypted(column, value, column.recipe)
      if (property === 'either') expect(await read).toEqual({ kind: 'plaintext', bytes: value })
      else await expect(read).rejects.toMatchObject({ code: 'PLAINTEXT_FOUND' })
    },
  )

  it('is of a format of another program, or of none that is known', async () => {
    const column = columnOf('foreign')
    const stored = Buffer.from('theirs: a')
    expect(await readStored(column, stored, column.recipe)).toEqual({
      kind: 'foreign',
      bytes: Buffer.from('a'),
    })
    await expect(readStored(column, Buffer.from('a'), column.recipe)).rejects.toMatchObject({
      code: 'FOREIGN_FORMAT',
    })
    const mixed = columnOf('mixed')
    expect((await readStored(mixed, Buffer.from('a'), mixed.recipe)).kind).toBe('plaintext')
    const own = await sealed(column, 'a', column.recipe)
    expect((await readStored(column, own, column.recipe)).kind).toBe('ciphertext')
  })
})

describe('what is sealed', () => {
  it('has its data key proven with KMS once', async () => {
    const { dataSource } = await app.restart({ dataKeys: 'inline' })
    const column = encryptedColumn(dataSource, Item, 'bytes')
    const decrypt = jest.spyOn(column.cipher.kms, 'decrypt')
    for (const text of ['a', 'b']) {
      const value = await sealChecked(column, Buffer.from(text), column.recipe)
      expect((await column.opener.open(value, column.recipe.scopes)).toString()).toBe(text)
    }
    expect(decrypt).toHaveBeenCalledTimes(1)
  })

  it('is not stored if it opens as something else', async () => {
    const column = columnOf('bytes')
    jest.spyOn(column.cipher, 'decryptNow').mockReturnValueOnce(asPlaintext(Buffer.from('b')))
    const sealing = sealChecked(column, Buffer.from('a'), column.recipe)
    await expect(sealing).rejects.toMatchObject({
      code: 'SELF_CHECK_FAILED',
      message: expect.stringContaining('did not decrypt to the value. Nothing was stored') as unknown,
    })
  })
})

describe('the beginning of an encryption', () => {
  const noRows = {
    page: () => Promise.resolve([]),
    longest: () => Promise.reject(new Error('There is nothing to fit')),
  } as unknown as ColumnRows

  it('tries nothing out where there is no row that tells the tenant', async () => {
    const column = columnOf('keyed')
    const encrypt = new Encrypt(column)
    const generate = jest.spyOn(column.cipher.kms, 'generateDataKey')
    await encrypt.begin(await layoutOf(column), noRows)
    expect(await encrypt.samples()).toEqual([])
    expect(generate).not.toHaveBeenCalled()
    // A row tells it.
    const row = rowOf(1, Buffer.from('a'), { valueOf: () => 7 })
    const rows = {
      page: () => Promise.resolve([row]),
      longest: () => Promise.resolve(1),
    } as unknown as ColumnRows
    const other = new Encrypt(column)
    await other.begin(await layoutOf(column), rows)
    expect(await other.samples()).toHaveLength(2)
  })

  it('says of which column KMS does not encrypt', async () => {
    const column = columnOf('direct')
    app.kms.misbehave({ deny: 'Encrypt' })
    const error = await failure(new Encrypt(column).begin(await layoutOf(column), noRows))
    app.kms.misbehave({})
    expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED', entity: 'Item', property: 'direct' })
  })

  it('is refused while the application stores plaintext', async () => {
    const begin = async (areOn: boolean | undefined): Promise<void> => {
      const column = columnOf('keyed', { plaintextWrites: areOn === undefined ? undefined : { areOn } })
      return new Encrypt(column).begin(await layoutOf(column), noRows)
    }
    const error = await failure(begin(true))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', entity: 'Item', property: 'keyed' })
    expect(error.message).toContain("still stores plaintext in the column (writes: 'plaintext')")
    for (const areOn of [false, undefined]) await expect(begin(areOn)).resolves.toBeUndefined()
  })
})

describe('values that are bound anew', () => {
  beforeEach(() => db.rawQuery('DELETE FROM item'))
  const add = (id: number, more: Partial<Item>): Promise<unknown> =>
    app.dataSource.getRepository(Item).insert({ id, tenant: 1, mark: Buffer.from('ab01', 'hex'), ...more })

  it('are bound to bytes that are given as they are, or in hexadecimal', async () => {
    for (const mark of ['ab01', Buffer.from('ab01', 'hex')]) {
      await db.rawQuery('DELETE FROM item')
      await add(1, { marked: 'a' })
      await db.rawQuery("UPDATE item SET mark = x'ff'")
      const settings = { boundAs: { mark } }
      expect(await rotateColumns(app.dataSource, Item, ['marked'], settings)).toMatchObject([{ changed: 1 }])
      expect(await app.dataSource.getRepository(Item).findOneBy({ id: 1 })).toMatchObject({ marked: 'a' })
    }
  })

  it('are not looked for where the row that had them is named by its key only, and is there', async () => {
    await add(1, { bound: 'a' })
    await add(2, { bound: 'b' })
    const error = await failure(
      rotateColumns(app.dataSource, Item, ['bound'], { boundAs: { id: 2 }, dryRun: true }),
    )
    expect(error).toMatchObject({ code: 'INVALID_OPTION', entity: 'Item', property: 'bound' })
    expect(error.message).toContain('boundAs names the row id=2, which is there')
    // With the tenant as well it is another row.
    const settings = { boundAs: { id: 2, tenant: 3 }, dryRun: true }
    expect(await rotateColumns(app.dataSource, Item, ['bound'], settings)).toMatchObject([{ changed: 0 }])
  })

  it('are bound anew beside those whose data keys were destroyed', async () => {
    await add(1, { keyed: Buffer.from('a') })
    await add(2, { tenant: 2, keyed: Buffer.from('b') })
    await forget(app.dataSource, { tenant: '2' })
    await db.rawQuery('UPDATE item SET tenant = 9 WHERE id = 1')
    const settings = { boundAs: { tenant: 1 } }
    expect(await rotateColumns(app.dataSource, Item, ['keyed'], settings)).toMatchObject([
      { changed: 1, forgotten: 1, skipped: 0 },
    ])
  })

  it('are listed up to a thousand', async () => {
    const column = columnOf('bound')
    const takeBack = new TakeBack(column, { tenant: 1 })
    const value = await sealed(column, 'a', recipeOf(column, { id: 1, tenant: 1 }))
    for (let at = 1; at <= 1_001; at++) {
      const row = rowOf(at, value, { valueOf: (name) => (name === 'id' ? 1 : 9) })
      expect(await takeBack.convert(row)).toBeDefined()
    }
    expect(takeBack.rows).toHaveLength(1_000)
    expect(takeBack.rows.at(-1)).toEqual({ id: 1_000 })
  })

  it('need what the rows had, and columns that are bound', () => {
    expect(() => new TakeBack(columnOf('bound'), {})).toThrow(/boundAs is empty\. Name what the rows had/)
    expect(() => new TakeBack(columnOf('bytes'), { tenant: 1 })).toThrow(
      /boundAs names tenant, and the values of the column are bound to and keyed by nothing of their row/,
    )
  })
})

describe('the columns of blind indexes', () => {
  it('are asked for only where there are indexes', async () => {
    const untouched = {} as QueryRunner
    expect(await missingIndexColumns(untouched, columnOf('bytes'), [])).toEqual([])
    await expect(requireIndexColumns(untouched, columnOf('bytes'), [])).resolves.toBeUndefined()
  })

  it('are missing until a migration adds them', async () => {
    const runner = app.dataSource.createQueryRunner()
    const column = columnOf('searched')
    await expect(requireIndexColumns(runner, column, column.indexes)).resolves.toBeUndefined()
    const absent = Object.create(column.indexes[0]!, {
      metadata: { value: { databaseName: 'absent_index' } },
    }) as (typeof column.indexes)[0]
    expect(await missingIndexColumns(runner, column, [column.indexes[0]!, absent])).toEqual([absent])
    const error = await failure(requireIndexColumns(runner, column, [column.indexes[0]!, absent]))
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Item', property: 'searched' })
    expect(error.message).toContain('the database has no column absent_index for the blind index')
  })

  it.each<[keyof Item, isCompared: boolean]>([
    ['searched', true],
    ['normalized', false],
    ['binary', false],
    ['bytes', false],
  ])('compare bytes, and so may the database: %s', async (property, isCompared) => {
    const comparedAs = jest.spyOn(sqlite, 'comparedAs').mockResolvedValue(undefined)
    await requireSameEquality(app.dataSource, columnOf(property))
    expect(comparedAs).toHaveBeenCalledTimes(isCompared ? 1 : 0)
  })
})

describe('columns that are counted together', () => {
  it('are counted each by itself where one is not there, and fail with the database', async () => {
    const columns = [columnOf('bytes'), columnOf('searched')]
    const runner = app.dataSource.createQueryRunner()
    const counted = await new CountedTogether(columns).of(runner, columns[1]!)
    expect(counted).toEqual([])
    const { metadata } = columns[0]!
    const absent = columnOf('bytes', {
      metadata: Object.create(metadata, { databaseName: { value: 'absent' } }),
    })
    expect(await new CountedTogether([columns[1]!, absent]).of(runner, columns[1]!)).toBeUndefined()
    jest.spyOn(runner, 'query').mockRejectedValue(new Error('gone'))
    await expect(new CountedTogether(columns).of(runner, columns[1]!)).rejects.toThrow('gone')
    jest.spyOn(sqlite, 'failureOf').mockReturnValue('denied')
    expect(await new CountedTogether(columns).of(runner, columns[1]!)).toBeUndefined()
  })
})
