import { Column, DataSource, Entity, EntitySchema, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm'
import { KmsEncrypted, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import {
  decryptColumns,
  encryptColumns,
  isBinaryColumn,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { sqlite } from '../../../src/dialects/sqlite'
import { NoPrimaryKeyError } from '../../../src/errors'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { declaredTypeMismatch, requireDeclaredType } from '../../../src/migration/declared-type'
import { forget, forgetDue, cancelForgetting } from '../../../src/migration/data-keys/forget'
import { readLayout, withKeys } from '../../../src/migration/rows/column-layout'
import { encryptedColumn, encryptedColumns as columnsOf, isQueryRunner } from '../../../src/migration/target'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

/** A format of another program. */
const opened = (stored: Buffer): string | undefined => {
  const text = stored.toString()
  if (text === 'enc:broken') throw new Error('it does not open')
  return text.startsWith('enc:') ? text.slice(4) : undefined
}

@ViewEntity({ expression: 'SELECT id, text FROM note' })
class Shown {
  @ViewColumn() id!: number
  @KmsEncrypted({ type: 'string', acceptPlaintext: true }) text!: string
}

@Entity()
class Followed {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'name', search: true }) secret?: string | null
}

@Entity()
class Note {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) title!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, acceptPlaintext: true }) text!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text', acceptPlaintext: true }) base64!:
    string | null
  @KmsEncrypted({ type: 'number', nullable: true, acceptPlaintext: true }) count!: number | null
  @KmsEncrypted({ type: 'date', nullable: true, acceptPlaintext: true }) at!: Date | null
  @KmsEncrypted({ type: 'buffer', nullable: true, acceptPlaintext: true }) bytes!: Buffer | null
  @KmsEncrypted({ nullable: true, acceptPlaintext: true }) guessed!: object | null
  @KmsEncrypted({ type: 'number', nullable: true, acceptFormats: [opened] }) foreign!: number | null
}

const Keyless = new EntitySchema({
  name: 'Keyless',
  columns: { id: { type: 'int', primary: true }, text: kmsEncryptedColumn({ type: 'string' }) },
})

let db: TestDatabase
let app: TestApplication

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Note, Keyless, Shown, Followed], withIndexKey)
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
beforeEach(() => db.rawQuery('DELETE FROM note'))

const insert = (column: string, ...values: unknown[]): Promise<unknown> =>
  Promise.all(
    values.map((value, at) =>
      db.rawQuery(`INSERT INTO note (id, "${column}") VALUES (?, ?)`, [at + 1, value]),
    ),
  )
const storedIn = async (column: string): Promise<unknown[]> =>
  (await db.rawQuery(`SELECT "${column}" AS v FROM note ORDER BY id`)).map(({ v }) => v)

