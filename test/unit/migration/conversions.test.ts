import { EncryptCommand } from '@aws-sdk/client-kms'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { asPlaintext } from '../../../src/cipher/bytes'
import { sqlite } from '../../../src/dialects/sqlite'
import { type ColumnRow, type ColumnRows } from '../../../src/dialects/rows/column-rows'
import { Decrypt } from '../../../src/migration/decrypt'
import { Encrypt } from '../../../src/migration/encrypt'
import { Rotate } from '../../../src/migration/rotate'
import { type ColumnLayout } from '../../../src/migration/rows/column-layout'
import {
  beginsLikeCiphertext,
  KnownKeys,
  readStored,
  requireWhole,
} from '../../../src/migration/stored-value'
import { encryptedColumn } from '../../../src/migration/target'
import { Verify } from '../../../src/migration/verify'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'
import { rowOf } from './support'

@Entity()
class Item {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) text!: string
  @KmsEncrypted({ type: 'buffer' }) bytes!: Buffer
  @KmsEncrypted({ type: 'string', storage: 'text' }) base64!: string
  @KmsEncrypted({ type: 'date' }) at!: Date
  @KmsEncrypted({ type: 'buffer', mode: 'direct' }) direct!: Buffer
}

let db: TestDatabase
let app: TestApplication

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Item])
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})

const columnOf = (property: keyof Item): BoundColumn => encryptedColumn(app.dataSource, Item, property)
const sealed = async (property: keyof Item, value: string | Buffer): Promise<Buffer> => {
  const column = columnOf(property)
  return Buffer.from(await column.cipher.encrypt(asPlaintext(Buffer.from(value)), column.recipe))
}
const bare = async (EncryptionContext: Record<string, string> = {}): Promise<Buffer> => {
  const { CiphertextBlob } = await app.client.send(
    new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from('bare'), EncryptionContext }),
  )
  return Buffer.from(CiphertextBlob!)
}
const layoutOf = (property: keyof Item, more: object = {}): ColumnLayout =>
  ({
    dialect: sqlite,
    column: columnOf(property),
    kind: 'binary',
    storage: 'binary',
    type: 'varbinary',
    table: 'item',
    capacity: undefined,
    ...more,
  }) as unknown as ColumnLayout

interface Counts {
  count?: number
  plaintext?: number
  longest?: number
  rows?: ColumnRow[]
}
const rowsOf = ({ count = 0, plaintext = 0, longest = 0, rows = [] }: Counts): ColumnRows =>
  ({
    count: () => Promise.resolve(count),
    countPlaintext: () => Promise.resolve(plaintext),
    longest: () => Promise.resolve(longest),
    page: () => Promise.resolve(rows),
  }) as unknown as ColumnRows

