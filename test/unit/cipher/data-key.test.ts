import { createDecipheriv, randomBytes } from 'node:crypto'
import { EnvelopeCiphertext } from '../../../src/cipher/ciphertext'
import { DataKey } from '../../../src/cipher/data-keys/data-key'
import { tagMatches } from '../../../src/cipher/key-tag'
import { header, keyTag } from '../../../src/cipher/format'
import { ClosedError, TamperedCiphertextError } from '../../../src/errors'
import { asEncryptedDataKey } from '../../../src/kms/bytes'
import { envelopeOf } from './parsed'

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const OTHER_ARN = 'arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321'
const AAD = Buffer.from('aad')
const scope = { context: {}, contextKey: 'context' }
const encryptedDataKey = asEncryptedDataKey(randomBytes(184))
/** A ciphertext of suite 1 whose encrypted data key has 184 bytes, whole or not. */
const envelope = (bytes: Buffer): EnvelopeCiphertext => new EnvelopeCiphertext(bytes, 193)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function makeKey({ bytes = randomBytes(32), arn = ARN } = {}): { key: DataKey; bytes: Buffer } {
  return { bytes, key: new DataKey(bytes, encryptedDataKey, arn, scope) }
}

describe('A sealed value', () => {
  test('is what AES-256-GCM makes of it, by Node’s own decipher', () => {
    const copy = randomBytes(32)
    const { key } = makeKey({ bytes: Buffer.from(copy) })
    for (const plaintext of ['', 'A', 'ä\u{1f511}', 'x'.repeat(4096)]) {
      const sealed = key.seal(plaintext, AAD)
      expect(sealed.subarray(0, 7)).toEqual(header(1, keyTag(ARN)))
      expect(sealed.readUInt16BE(7)).toBe(184)
      expect(sealed.subarray(9, 193)).toEqual(encryptedDataKey)
      const decipher = createDecipheriv('aes-256-gcm', copy, sealed.subarray(193, 205))
      decipher.setAAD(AAD).setAuthTag(sealed.subarray(-16))
      const opened = Buffer.concat([decipher.update(sealed.subarray(205, -16)), decipher.final()])
      expect(opened.toString()).toBe(plaintext)
      expect(sealed).toHaveLength(37 + 184 + Buffer.byteLength(plaintext))
    }
  })

  test('is different each time, with an IV that never comes again', () => {
    const { key } = makeKey()
    const ivs = new Set<string>()
    for (let index = 0; index < 5_000; index++) ivs.add(key.seal('x', AAD).toString('hex', 193, 205))
    expect(ivs.size).toBe(5_000)
    expect(ivs.has('00'.repeat(12))).toBe(false)
  })

  test('keeps its IV when later values are sealed', () => {
    const { key } = makeKey()
    const first = key.seal('x', AAD)
    const copy = Buffer.from(first)
    for (let index = 0; index < 2_000; index++) key.seal('y', AAD)
    expect(first).toEqual(copy)
  })

  test('counts as one use of the data key', () => {
    const { key } = makeKey()
    key.seal('x', AAD)
    key.seal(Buffer.alloc(3), AAD)
    expect(key.uses).toBe(2)
  })
})

describe('Opening', () => {
  test('gives the plaintext, bytes or text', () => {
    const { key } = makeKey()
    for (const plaintext of [Buffer.alloc(0), Buffer.from([0xc1, 1, 1]), randomBytes(100_000)]) {
      const sealed = key.seal(plaintext, AAD)
      expect(key.open(envelope(sealed), AAD).equals(plaintext)).toBe(true)
    }
  })

  test('refuses another AAD', () => {
    const { key } = makeKey()
    const sealed = key.seal('x', AAD)
    const open = (): Buffer => key.open(envelope(sealed), Buffer.from('other'))
    expect(open).toThrow(TamperedCiphertextError)
    // What Node said of it.
    expect(open).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: expect.any(String) }) }),
    )
  })

  test('refuses another data key', () => {
    const sealed = makeKey().key.seal('x', AAD)
    expect(() => makeKey().key.open(envelope(sealed), AAD)).toThrow(TamperedCiphertextError)
  })

  test('refuses the key tag of another KMS key, though the tag is not in the AAD', () => {
    const { key } = makeKey()
    const sealed = key.seal('x', AAD)
    keyTag(OTHER_ARN).copy(sealed, 3)
    expect(() => key.open(envelope(sealed), AAD)).toThrow(TamperedCiphertextError)
  })

  test('takes the key tag of another Region’s replica of a multi-Region key', () => {
    const arn = (region: string): string => `arn:aws:kms:${region}:111122223333:key/mrk-1234abcd`
    const bytes = randomBytes(32)
    const sealed = makeKey({ bytes: Buffer.from(bytes), arn: arn('us-east-1') }).key.seal('x', AAD)
    const replica = makeKey({ bytes, arn: arn('eu-west-1') }).key
    expect(replica.open(envelope(sealed), AAD).toString()).toBe('x')
    expect(tagMatches(sealed, arn('us-east-1'))).toBe(true)
    expect(tagMatches(sealed, OTHER_ARN)).toBe(false)
  })

  test('is never done with a shortened tag', () => {
    const { key } = makeKey()
    const sealed = key.seal('x'.repeat(40), AAD)
    for (let length = sealed.length - 1; length >= 193 + 28; length--) {
      expect(() => key.open(envelope(sealed.subarray(0, length)), AAD)).toThrow(TamperedCiphertextError)
    }
  })
})