describe('the columns of a command', () => {
  it('are named where one is not encrypted', async () => {
    const error = await failure(encryptColumns(app.dataSource, Note, ['title']))
    expect(error).toMatchObject({ code: 'NOT_AN_ENCRYPTED_COLUMN', entity: 'Note', property: 'title' })
    expect(error.message).toContain(
      'Encrypted columns of the entity: text, base64, count, at, bytes, guessed, foreign.',
    )
  })

  it('are those of an entity that the DataSource has, and that is initialised', () => {
    class Unknown {}
    for (const [entity, name] of [
      [Unknown, 'Unknown'],
      ['Nobody', 'Nobody'],
      [{ name: 'x', type: 'y' }, 'entity'],
    ] as const) {
      expect(() => columnsOf(app.dataSource, entity as typeof Unknown)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', entity: name }),
      )
    }
    const closed = new DataSource({ type: 'better-sqlite3', database: ':memory:' })
    expect(() => columnsOf(closed, Note)).toThrow(/not initialised/)
    expect(isQueryRunner(app.dataSource)).toBe(false)
    expect(isQueryRunner(app.dataSource.createQueryRunner())).toBe(true)
  })

  it('need a primary key', () => {
    const metadata = app.dataSource.getMetadata('Keyless')
    const { primaryColumns } = metadata
    metadata.primaryColumns = []
    try {
      expect(() => encryptedColumn(app.dataSource, 'Keyless', 'text')).toThrow(
        expect.objectContaining({ code: 'NO_PRIMARY_KEY', entity: 'Keyless' }),
      )
    } finally {
      metadata.primaryColumns = primaryColumns
    }
    expect(encryptedColumn(app.dataSource, 'Keyless', 'text').name).toBe('Keyless.text')
  })

  it('are all of a DataSource, each once', () => {
    expect(encryptedColumns(app.dataSource).map(({ name }) => name)).toEqual([
      'Followed.secret',
      ...['text', 'base64', 'count', 'at', 'bytes', 'guessed', 'foreign'].map(
        (property) => `Note.${property}`,
      ),
      'Keyless.text',
    ])
  })

  it('are bytes in the database, or not', async () => {
    expect(await isBinaryColumn(app.dataSource, Note, 'text')).toBe(true)
    expect(await isBinaryColumn(app.dataSource, Note, 'base64')).toBe(false)
    const runner = app.dataSource.createQueryRunner()
    const take = jest.spyOn(app.dataSource, 'createQueryRunner')
    const giveBack = jest.spyOn(runner, 'release')
    expect(await isBinaryColumn(runner, Note, 'text')).toBe(true)
    expect([take.mock.calls.length, giveBack.mock.calls.length]).toEqual([0, 0])
    await db.rawQuery('ALTER TABLE keyless RENAME COLUMN text TO other')
    expect(await isBinaryColumn(app.dataSource, 'Keyless', 'text')).toBe(false)
    await db.rawQuery('ALTER TABLE keyless RENAME TO nobody')
    expect(await isBinaryColumn(app.dataSource, 'Keyless', 'text')).toBe(false)
    expect([take.mock.calls.length, giveBack.mock.calls.length]).toEqual([2, 2])
    await db.rawQuery('ALTER TABLE nobody RENAME COLUMN other TO text')
    await db.rawQuery('ALTER TABLE nobody RENAME TO keyless')
    take.mockRestore()
    giveBack.mockRestore()
  })

  it('tell the property whose rows cannot be told apart', async () => {
    const runner = app.dataSource.createQueryRunner()
    const layout = await readLayout(runner, encryptedColumn(app.dataSource, Note, 'text'))
    const fault = new TypeError('a fault of ours')
    const readKeys = jest.spyOn(sqlite, 'readKeys')
    readKeys.mockRejectedValueOnce(new NoPrimaryKeyError('it has none')).mockRejectedValueOnce(fault)
    await expect(withKeys(runner, layout)).rejects.toMatchObject({
      code: 'NO_PRIMARY_KEY',
      entity: 'Note',
      property: 'text',
    })
    await expect(withKeys(runner, layout)).rejects.toBe(fault)
    readKeys.mockRestore()
  })

  it('are filled from those that they mirror, with their indexes', async () => {
    await db.rawQuery("INSERT INTO followed (id, name) VALUES (1, 'a'), (2, NULL)")
    expect(await encryptColumns(app.dataSource, Followed, ['secret'])).toMatchObject([{ changed: 1 }])
    const indexed = (): Promise<unknown> =>
      db.rawQuery('SELECT id FROM followed WHERE secret_index IS NOT NULL')
    expect(await indexed()).toEqual([{ id: 1 }])
    // That of a value which had none yet is made as well.
    await db.rawQuery('UPDATE followed SET secret_index = NULL')
    expect(await encryptColumns(app.dataSource, Followed, ['secret'])).toMatchObject([{ changed: 0 }])
    expect(await indexed()).toEqual([{ id: 1 }])
    expect(await app.dataSource.getRepository(Followed).findOneBy({ secret: 'a' })).toMatchObject({ id: 1 })
  })

  it.each([
    [{ boundAs: { id: 1 }, to: 'alias/x' }, /boundAs goes with neither/],
    [{ boundAs: { id: 1 }, newDataKeys: true }, /boundAs goes with neither/],
    [{ boundAs: {} }, /boundAs is empty/],
    [{ boundAs: { id: 1 } }, /boundAs names id, .* keyed by nothing of their row/],
    [{ madeBefore: new Date() }, /madeBefore is about newDataKeys/],
    [{ madeBefore: new Date(Number.NaN), newDataKeys: true }, /madeBefore must be a time/],
    [{ to: '' }, /to is empty/],
    [{ batchSize: 0 }, /batchSize must be/],
  ])('are not rotated with %j', async (options, message) => {
    await expect(rotateColumns(app.dataSource, Note, ['text'], options)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as unknown,
    })
  })
})