describe('decryption', () => {
  const decrypted = async (property: keyof Item, value: string | Buffer, more: object = {}) => {
    const decrypt = new Decrypt(columnOf(property))
    await decrypt.begin(layoutOf(property, more))
    return decrypt.convert(rowOf(1, await sealed(property, value)))
  }

  it('gives bytes, or text', async () => {
    expect(await decrypted('text', 'äö')).toEqual({ value: Buffer.from('äö') })
    expect(await decrypted('text', 'äö', { kind: 'text' })).toEqual({ value: 'äö' })
    const plain = new Decrypt(columnOf('text'))
    await plain.begin(layoutOf('text'))
    expect(await plain.convert(rowOf(1, Buffer.from('plaintext')))).toBeUndefined()
    await expect(new Decrypt(columnOf('text')).convert(rowOf(1, await sealed('text', 'a')))).rejects.toThrow(
      /begin\(\) comes first/,
    )
  })

  it.each<[kind: string, value: string, capacity: number, fits: boolean]>([
    ['text', 'äö😀', 3, true],
    ['text', 'äö😀', 2, false],
    ['binary', 'äö', 4, true],
    ['binary', 'äö', 3, false],
  ])('gives what the column holds: %s %s in %d: %p', async (kind, value, capacity, fits) => {
    const work = decrypted('text', value, { kind, capacity })
    if (fits) expect(await work).toBeDefined()
    else
      await expect(work).rejects.toMatchObject({
        code: 'NOT_REPRESENTABLE',
        message: expect.stringContaining(`has a length of ${capacity + 1}, and`) as unknown,
      })
  })

  it('gives no text for bytes that are none, or that the database does not take', async () => {
    const expected = { code: 'NOT_REPRESENTABLE', message: expect.stringContaining('cannot hold') as unknown }
    await expect(decrypted('bytes', Buffer.from([0xff]), { kind: 'text' })).rejects.toMatchObject(expected)
    const dialect = { ...sqlite, isStorableText: (text: Buffer) => !text.includes(0) }
    await expect(decrypted('text', 'a\0', { kind: 'text', dialect })).rejects.toMatchObject(expected)
    expect(await decrypted('text', 'a', { kind: 'text', dialect })).toEqual({ value: 'a' })
  })

  it('gives nothing that would be taken for a ciphertext', async () => {
    const expected = {
      code: 'NOT_REPRESENTABLE',
      message: expect.stringContaining('itself a ciphertext') as unknown,
    }
    for (const value of [await bare(), await sealed('bytes', 'x'), Buffer.from('c10105000000000000', 'hex')])
      await expect(decrypted('bytes', value)).rejects.toMatchObject(expected)
    // Under a KMS key that is not in use, it is any bytes.
    const other = await sealed('bytes', 'x')
    other.writeUInt32BE(7, 3)
    expect(await decrypted('bytes', other)).toEqual({ value: other })
  })

  it('gives a ciphertext that was read as it could be, and no other text', async () => {
    const layout = layoutOf('base64', { kind: 'text' })
    const decrypt = new Decrypt(columnOf('base64'))
    await decrypt.begin(layout)
    const text = (await sealed('base64', 'a')).toString('base64')
    expect(await decrypt.convert(rowOf(1, text, { isWhole: false }))).toEqual({ value: 'a' })
  })

  it('counts what stays like a ciphertext', async () => {
    const decrypt = new Decrypt(columnOf('bytes'))
    await decrypt.begin(layoutOf('bytes'))
    const rows = rowsOf({ count: 10, plaintext: 7 })
    expect(await decrypt.left(rows, undefined)).toEqual({ counted: 3, met: 0 })
    await decrypt.convert(rowOf(1, await sealed('bytes', 'a')))
    await decrypt.convert(rowOf(2, Buffer.from('plaintext')))
    expect(await decrypt.left(rows, undefined)).toEqual({ counted: 3, met: 0 })
    const looking = Buffer.from('c10101', 'hex')
    await decrypt.convert(rowOf(3, await sealed('bytes', looking)))
    decrypt.leave(rowOf(4, await sealed('bytes', 'a')))
    decrypt.leave(rowOf(5, Buffer.from('plaintext')))
    expect(await decrypt.left(rows, undefined)).toEqual({ counted: 3, met: 2 })
    decrypt.again()
    expect(await decrypt.left(rows, undefined)).toEqual({ counted: 3, met: 0 })
  })
})

