import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Cipher } from '../../../src/cipher/cipher'
import { HEADER_LENGTH } from '../../../src/cipher/format'
import { Scope } from '../../../src/cipher/scope'
import { KmsEncryptionError } from '../../../src/errors'
import { AwsKms } from '../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../src/kms/aws/trusted-keys'
import { createKey } from '../kms/keys'
import { LocalKms } from '../../../src/local-kms'
import { runs, THOROUGH } from '../../support/thorough'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const limits = { maxAge: 600_000, maxValues: 1_000, maxKeys: 10 }

const local = new LocalKms()
const kms = new AwsKms({ client: local.client(), concurrency: 20, trustedKeys: new TrustedKeys(undefined) })
/** Has the data key at hand. */
const warm = new Cipher(kms, limits)
/** Asks KMS each time. */
const cold = (): Cipher => new Cipher(kms, limits)
let keyId: string

beforeAll(async () => {
  keyId = await createKey(local)
})

afterAll(() => {
  warm.close()
})

/** What became of it: an error's code. Anything else, a value or a crash, fails the test. */
async function refusal(bytes: Buffer, cipher: Cipher): Promise<string> {
  try {
    const plaintext = await cipher.decrypt(bytes, scope)
    return `opened: ${plaintext.toString('hex')}`
  } catch (error) {
    return error instanceof KmsEncryptionError ? error.code : `crashed: ${String(error)}`
  }
}

const CODES =
  /^(PLAINTEXT_FOUND|CIPHERTEXT_MALFORMED|CIPHERTEXT_NEWER|CIPHERTEXT_TAMPERED|CIPHERTEXT_WRONG_CONTEXT)$/

async function expectRefusals(variants: Iterable<Buffer>, ciphers: () => readonly Cipher[]): Promise<void> {
  const found = new Map<string, number>()
  for (const bytes of variants) {
    for (const cipher of ciphers()) {
      const code = await refusal(bytes, cipher)
      found.set(code, (found.get(code) ?? 0) + 1)
    }
  }
  expect(found.size).toBeGreaterThan(0)
  expect([...found.keys()].filter((code) => !CODES.test(code))).toEqual([])
}

function* flips(bytes: Buffer, masks: readonly number[]): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of masks) {
      const copy = Buffer.from(bytes)
      copy.writeUInt8(copy.readUInt8(at) ^ mask, at)
      yield copy
    }
  }
}

/** Every bit of the header and of what comes after the blob of KMS; of the blob, which costs a call, one bit a byte. */
function* bitFlips(bytes: Buffer, blob: { start: number; end: number }): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) {
    const isSparse = !THOROUGH && at >= blob.start && at < blob.end
    for (const mask of isSparse ? [1 << (at % 8)] : ONE_BIT) {
      const copy = Buffer.from(bytes)
      copy.writeUInt8(copy.readUInt8(at) ^ mask, at)
      yield copy
    }
  }
}

function* everyFourth(variants: Iterable<Buffer>): Generator<Buffer> {
  let index = 0
  for (const variant of variants) if (index++ % 4 === 0) yield variant
}

function* truncations(bytes: Buffer): Generator<Buffer> {
  for (let length = 0; length < bytes.length; length++) {
    yield bytes.subarray(0, length)
    if (length > 0) yield bytes.subarray(length)
  }
}

const ONE_BIT = [1, 2, 4, 8, 16, 32, 64, 128]
const plaintexts: [string, string][] = [
  ['an empty value', ''],
  ['a short value', 'secret'],
]

describe.each(plaintexts)('An envelope ciphertext of %s', (_, plaintext) => {
  let bytes: Buffer

  beforeAll(async () => {
    bytes = await warm.encrypt(plaintext, { mode: 'envelope', keyId, scope })
    expect((await warm.decrypt(bytes, scope)).toString()).toBe(plaintext)
    expect(bytes.length).toBeGreaterThan(200)
  })

  test('is refused with a single bit of any byte flipped, with the data key at hand or not', async () => {
    await expectRefusals(bitFlips(bytes, { start: 9, end: 9 + bytes.readUInt16BE(7) }), () => [warm])
    await expectRefusals(THOROUGH ? flips(bytes, [1]) : everyFourth(flips(bytes, [1])), () => [cold()])
  })

  test('is refused with any byte inverted, cleared or set', async () => {
    await expectRefusals(flips(bytes, [0xff]), () => [warm])
    if (!THOROUGH && plaintext === '') return
    const others = [...flips(bytes, [0])].flatMap((copy, at) =>
      [0, 0xff]
        .filter((value) => copy[at] !== value)
        .map((value) => Buffer.from(copy).fill(value, at, at + 1)),
    )
    await expectRefusals(others, () => [warm])
  })

  test('is refused when it is cut off anywhere, at the end or at the start', async () => {
    await expectRefusals(truncations(bytes), () => [warm])
  })

  test('is refused with bytes added anywhere', async () => {
    const longer = Array.from({ length: bytes.length + 1 }, (_, at) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1, 0x5a), bytes.subarray(at)]),
    )
    await expectRefusals(longer, () => [warm])
  })

  test('is refused with every other length of the encrypted data key', async () => {
    const lengths = Array.from({ length: 1_000 }, (_, n) => n).concat([0x7fff, 0x8000, 0xfffe, 0xffff])
    const forged = lengths
      .filter((n) => n !== bytes.readUInt16BE(7))
      .map((n) => {
        const copy = Buffer.from(bytes)
        copy.writeUInt16BE(n, 7)
        return copy
      })
    await expectRefusals(forged, () => [warm])
  })
})

