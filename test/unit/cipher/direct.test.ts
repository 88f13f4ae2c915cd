import { type EncryptionContext } from '../../../src/cipher/context'
import { header, keyTag } from '../../../src/cipher/format'
import { Refusals } from '../../../src/cipher/refusals'
import { Scope } from '../../../src/cipher/scope'
import { Direct, MAX_DIRECT_BYTES } from '../../../src/cipher/suites/direct'
import { TamperedCiphertextError, ThrottledError, ValueTooLargeError } from '../../../src/errors'
import { isBareCiphertextBlob } from '../../../src/kms/aws/blob-outline'
import { arnOf, MemoryKms } from './memory-kms'
import { directOf } from './parsed'

const KEY = 'alias/test'
const scope = new Scope({ table: 'user' }, { column: 'token' })
const CONTEXT = { table: 'user', column: 'token' }

interface Mode {
  encrypt: (plaintext: string | Uint8Array, keyId: string, scope: Scope) => Promise<Buffer>
  /** With the header of this library, or without. */
  decrypt: (ciphertext: Buffer, scope: Scope) => Promise<Buffer>
}

function setUp(): { kms: MemoryKms; mode: Mode } {
  const kms = new MemoryKms()
  const direct = new Direct(kms, new Refusals())
  const decrypt = async (bytes: Buffer, scope: Scope): Promise<Buffer> => {
    if (bytes[0] !== 0xc1) return direct.openBare(bytes, scope)
    const ciphertext = directOf(bytes)
    return (await direct.load(ciphertext, scope)).open(ciphertext, scope)
  }
  return { kms, mode: { encrypt: direct.encrypt.bind(direct), decrypt } }
}

