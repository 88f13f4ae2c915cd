import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { fromBase64Bytes, parse, type StoredKeyCiphertext } from '../../../src/cipher/ciphertext'
import { keyTag } from '../../../src/cipher/format'
import { directOf, envelopeOf, storedKeyOf } from './parsed'
import { directs, envelopes, invalid, valid } from './vectors'

const bytesOf = (vector: { ciphertext: string }): Buffer => Buffer.from(vector.ciphertext, 'hex')

describe('What stored bytes are, with no key and no call to KMS', () => {
  test('is told for every ciphertext of the known answers', () => {
    for (const vector of valid) expect(parse(bytesOf(vector)).kind).toBe('ciphertext')
  })

  test('is an envelope with its parts', () => {
    for (const vector of envelopes) {
      const parsed = envelopeOf(bytesOf(vector))
      expect(parsed.keyTag).toEqual(keyTag(vector.keyArn))
      expect(parsed.encryptedDataKey.toString('hex')).toBe(vector.encryptedDataKey)
      expect(parsed.iv.toString('hex')).toBe(vector.iv)
      expect(parsed.valueLength).toBe(vector.plaintext.length / 2)
      expect(Buffer.concat([parsed.bytes.subarray(0, parsed.prefixLength), parsed.rest])).toEqual(
        parsed.bytes,
      )
    }
  })

  test('is a direct ciphertext with its parts', () => {
    for (const vector of directs) {
      const parsed = directOf(bytesOf(vector))
      expect(parsed.suite).toBe(vector.suite === 3 ? 'direct-empty' : 'direct')
      expect(parsed.keyTag).toEqual(keyTag(vector.keyArn))
      expect(parsed.blob.toString('hex')).toBe(vector.ciphertextBlob)
    }
  })

  test('is a ciphertext by the header and by lengths, whatever the key service makes', () => {
    for (const vector of [...envelopes, ...directs]) {
      const bytes = bytesOf(vector)
      bytes.fill(0x55, vector.suite === 1 ? 9 : 7, 30)
      expect(parse(bytes).kind).toBe('ciphertext')
    }
  })

  test('is malformed for what begins like a ciphertext and is none of this version', () => {
    const names = ['the header alone', 'version 2', 'suite 0', 'an encrypted data key of no bytes']
    for (const vector of invalid.filter(({ name }) => names.includes(name))) {
      expect(parse(bytesOf(vector)).kind).toBe('malformed')
    }
    expect(parse(Buffer.from([0xc1])).kind).toBe('malformed')
  })

  test('is malformed for lengths that no key service can have made, known with no call', () => {
    const envelope = (n: number): Buffer => {
      const bytes = Buffer.alloc(9 + n + 28 + 5, 7)
      Buffer.from('c10101deadbeef', 'hex').copy(bytes)
      bytes.writeUInt16BE(n, 7)
      return bytes
    }
    const direct = (suite: number, n: number): Buffer =>
      Buffer.concat([Buffer.from([0xc1, 1, suite, 1, 2, 3, 4]), Buffer.alloc(n)])
    for (const n of [32, 184, 6144]) expect(parse(envelope(n)).kind).toBe('ciphertext')
    for (const n of [0, 1, 31, 6145, 7000, 0xffff]) expect(parse(envelope(n)).kind).toBe('malformed')
    for (const suite of [2, 3]) {
      for (const n of [17, 6144]) expect(parse(direct(suite, n)).kind).toBe('ciphertext')
      for (const n of [0, 1, 16, 6145]) expect(parse(direct(suite, n)).kind).toBe('malformed')
    }
    const storedKey = (length: number): Buffer => Buffer.alloc(length, 9).fill('c10104', 0, 3, 'hex')
    expect(parse(storedKey(55))).toMatchObject({ kind: 'ciphertext', suite: 'stored-key' })
    expect(parse(storedKey(54)).kind).toBe('malformed')
  })

  test('is of a newer release for the suites that are kept for those, at any length', () => {
    for (let suite = 0; suite < 256; suite++) {
      for (const length of [4, 8, 60, 5_000]) {
        const { kind } = parse(Buffer.alloc(length).fill(Uint8Array.of(0xc1, 1, suite), 0, 3))
        if (suite >= 5 && suite <= 127) expect(kind).toBe('newer')
        else expect(kind).not.toBe('newer')
      }
    }
  })

  test('is malformed for a header with nothing behind it, whatever its suite', () => {
    for (let suite = 0; suite < 256; suite++) {
      expect(parse(Buffer.from([0xc1, 1, suite])).kind).toBe('malformed')
    }
  })

  test('tells which ciphertexts of stored data keys share a data key, and which a salt', () => {
    const one = storedKeyOf(randomBytes(60).fill('c10104', 0, 3, 'hex'))
    const changed = (at: number): StoredKeyCiphertext => {
      const bytes = Buffer.from(one.bytes)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return storedKeyOf(bytes)
    }
    // The data key id is in bytes 3 to 18, the salt in 19 to 26, and an IV follows.
    for (const [at, sameKey, sameSalt] of [
      [3, false, true],
      [18, false, true],
      [19, true, false],
      [26, true, false],
      [27, true, true],
    ] as const) {
      const other = changed(at)
      expect(other.namesLike(one.bytes)).toBe(sameKey)
      expect(other.dataKeyName === one.dataKeyName).toBe(sameKey)
      expect(other.saltName === one.saltName).toBe(sameSalt)
      expect(other.beginsLike(one.bytes)).toBe(sameKey && sameSalt)
    }
  })

  test('is a bare blob for what KMS made for another program', () => {
    const blob = Buffer.concat([Buffer.from('0102030078', 'hex'), randomBytes(179)])
    expect(parse(blob).kind).toBe('bare')
  })

  test('is plaintext for every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parse(Buffer.from(text)).kind).toBe('plaintext')
      }),
    )
  })
})

describe('Base64 text in a binary column', () => {
  test('is read as the ciphertext that it stands for', () => {
    for (const vector of valid) {
      const text = Buffer.from(bytesOf(vector).toString('base64'))
      expect(fromBase64Bytes(text)).toEqual(bytesOf(vector))
    }
  })

  test('is read for what a newer release wrote, which must not be taken for plaintext', () => {
    const newer = Buffer.alloc(60).fill('c10105', 0, 3, 'hex')
    expect(fromBase64Bytes(Buffer.from(newer.toString('base64')))).toEqual(newer)
  })

  test('is left alone if it is no ciphertext, whole and in canonical form', () => {
    const text = bytesOf(envelopes[0]!).toString('base64')
    const others = [
      '',
      'w',
      'wallet',
      `${text}\n`,
      text.slice(0, -1),
      `${text.slice(0, 8)} ${text.slice(8)}`,
      text.replace(/^wQEB/, 'wQGA'),
    ]
    for (const other of others) expect(fromBase64Bytes(Buffer.from(other))).toBeUndefined()
    expect(fromBase64Bytes(bytesOf(envelopes[0]!))).toBeUndefined()
  })
})
