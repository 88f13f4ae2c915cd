import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { parse } from '../../../src/cipher/ciphertext'
import { envelopePrefix, header, isCiphertext, keyTag, Suite } from '../../../src/cipher/format'
import { notACiphertext } from '../../../src/cipher/not-a-ciphertext'
import { type KmsEncryptionError, MalformedCiphertextError } from '../../../src/errors'

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

describe('What is no ciphertext of this release', () => {
  const refusalOf = (bytes: Buffer): KmsEncryptionError => {
    const parsed = parse(bytes)
    if (parsed.kind === 'ciphertext' || parsed.kind === 'bare') throw new Error('taken for a ciphertext')
    return notACiphertext(parsed)
  }

  test('is refused for every other version, and the error says which it is', () => {
    for (let version = 0; version < 256; version++) {
      if (version === 1) continue
      const error = refusalOf(Buffer.from([0xc1, version, 1, 0, 0, 0, 0, 0]))
      expect(error.code).toBe('CIPHERTEXT_MALFORMED')
      expect(error.message).toContain(`format version ${version};`)
    }
  })

  test('is refused for every other suite, and the error says which it is and whether it may be a newer one', () => {
    for (let suite = 0; suite < 256; suite++) {
      if (suite >= 1 && suite <= 4) continue
      const error = refusalOf(Buffer.from([0xc1, 1, suite, 0, 0, 0, 0, 0]))
      expect(error.code).toBe(suite >= 5 && suite <= 127 ? 'CIPHERTEXT_NEWER' : 'CIPHERTEXT_MALFORMED')
      expect(error.message).toMatch(new RegExp(`suite ${suite}[:,]`))
    }
  })

  test('is refused for a header with nothing after it, and less', () => {
    for (let length = 1; length <= 7; length++) {
      const error = refusalOf(header(Suite.Direct, Buffer.alloc(4)).subarray(0, length))
      expect(error).toBeInstanceOf(MalformedCiphertextError)
      expect(error.message).toMatch(/cut off/)
    }
  })

  test('is refused for an encrypted data key that leaves no room for IV and tag', () => {
    for (const bytes of [envelope(184, 184 + 27), envelope(300, 300)])
      expect(refusalOf(bytes)).toBeInstanceOf(MalformedCiphertextError)
    for (let length = 1; length < 9 + 184 + 28; length++) {
      expect(refusalOf(envelope(184, 184 + 28).subarray(0, length))).toBeInstanceOf(MalformedCiphertextError)
    }
  })

  test('is refused without showing anything of it', () => {
    const bytes = Buffer.concat([Buffer.from([0xc1, 9]), Buffer.from('marker'.repeat(10))])
    expect(refusalOf(bytes).message).not.toContain('marker')
  })
})
