import { createHmac, hkdfSync } from 'node:crypto'
import { hkdfSha256, hmacSha256 } from '../../../src/cipher/hmac'

const bytes = (length: number, first = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (first + at * 7) % 256))

describe('HMAC-SHA-256', () => {
  it.each([0, 1, 8, 16, 32, 63, 64])('is that of Node under a key of %d bytes', (length) => {
    const key = bytes(length)
    for (const message of ['', 'a', 'Ünïcödé 🔑', bytes(0), bytes(55), bytes(64), bytes(100_000)]) {
      expect(hmacSha256(key, message)).toEqual(createHmac('sha256', key).update(message).digest())
    }
    expect(key).toEqual(bytes(length))
  })

  it('is that of RFC 4231, test case 2', () => {
    const mac = hmacSha256(Buffer.from('Jefe'), 'what do ya want for nothing?')
    expect(mac.toString('hex')).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  })

  it('takes no key that is longer than a block', () => {
    expect(() => hmacSha256(bytes(65), 'a')).toThrow(RangeError)
  })
})

describe('HKDF-SHA-256', () => {
  it.each([
    [0, 16, 'typeorm-kms-encrypted/1/id'],
    [8, 32, 'typeorm-kms-encrypted/1/seal'],
    [13, 31, ''],
  ])('is that of Node with a salt of %d bytes, for %d bytes', (saltLength, length, info) => {
    const [root, salt] = [bytes(32, 3), bytes(saltLength, 5)]
    const expected = Buffer.from(hkdfSync('sha256', root, salt, info, length))
    expect(hkdfSha256(root, salt, info, length)).toEqual(expected)
    expect(hkdfSha256(root, salt, Buffer.from(info), length)).toEqual(expected)
    expect(root).toEqual(bytes(32, 3))
  })
})