describe('there and back', () => {
  it('gives the values that there were, and counts each way', async () => {
    await insert('text', Buffer.from('a'), Buffer.from(''), null)
    await insert('base64')
    expect(await encryptColumns(app.dataSource, Note, ['text'])).toMatchObject([{ total: 2, changed: 2 }])
    expect(await encryptColumns(app.dataSource, Note, ['text'])).toMatchObject([{ rows: 2, changed: 0 }])
    expect(await verifyColumns(app.dataSource, Note, ['text'])).toMatchObject([
      { rows: 2, failed: 0, notCiphertext: 0, unreadable: [], skipped: 0, failures: [], notes: [] },
    ])
    expect(await decryptColumns(app.dataSource, Note, ['text'])).toMatchObject([{ changed: 2 }])
    expect(await storedIn('text')).toEqual([Buffer.from('a'), Buffer.alloc(0), null])
    expect(await decryptColumns(app.dataSource, Note, ['text'])).toMatchObject([{ rows: 2, changed: 0 }])
    expect(await verifyColumns(app.dataSource, Note, ['text'])).toMatchObject([
      { failed: 0, notCiphertext: 2 },
    ])
  })

  it('gives text in a column of text', async () => {
    await insert('base64', 'a', 'ä€')
    await encryptColumns(app.dataSource, Note, ['base64'])
    expect((await storedIn('base64')).every((text) => String(text).startsWith('wQEB'))).toBe(true)
    await decryptColumns(app.dataSource, Note, ['base64'])
    expect(await storedIn('base64')).toEqual(['a', 'ä€'])
  })

  it('does not decrypt what could not be told from ciphertext then', async () => {
    await insert('text', Buffer.from('inner'))
    await encryptColumns(app.dataSource, Note, ['text'])
    const [inner] = await storedIn('text')
    await db.rawQuery('UPDATE note SET text = NULL, bytes = NULL')
    const runner = app.dataSource.createQueryRunner()
    const column = encryptedColumn(app.dataSource, Note, 'bytes')
    const sealed = await column.cipher.encrypt(inner as Buffer, column.recipe)
    await runner.query('UPDATE note SET bytes = ?', [sealed])
    await expect(decryptColumns(app.dataSource, Note, ['bytes'])).rejects.toMatchObject({
      code: 'NOT_REPRESENTABLE',
      primaryKey: { id: '1' },
      message: expect.stringContaining('itself a ciphertext') as unknown,
    })
    expect(await storedIn('bytes')).toEqual([sealed])
  })
})