describe('The bytes of a data key', () => {
  test('are zero-filled as soon as there is a key of them, or none can be made of them', () => {
    expect(makeKey().bytes).toEqual(Buffer.alloc(32))
    const short = randomBytes(31)
    expect(() => makeKey({ bytes: short })).toThrow(TamperedCiphertextError)
    expect(short).toEqual(Buffer.alloc(31))
  })

  test('are compared with others', () => {
    const bytes = randomBytes(32)
    const { key } = makeKey({ bytes: Buffer.from(bytes) })
    expect(key.is(bytes)).toBe(true)
    expect(key.is(randomBytes(32))).toBe(false)
    expect(key.is(bytes.subarray(0, 31))).toBe(false)
  })
})

describe('A destroyed data key', () => {
  test('is gone at the end of the turn, and stays usable until then by those who hold it', async () => {
    const { key } = makeKey()
    key.destroy()
    expect(key.seals(1_000)).toBe(false)
    expect(key.opensStill(1_000)).toBe(false)
    const sealed = key.seal('x', AAD)
    expect(key.open(envelope(sealed), AAD).toString()).toBe('x')
    await turn()
    expect(() => key.seal('x', AAD)).toThrow(ClosedError)
    expect(() => key.open(envelope(sealed), AAD)).toThrow(ClosedError)
  })
})

describe('The identity of a data key', () => {
  test('is its encrypted form with its length, whatever the key tag', () => {
    const { key } = makeKey()
    const sealed = key.seal('x', AAD)
    expect(envelopeOf(sealed).dataKeyId).toBe(key.id)
    expect(key.opens(envelope(sealed))).toBe(true)
    keyTag(OTHER_ARN).copy(sealed, 3)
    expect(envelopeOf(sealed).dataKeyId).toBe(key.id)
  })

  test('differs for another encrypted form, of the same length or not', () => {
    const { key } = makeKey()
    for (const other of [randomBytes(184), randomBytes(185), encryptedDataKey.subarray(0, 183)]) {
      const sealed = new DataKey(randomBytes(32), asEncryptedDataKey(other), ARN, scope).seal('x', AAD)
      expect(envelopeOf(sealed).dataKeyId).not.toBe(key.id)
      expect(key.opens(envelopeOf(sealed))).toBe(false)
    }
  })
})

describe('A ciphertext carries a data key', () => {
  const { key } = makeKey()
  const sealed = key.seal('x', AAD)

  test('if it carries it whole, under the same key tag', () => {
    expect(key.isCarriedBy(key.seal('other', AAD))).toBe(true)
    expect(key.isCarriedBy(key.seal('', AAD))).toBe(true)
    expect(key.openCarrier(sealed, AAD).toString()).toBe('x')
    expect(() => key.openCarrier(sealed, Buffer.from('other'))).toThrow(TamperedCiphertextError)
    for (const place of [0, 1, 2, 3, 6, 7, 8, 9, 100, 192]) {
      const other = Buffer.from(sealed)
      other[place]! ^= 1
      expect(key.isCarriedBy(other)).toBe(false)
    }
    expect(key.isCarriedBy(sealed.subarray(0, 193 + 12 + 15))).toBe(false)
  })
})

describe('A data key seems to open', () => {
  const { key } = makeKey()
  const sealed = key.seal('x', AAD)

  test('every ciphertext that carries it, and none that ends otherwise or is cut off', () => {
    expect(key.seemsToOpen(sealed)).toBe(true)
    expect(key.seemsToOpen(key.seal('', AAD))).toBe(true)
    for (const place of [3, 6, 189, 192]) {
      const other = Buffer.from(sealed)
      other[place]! ^= 1
      expect(key.seemsToOpen(other)).toBe(false)
    }
    expect(key.seemsToOpen(sealed.subarray(0, 193 + 12 + 15))).toBe(false)
    expect(key.seemsToOpen(Buffer.alloc(0))).toBe(false)
  })

  test('every such ciphertext in base64, whatever the length of its encrypted data key', () => {
    for (const length of [184, 185, 186]) {
      const other = new DataKey(randomBytes(32), asEncryptedDataKey(randomBytes(length)), ARN, scope)
      const text = other.seal('value', AAD).toString('base64')
      expect(other.seemsToOpenText(text)).toBe(true)
      expect(other.seemsToOpenText(other.seal('another', AAD).toString('base64'))).toBe(true)
      // The last digit that stands for the encrypted data key alone.
      const last = Math.floor((9 + length) / 3) * 4 - 1
      const digit = text[last] === 'A' ? 'B' : 'A'
      expect(other.seemsToOpenText(text.slice(0, last) + digit + text.slice(last + 1))).toBe(false)
      expect(other.seemsToOpenText(`A${text}`)).toBe(false)
    }
  })
})

describe('The age of a data key', () => {
  let time = 1_000
  beforeEach(() => jest.spyOn(performance, 'now').mockImplementation(() => time))
  afterEach(() => jest.restoreAllMocks())

  test('ends its use when it is more than maxAge; only for opening it begins anew when KMS has opened it again', () => {
    const { key } = makeKey()
    const uses = (): boolean[] => [key.seals(100), key.opensStill(100)]
    time += 100
    expect(uses()).toEqual([true, true])
    expect([key.sealedAt, key.openedAt]).toEqual([time, time])
    time += 0.5
    expect(uses()).toEqual([false, false])
    key.renew()
    time += 100
    expect(uses()).toEqual([false, true])
    expect(key.isDestroyed).toBe(false)
    key.destroy()
    expect(key.isDestroyed).toBe(true)
    expect(uses()).toEqual([false, false])
  })
})