describe('encryption', () => {
  it('gives ciphertext for plaintext, and leaves ciphertext', async () => {
    const encrypt = new Encrypt(columnOf('text'))
    await encrypt.begin(layoutOf('text'), rowsOf({}))
    const converted = await encrypt.convert(rowOf(1, Buffer.from('a')))
    expect((await readStored(columnOf('text'), converted!.value, columnOf('text').recipe)).kind).toBe(
      'ciphertext',
    )
    expect(await encrypt.convert(rowOf(1, converted!.value))).toBeUndefined()
    const text = new Encrypt(columnOf('base64'))
    expect(String((await text.convert(rowOf(1, 'a')))?.value)).toMatch(/^wQEB/)
  })

  it('refuses what is not of the declared type, or was not read whole', async () => {
    const encrypt = new Encrypt(columnOf('at'))
    await expect(encrypt.convert(rowOf(1, Buffer.from('2026-01-02')))).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: expect.stringContaining('is not a date as the library writes it (ISO 8601') as unknown,
    })
    expect(await encrypt.convert(rowOf(1, Buffer.from('2026-01-02T03:04:05.678Z')))).toBeDefined()
    const text = new Encrypt(columnOf('text'))
    await expect(text.convert(rowOf(1, 'a', { isWhole: false }))).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    })
    expect(() => {
      requireWhole(rowOf(1, 'a', { isWhole: true }))
      requireWhole(rowOf(1, 'a'))
    }).not.toThrow()
  })

  it('tries out the shortest and the longest value, of 1 MiB and in direct mode of 4,096 bytes at most', async () => {
    const sizes = async (property: keyof Item, longest: number): Promise<number[]> => {
      const encrypt = new Encrypt(columnOf(property))
      await encrypt.begin(layoutOf(property), rowsOf({ longest }))
      const [empty = Buffer.alloc(0)] = await new Encrypt(columnOf(property)).samples()
      expect(empty).toHaveLength(0)
      const samples = await encrypt.samples()
      return samples.map((sample) => sample.length - (samples[0]?.length ?? 0) + 1)
    }
    expect(await sizes('text', 500)).toEqual([1, 500])
    expect(await sizes('text', 2 ** 21)).toEqual([1, 2 ** 20])
    const direct = await sizes('direct', 4_096)
    expect(direct[1]).toBeGreaterThanOrEqual(4_096)
    expect(await sizes('direct', 5_000)).toEqual(direct)
  })

  it('refuses a column that is too short for the longest, before the first row', async () => {
    const dialect = { ...sqlite, takesCiphertext: () => true }
    const [one] = await (async () => {
      const encrypt = new Encrypt(columnOf('text'))
      await encrypt.begin(layoutOf('text'), rowsOf({ longest: 1 }))
      return encrypt.samples()
    })()
    const begin = (capacity: number, storage: string): Promise<void> =>
      new Encrypt(columnOf('text')).begin(
        layoutOf('text', { capacity, storage, dialect }),
        rowsOf({ longest: 100 }),
      )
    const needed = one!.length + 99
    await expect(begin(needed, 'binary')).resolves.toBeUndefined()
    await expect(begin(needed - 1, 'binary')).rejects.toMatchObject({ code: 'COLUMN_TYPE' })
    const digits = Math.ceil(needed / 3) * 4
    await expect(begin(digits, 'text')).resolves.toBeUndefined()
    await expect(begin(digits - 1, 'text')).rejects.toMatchObject({ code: 'COLUMN_TYPE' })
  })

  it('counts what stays plaintext', async () => {
    const encrypt = new Encrypt(columnOf('text'))
    const rows = rowsOf({ plaintext: 5 })
    expect(await encrypt.left(rows, undefined)).toEqual({ counted: 5, met: 0 })
    await encrypt.convert(rowOf(1, Buffer.from('a')))
    await encrypt.convert(rowOf(2, await sealed('text', 'a')))
    encrypt.leave(rowOf(3, Buffer.from('a')))
    encrypt.leave(rowOf(4, await sealed('text', 'a')))
    expect(await encrypt.left(rows, undefined)).toEqual({ counted: 5, met: 1 })
    // What KMS made by itself stays, and does not begin like a ciphertext of the library.
    await encrypt.convert(rowOf(5, await bare()))
    expect(await encrypt.left(rows, undefined)).toEqual({ counted: 5, met: 2 })
    encrypt.again()
    expect(await encrypt.left(rows, undefined)).toEqual({ counted: 5, met: 0 })
  })
})

describe('verification', () => {
  it('counts rows that are no ciphertext, and those of them that it has not seen', async () => {
    const verify = new Verify(columnOf('text'))
    await expect(verify.convert(rowOf(1, Buffer.from('a')))).rejects.toMatchObject({
      code: 'PLAINTEXT_FOUND',
    })
    await verify.convert(rowOf(2, await sealed('text', 'a')))
    await verify.end(rowsOf({ plaintext: 1 }), undefined)
    expect(verify.notCiphertext).toBe(1)
    const error = await failure(verify.end(rowsOf({ plaintext: 2 }), undefined))
    expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', property: 'text' })
    expect(error.message).toContain('counts 2 rows that are no ciphertext, and 1 of them were seen')
    verify.again()
    await expect(verify.end(rowsOf({ plaintext: 1 }), undefined)).rejects.toMatchObject({
      code: 'ROWS_LEFT_OUT',
    })
    await expect(verify.end(rowsOf({ plaintext: 0 }), undefined)).resolves.toBeUndefined()
  })
})