describe.each(plaintexts)('A direct ciphertext of %s', (_, plaintext) => {
  let bytes: Buffer

  beforeAll(async () => {
    bytes = await warm.encrypt(plaintext, { mode: 'direct', keyId, scope })
    expect((await warm.decrypt(bytes, scope)).toString()).toBe(plaintext)
    expect(bytes[2]).toBe(plaintext === '' ? 3 : 2)
  })

  test('is refused with a single bit of any byte flipped', async () => {
    await expectRefusals(bitFlips(bytes, { start: HEADER_LENGTH, end: bytes.length }), () => [warm])
  })

  test('is refused when it is cut off anywhere, at the end or at the start', async () => {
    // Without the header, and nothing else, it is a bare blob of the same value.
    const variants = [...truncations(bytes)].filter((part) => !part.equals(bytes.subarray(HEADER_LENGTH)))
    await expectRefusals(variants, () => [warm])
  })

  test('without its header is a bare blob: the same value, or refused where the header gave it its meaning', async () => {
    const found = await refusal(bytes.subarray(HEADER_LENGTH), warm)
    expect(found).toBe(
      plaintext === '' ? 'CIPHERTEXT_WRONG_CONTEXT' : `opened: ${Buffer.from(plaintext).toString('hex')}`,
    )
  })

  test('is refused with bytes added at the end', async () => {
    await expectRefusals(
      [1, 16, 1_000].map((length) => Buffer.concat([bytes, randomBytes(length)])),
      () => [warm],
    )
  })
})

describe('Parts of two ciphertexts', () => {
  test('of two data keys do not make a third', async () => {
    const other = cold()
    const a = await warm.encrypt('same length', { mode: 'envelope', keyId, scope })
    const b = await other.encrypt('SAME LENGTH', { mode: 'envelope', keyId, scope })
    expect(a.subarray(9, 193)).not.toEqual(b.subarray(9, 193))
    const mixed = [
      Buffer.concat([a.subarray(0, 193), b.subarray(193)]),
      Buffer.concat([a.subarray(0, 205), b.subarray(205)]),
      Buffer.concat([a.subarray(0, -16), b.subarray(-16)]),
    ]
    await expectRefusals(mixed, () => [warm, other, cold()])
    other.close()
  })

  test('of one data key do not make a third', async () => {
    const [a, b] = await Promise.all(
      ['same length', 'SAME LENGTH'].map((text) => warm.encrypt(text, { mode: 'envelope', keyId, scope })),
    )
    const mixed = [193, 205, a!.length - 16].map((at) => Buffer.concat([a!.subarray(0, at), b!.subarray(at)]))
    await expectRefusals(mixed.slice(1), () => [warm])
    // Header and encrypted data key are the same: this is the other one, whole.
    expect(mixed[0]).toEqual(b)
  })
})

describe('Foreign bytes', () => {
  const magic = (...bytes: number[]): fc.Arbitrary<Buffer> =>
    fc.uint8Array({ maxLength: 400 }).map((rest) => Buffer.concat([Buffer.from(bytes), rest]))

  test('of any kind are refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          magic(),
          magic(0xc1),
          magic(0xc1, 1),
          magic(0xc1, 1, 1),
          magic(0xc1, 1, 2),
          magic(0xc1, 1, 3),
        ),
        async (bytes) => {
          expect(await refusal(bytes, warm)).toMatch(CODES)
        },
      ),
      { numRuns: runs(500, 20_000) },
    )
  })

  test('in the outline of an envelope are refused', async () => {
    const forged = Array.from({ length: 200 }, () => {
      const bytes = randomBytes(9 + 184 + 28 + 10)
      Buffer.from('c10101', 'hex').copy(bytes)
      bytes.writeUInt16BE(184, 7)
      return bytes
    })
    await expectRefusals(forged, () => [warm])
  })

  test('of other encryption libraries are refused as what they are: no ciphertexts of this one', async () => {
    const key = randomBytes(32)
    const aes = createCipheriv('aes-256-gcm', key, randomBytes(12))
    const foreign: [string, Buffer][] = [
      // AWS Encryption SDK, message format 1: version, type, algorithm 0x0178, message id, AAD …
      ['AWS Encryption SDK 1', Buffer.concat([Buffer.from('018001780000', 'hex'), randomBytes(500)])],
      // Message format 2: version, algorithm 0x0578, message id …
      ['AWS Encryption SDK 2', Buffer.concat([Buffer.from('020578', 'hex'), randomBytes(500)])],
      ['OpenSSL enc', Buffer.concat([Buffer.from('Salted__'), randomBytes(40)])],
      ['GnuPG', Buffer.concat([Buffer.from('8c0d0409', 'hex'), randomBytes(60)])],
      ['raw AES-GCM', Buffer.concat([randomBytes(11).fill(0x55, 0, 1), aes.update('secret'), aes.final()])],
      [
        'a JOSE token',
        Buffer.from('eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..48V1_ALb6US04U3b.5eym8TW_c8SuK0lt'),
      ],
      ['a Fernet token', Buffer.from('gAAAAABmX1v0' + 'A'.repeat(88))],
      ['gzip', Buffer.concat([Buffer.from('1f8b0800', 'hex'), randomBytes(60)])],
      ['an encrypted Rails attribute', Buffer.from('{"p":"n7J0/ol+a7DRMeaE","h":{"iv":"…","at":"…"}}')],
    ]
    for (const [name, bytes] of foreign)
      expect([name, await refusal(bytes, warm)]).toEqual([name, 'PLAINTEXT_FOUND'])
  })

  test('that look like a blob of KMS go to KMS, which refuses them', async () => {
    const blob = Buffer.concat([Buffer.from('0102030078', 'hex'), randomBytes(179)])
    expect(await refusal(blob, warm)).toBe('CIPHERTEXT_WRONG_CONTEXT')
  })
})