describe('Direct encryption', () => {
  test('is one KMS Encrypt under context and binding, behind the header', async () => {
    const { kms, mode } = setUp()
    const ciphertext = await mode.encrypt('ä', KEY, scope)
    expect(kms.calls).toEqual([{ operation: 'encrypt', keyId: KEY, context: CONTEXT }])
    expect(kms.blobs[0]?.plaintext).toEqual(Buffer.from('ä'))
    expect(ciphertext).toEqual(Buffer.concat([header(2, keyTag(arnOf(KEY))), kms.blobs[0]!.blob]))
  })

  test('takes 1 to 4096 bytes', async () => {
    const { mode } = setUp()
    for (const length of [1, 2, 4095, MAX_DIRECT_BYTES]) {
      const bytes = Buffer.alloc(length, 0x41)
      expect(await mode.decrypt(await mode.encrypt(bytes, KEY, scope), scope)).toEqual(bytes)
    }
  })

  test('refuses a larger value before KMS is called, and names envelope mode', async () => {
    const { kms, mode } = setUp()
    const large = [Buffer.alloc(4097), 'x'.repeat(4097), 'ä'.repeat(2049), '\u{1f511}'.repeat(1025)]
    for (const value of large) {
      await expect(mode.encrypt(value, KEY, scope)).rejects.toBeInstanceOf(ValueTooLargeError)
      await expect(mode.encrypt(value, KEY, scope)).rejects.toThrow(/bytes.*4096.*mode: 'envelope'/)
    }
    expect(kms.calls).toEqual([])
  })

  test('of the empty value is one zero byte under one more pair, in a suite of its own', async () => {
    const { kms, mode } = setUp()
    for (const empty of ['', Buffer.alloc(0)]) {
      const ciphertext = await mode.encrypt(empty, KEY, scope)
      expect(ciphertext[2]).toBe(3)
      expect(kms.blobs.at(-1)).toMatchObject({
        plaintext: Buffer.alloc(1),
        context: { ...CONTEXT, empty: 'true' },
      })
      expect(await mode.decrypt(ciphertext, scope)).toEqual(Buffer.alloc(0))
    }
  })

  test('tells the empty value from one zero byte, and neither passes for the other', async () => {
    const { mode } = setUp()
    const zero = await mode.encrypt(Buffer.alloc(1), KEY, scope)
    const empty = await mode.encrypt('', KEY, scope)
    expect(await mode.decrypt(zero, scope)).toEqual(Buffer.alloc(1))
    zero[2] = 3
    empty[2] = 2
    for (const forged of [zero, empty]) {
      await expect(mode.decrypt(forged, scope)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
    }
  })
})

describe('Direct decryption', () => {
  test('refuses another column, table or row', async () => {
    const { mode } = setUp()
    const ciphertext = await mode.encrypt('x', KEY, scope)
    const others = [
      new Scope({ table: 'user' }, { column: 'other' }),
      new Scope({ table: 'order' }, { column: 'token' }),
      new Scope({ table: 'user' }, { column: 'token', 'row.id': '1' }),
    ]
    for (const other of others) {
      await expect(mode.decrypt(ciphertext, other)).rejects.toMatchObject({
        code: 'CIPHERTEXT_WRONG_CONTEXT',
      })
    }
  })

  test('refuses the key tag of another KMS key', async () => {
    const { mode } = setUp()
    const ciphertext = await mode.encrypt('x', KEY, scope)
    keyTag(arnOf('another')).copy(ciphertext, 3)
    await expect(mode.decrypt(ciphertext, scope)).rejects.toBeInstanceOf(TamperedCiphertextError)
  })

  test('refuses an encrypted data key, dressed up as a value of the column', async () => {
    const { kms, mode } = setUp()
    const { encrypted, keyReference } = await kms.generateDataKey(KEY, scope.context)
    for (const suite of [2, 3] as const) {
      const forged = Buffer.concat([header(suite, keyTag(keyReference)), encrypted])
      await expect(mode.decrypt(forged, scope)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
    }
    await expect(mode.decrypt(Buffer.from(encrypted), scope)).rejects.toMatchObject({
      code: 'CIPHERTEXT_WRONG_CONTEXT',
    })
  })
})

describe('A bare CiphertextBlob', () => {
  test('is opened under context and binding, with one call', async () => {
    const { kms, mode } = setUp()
    const blob = kms.blobOf(Buffer.from('theirs'), CONTEXT)
    expect((await mode.decrypt(blob, scope)).toString()).toBe('theirs')
    expect(kms.calls.map(({ context }) => context)).toEqual([CONTEXT])
  })

  test('is opened under no context, if KMS refuses the column’s own', async () => {
    const { kms, mode } = setUp()
    const blob = kms.blobOf(Buffer.from('theirs'), {})
    expect((await mode.decrypt(blob, scope)).toString()).toBe('theirs')
    expect(kms.calls.map(({ context }) => context)).toEqual([CONTEXT, {}])
  })

  test('made under any other context is refused', async () => {
    const { kms, mode } = setUp()
    const others: EncryptionContext[] = [
      { table: 'user' },
      { column: 'token' },
      { ...CONTEXT, column: 'other' },
    ]
    for (const context of others) {
      const blob = kms.blobOf(Buffer.from('theirs'), context)
      await expect(mode.decrypt(blob, scope)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
    }
  })

  test('is not tried again for any other error', async () => {
    const { kms, mode } = setUp()
    kms.beforeAnswer = () => {
      throw new ThrottledError('slow down')
    }
    await expect(mode.decrypt(kms.blobOf(Buffer.from('x'), {}), scope)).rejects.toBeInstanceOf(ThrottledError)
    expect(kms.calls).toHaveLength(1)
  })

  test('is known by its first bytes and its length', () => {
    const today = Buffer.from('0102030078', 'hex')
    const early = Buffer.from('0a20', 'hex')
    const blob = (start: Buffer, length: number): Buffer =>
      Buffer.concat([start, Buffer.alloc(length, 0xff)], length)
    for (const start of [today, early]) {
      expect(isBareCiphertextBlob(blob(start, 100))).toBe(true)
      expect(isBareCiphertextBlob(blob(start, 6144))).toBe(true)
      expect(isBareCiphertextBlob(blob(start, 99))).toBe(false)
      expect(isBareCiphertextBlob(blob(start, 6145))).toBe(false)
      expect(isBareCiphertextBlob(blob(Buffer.concat([Buffer.alloc(1), start]), 200))).toBe(false)
    }
  })

  test('is never plain text, even if that begins the same way', () => {
    const texts = [`\u0001\u0002\u0003\u0000x${'a'.repeat(200)}`, `\n ${'ä'.repeat(200)}`]
    for (const text of texts) expect(isBareCiphertextBlob(Buffer.from(text))).toBe(false)
  })
})