describe('rotation', () => {
  it('begins only where base64 fits', async () => {
    const dialect = { ...sqlite, takesCiphertext: () => true }
    const begin = (capacity: number | undefined, more: object): Promise<void> =>
      new Rotate(columnOf('text'), {}).begin(
        layoutOf('text', { capacity, dialect, ...more }),
        rowsOf({ longest: 100 }),
      )
    await expect(begin(136, { storage: 'text' })).resolves.toBeUndefined()
    await expect(begin(135, { storage: 'text' })).rejects.toMatchObject({ code: 'COLUMN_TYPE' })
    await expect(begin(135, { storage: 'text', kind: 'text' })).resolves.toBeUndefined()
    await expect(begin(135, { storage: 'binary' })).resolves.toBeUndefined()
    await expect(begin(undefined, { storage: 'text' })).resolves.toBeUndefined()
  })

  it('refuses plaintext, and leaves what is as it should be', async () => {
    const to = await app.createKey()
    const rotate = new Rotate(columnOf('text'), { to })
    await expect(rotate.convert(rowOf(1, Buffer.from('a')))).rejects.toMatchObject({
      code: 'PLAINTEXT_FOUND',
      message: expect.stringContaining('the row holds plaintext') as unknown,
    })
    const old = await sealed('text', 'a')
    const moved = await rotate.convert(rowOf(1, old))
    expect(moved).toBeDefined()
    expect(Buffer.from(moved!.value as Buffer).equals(old)).toBe(false)
    expect(await rotate.convert(rowOf(1, moved!.value))).toBeUndefined()
    expect(await new Rotate(columnOf('text'), {}).convert(rowOf(1, old))).toBeUndefined()
    expect(await new Rotate(columnOf('text'), { newDataKeys: true }).convert(rowOf(1, old))).toBeDefined()
  })

  it('refuses what another program encrypted in another context', async () => {
    const rotate = new Rotate(columnOf('direct'), { to: await app.createKey() })
    const foreign = await bare({ of: 'another program' })
    await expect(rotate.convert(rowOf(1, foreign))).rejects.toMatchObject({
      code: 'CIPHERTEXT_WRONG_CONTEXT',
    })
  })

  it('moves direct values, and what another program encrypted', async () => {
    const to = await app.createKey()
    const old = await sealed('direct', 'a')
    for (const settings of [{ to }, { to, newDataKeys: true }]) {
      const rotate = new Rotate(columnOf('direct'), settings)
      const moved = await rotate.convert(rowOf(1, old))
      expect(
        Buffer.from(moved!.value as Buffer)
          .subarray(3, 7)
          .equals(old.subarray(3, 7)),
      ).toBe(false)
      expect(await rotate.convert(rowOf(1, moved!.value))).toBeUndefined()
      const taken = await rotate.convert(rowOf(1, await bare()))
      expect(
        Buffer.from(taken!.value as Buffer)
          .subarray(0, 3)
          .toString('hex'),
      ).toBe('c10102')
    }
    expect(await new Rotate(columnOf('direct'), {}).convert(rowOf(1, old))).toBeUndefined()
  })
})

describe('a stored value', () => {
  it.each<[string | Buffer, boolean]>([
    [Buffer.from('c1', 'hex'), true],
    [Buffer.from('c20101', 'hex'), false],
    ['wQE', true],
    [Buffer.from('wQEB'), true],
    ['wQ', false],
    ['wQF', false],
    ['', false],
    [Buffer.alloc(0), false],
  ])('begins like a ciphertext or not: %j', (stored, expected) => {
    expect(beginsLikeCiphertext(stored)).toBe(expected)
  })

  it('carries the tag of a key that is known', async () => {
    const one = await sealed('bytes', 'a')
    const known = new KnownKeys()
    expect(known.carries(one)).toBe(false)
    known.add(one)
    expect(known.carries(one)).toBe(true)
    const [other, newer, none] = [Buffer.from(one), Buffer.from(one), Buffer.from(one)] as const
    other.writeUInt32BE(7, 3)
    newer[1] = 2
    none[0] = 0xc2
    expect([other, newer, none].map((bytes) => known.carries(bytes))).toEqual([false, false, false])
    const nothing = new KnownKeys()
    nothing.add(none)
    expect(nothing.carries(one)).toBe(false)
  })

  it.each<[string, keyof Item, string | Buffer, kind: string | RegExp]>([
    ['a text', 'text', 'a', 'plaintext'],
    ['a text like no ciphertext', 'text', Buffer.from('c1010100', 'hex'), 'CIPHERTEXT_MALFORMED'],
    ['bytes like a ciphertext that is cut off', 'bytes', Buffer.from('c1010100', 'hex'), 'plaintext'],
    ['bytes of a newer release', 'bytes', Buffer.from('c10105000000000000', 'hex'), 'CIPHERTEXT_NEWER'],
    ['bytes of another version', 'text', Buffer.from('c10201000000000000', 'hex'), 'CIPHERTEXT_MALFORMED'],
  ])('is told apart: %s', async (_, property, stored, expected) => {
    const column = columnOf(property)
    const found = await readStored(column, stored, column.recipe).then(
      ({ kind }) => kind,
      (error: unknown) => (error as { code: string }).code,
    )
    expect(found).toBe(expected)
  })

  it('of bytes is a ciphertext if it opens, or carries a tag that is known', async () => {
    const column = columnOf('bytes')
    const own = await sealed('bytes', 'a')
    const other = Buffer.from(own)
    other[9] = 0x77
    expect((await readStored(column, own, column.recipe)).kind).toBe('ciphertext')
    expect((await readStored(column, other, column.recipe)).kind).toBe('plaintext')
    const known = new KnownKeys()
    await readStored(column, own, column.recipe, known)
    expect((await readStored(column, other, column.recipe, known)).kind).toBe('ciphertext')
    const tampered = Buffer.from(own)
    tampered[tampered.length - 1] = 255 - (tampered.at(-1) ?? 0)
    await expect(readStored(column, tampered, column.recipe)).rejects.toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
    })
  })
})