describe('the type that a column declares', () => {
  it.each<[property: string, values: unknown[], expected: RegExp | undefined]>([
    ['text', [Buffer.from('a'), Buffer.from('é')], undefined],
    ['text', [Buffer.from([0xff, 0xfe])], /^1 of 1 values .* type string\. Declare it: .*'buffer'/],
    ['count', [Buffer.from('1'), Buffer.from('2.5')], undefined],
    [
      'count',
      [Buffer.from('1'), Buffer.from('one'), null],
      /^1 of 2 values .* type number\. Declare it: .*'string'/,
    ],
    ['count', [Buffer.from('one'), Buffer.from([0xff])], /^2 of 2 values .*'buffer' \}\)\.$/],
    ['at', [Buffer.from('2026-01-02T03:04:05.678Z')], undefined],
    ['at', [Buffer.from('2026-01-02')], /^1 of 1 values .* type date/],
    ['bytes', [Buffer.from([0xff])], undefined],
    ['guessed', [Buffer.from('{"a":1}'), Buffer.from('[1]')], undefined],
    [
      'guessed',
      [Buffer.from('{"a":1}'), Buffer.from('123')],
      /^1 of 2 values .* type json\. That type was not declared but .*Declare it: @KmsEncrypted\(\{ type: 'string' \}\)\.$/,
    ],
    ['guessed', [Buffer.from('123')], /^1 of 1 values .*, or type: 'json' if that is what they are\.$/],
    ['guessed', [Buffer.from('a text')], /^1 of 1 values/],
    ['text', [null], undefined],
    ['count', [], undefined],
  ])('%s holds %j', async (property, values, expected) => {
    await insert(property, ...values)
    const runner = app.dataSource.createQueryRunner()
    const column = encryptedColumn(app.dataSource, Note, property)
    const found = await declaredTypeMismatch(runner, column)
    if (!expected) {
      expect(found).toBeUndefined()
      await expect(requireDeclaredType(runner, column)).resolves.toBeUndefined()
      return
    }
    expect(found).toMatch(expected)
    await expect(requireDeclaredType(runner, column)).rejects.toMatchObject({
      code: 'DECLARED_TYPE',
      property,
      message: expect.stringMatching(/Nothing was written\.$/) as unknown,
    })
  })

  it('is not compared with ciphertexts, with longer values, or with a column that is not there', async () => {
    await insert('count', Buffer.from('7'))
    await encryptColumns(app.dataSource, Note, ['count'])
    await db.rawQuery('INSERT INTO note (id, count) VALUES (9, ?), (10, ?)', [
      Buffer.alloc(65_537, 'x'),
      (await storedIn('count'))[0],
    ])
    const runner = app.dataSource.createQueryRunner()
    const column = encryptedColumn(app.dataSource, Note, 'count')
    expect(await declaredTypeMismatch(runner, column)).toBeUndefined()
    expect(await declaredTypeMismatch(runner, column, { column: 'nobody' })).toBeUndefined()
    // Neither is one that stands there as base64.
    const base64 = Buffer.from((await storedIn('count'))[0] as Buffer).toString('base64')
    await db.rawQuery('UPDATE note SET count = ? WHERE id = 10', [base64])
    expect(await declaredTypeMismatch(runner, column)).toBeUndefined()
    await db.rawQuery('UPDATE note SET count = ? WHERE id = 9', [Buffer.alloc(65_536, 'x')])
    expect(await declaredTypeMismatch(runner, column)).toMatch(/^1 of 1 values/)
    await db.rawQuery('UPDATE note SET title = ?', ['one'])
    expect(await declaredTypeMismatch(runner, column, { column: 'title' })).toMatch(/^3 of 3 values/)
  })

  it('is compared with the text of a column of another type, unless the migration makes one of its own', async () => {
    await insert('count', Buffer.from('7'))
    const runner = app.dataSource.createQueryRunner()
    const mismatch = (property: string): Promise<string | undefined> =>
      declaredTypeMismatch(runner, encryptedColumn(app.dataSource, Note, property), { column: 'id' })
    expect(await mismatch('count')).toBeUndefined()
    expect(await mismatch('guessed')).toMatch(/^1 of 1 values/)
    const asText = jest.spyOn(sqlite.steps, 'asText').mockReturnValue("'one'")
    expect(await mismatch('count')).toMatch(/^1 of 1 values/)
    expect(asText.mock.calls).toEqual([['"id"']])
    expect(await mismatch('at')).toBeUndefined()
    asText.mockRestore()
    await runner.release()
  })

  it('is not said to be another one for a fault of ours', async () => {
    await insert('text', Buffer.from('a'))
    const runner = app.dataSource.createQueryRunner()
    const fault = new TypeError('a fault of ours')
    const failing = (): never => {
      throw fault
    }
    const text = encryptedColumn(app.dataSource, Note, 'text')
    const serialise = jest.spyOn(text, 'serialise').mockImplementation(failing)
    await expect(declaredTypeMismatch(runner, text)).rejects.toBe(fault)
    serialise.mockRestore()
    await db.rawQuery('UPDATE note SET "foreign" = ?', [Buffer.from('enc:1')])
    const foreign = encryptedColumn(app.dataSource, Note, 'foreign')
    const open = jest.spyOn(foreign.opener, 'openForeign').mockImplementation(failing)
    await expect(declaredTypeMismatch(runner, foreign)).rejects.toBe(fault)
    open.mockRestore()
    await runner.release()
  })

  it('is compared with what another program encrypted, as far as that opens', async () => {
    await insert('foreign', Buffer.from('enc:1'), Buffer.from('enc:broken'), Buffer.from('enc:-2.5'))
    const runner = app.dataSource.createQueryRunner()
    const mismatch = (): Promise<string | undefined> =>
      declaredTypeMismatch(runner, encryptedColumn(app.dataSource, Note, 'foreign'))
    expect(await mismatch()).toBeUndefined()
    await db.rawQuery('UPDATE note SET "foreign" = ? WHERE id = 3', [Buffer.from('enc:x')])
    expect(await mismatch()).toMatch(/^1 of 2 values that were looked at are not of the type number/)
    await runner.release()
  })

  it('is compared with the first 200 values', async () => {
    const values = Array.from({ length: 201 }, () => Buffer.from('one'))
    await db.rawQuery('BEGIN')
    await insert('count', ...values)
    await db.rawQuery('COMMIT')
    const runner = app.dataSource.createQueryRunner()
    const column = encryptedColumn(app.dataSource, Note, 'count')
    expect(await declaredTypeMismatch(runner, column)).toMatch(/^200 of 200 values/)
  })
})

describe('what is to be forgotten', () => {
  it.each<[string, unknown]>([
    ['no pair', {}],
    ['nothing', null],
    ['a text', 'tenant'],
    ['a number as a value', { tenant: 42 }],
    ['no name', { '': 'x' }],
    ['one that is none', { tenant: '42', other: 1 }],
  ])('is not named by %s', async (_, pairs) => {
    const given = pairs as Record<string, string>
    await expect(forget(app.dataSource, given)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(cancelForgetting(app.dataSource, given)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  it.each([-1, 0.5, Number.NaN, 365 * 86_400_000 + 1])('does not wait for %d ms', async (wait) => {
    await expect(forget(app.dataSource, { tenant: '42' }, { wait })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('at most 365 days') as unknown,
    })
  })

  it('needs a DataSource that is initialised', async () => {
    const closed = new DataSource({ type: 'better-sqlite3', database: ':memory:' })
    await expect(forgetDue(closed)).rejects.toMatchObject({
      message: expect.stringContaining('not initialised') as unknown,
    })
  })
})
