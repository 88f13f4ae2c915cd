import { createHash } from 'node:crypto'
import fc from 'fast-check'
import {
  endOfDataKey,
  envelopePrefix,
  header,
  isCiphertext,
  keyTag,
  Suite,
  suiteOf,
} from '../../../src/cipher/format'
import { MalformedCiphertextError } from '../../../src/errors'

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'

function envelope(n: number, rest: number): Buffer {
  const bytes = Buffer.alloc(9 + rest, 0xaa)
  header(Suite.Envelope, Buffer.alloc(4)).copy(bytes)
  bytes.writeUInt16BE(n, 7)
  return bytes
}

describe('The header', () => {
  test('is magic, version, suite and the first 4 bytes of SHA-256 of the ARN', () => {
    const tag = createHash('sha256').update(ARN, 'utf8').digest('hex').slice(0, 8)
    expect(tag).toBe('e292c505')
    for (const suite of [1, 2, 3] as const) {
      expect(header(suite, keyTag(ARN)).toString('hex')).toBe(`c1010${suite}${tag}`)
    }
  })

  test('of an envelope is followed by the encrypted data key with its length', () => {
    expect(envelopePrefix(ARN, Buffer.alloc(300, 7)).toString('hex')).toBe(
      `c10101e292c505012c${'07'.repeat(300)}`,
    )
  })

  test('tells a ciphertext from any text in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(isCiphertext(Buffer.from(text))).toBe(false)
      }),
    )
    expect(isCiphertext(Buffer.alloc(0))).toBe(false)
    expect(isCiphertext(Buffer.from([0xc1]))).toBe(true)
  })
})

describe('Parsing', () => {
  test('names the suite', () => {
    for (const suite of [1, 2, 3] as const) {
      expect(suiteOf(Buffer.concat([header(suite, Buffer.alloc(4)), Buffer.alloc(1)]))).toBe(suite)
    }
  })

  test('refuses every other version and says which it is', () => {
    for (let version = 0; version < 256; version++) {
      if (version === 1) continue
      const bytes = Buffer.from([0xc1, version, 1, 0, 0, 0, 0, 0])
      expect(() => suiteOf(bytes)).toThrow(MalformedCiphertextError)
      expect(() => suiteOf(bytes)).toThrow(`format version ${version};`)
    }
  })

  test('refuses every other suite and says which it is, the reserved one too', () => {
    for (let suite = 0; suite < 256; suite++) {
      if (suite >= 1 && suite <= 3) continue
      const bytes = Buffer.from([0xc1, 1, suite, 0, 0, 0, 0, 0])
      expect(() => suiteOf(bytes)).toThrow(MalformedCiphertextError)
      expect(() => suiteOf(bytes)).toThrow(`suite ${suite},`)
    }
  })

  test('refuses a header with nothing after it, and less', () => {
    for (let length = 0; length <= 7; length++) {
      const bytes = header(Suite.Direct, Buffer.alloc(4)).subarray(0, length)
      expect(() => suiteOf(bytes)).toThrow(MalformedCiphertextError)
      expect(() => suiteOf(bytes)).toThrow(/cut off/)
    }
  })

  test('finds the end of the encrypted data key', () => {
    expect(endOfDataKey(envelope(1, 1 + 28))).toBe(10)
    expect(endOfDataKey(envelope(184, 184 + 28))).toBe(193)
    expect(endOfDataKey(envelope(300, 300 + 28 + 1000))).toBe(309)
    expect(endOfDataKey(envelope(0xffff, 0xffff + 28))).toBe(9 + 0xffff)
  })

  test('refuses an encrypted data key that is empty or leaves no room for IV and tag', () => {
    for (const bytes of [envelope(0, 100), envelope(1, 28), envelope(184, 184 + 27), envelope(0xffff, 300)]) {
      expect(() => endOfDataKey(bytes)).toThrow(MalformedCiphertextError)
    }
    for (let length = 0; length < 38; length++) {
      expect(() => endOfDataKey(envelope(1, 29).subarray(0, length))).toThrow(MalformedCiphertextError)
    }
  })

  test('shows nothing of the ciphertext in its errors', () => {
    const bytes = Buffer.concat([Buffer.from([0xc1, 9]), Buffer.from('marker'.repeat(10))])
    expect(() => suiteOf(bytes)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('marker') }),
    )
  })
})
