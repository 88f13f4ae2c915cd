import { randomBytes } from 'node:crypto'
import { asPlaintext } from '../../../src/cipher/bytes'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { header, keyTag } from '../../../src/cipher/format'
import { MAX_REFUSED, Opening, type SingleOpener } from '../../../src/cipher/opening'
import { Scope } from '../../../src/cipher/scope'
import {
  AccessDeniedError,
  DataKeyNotFoundError,
  KmsEncryptionError,
  KmsUnavailableError,
} from '../../../src/errors'
import { pass, startClock, stopClock } from '../../support/clock'
import { MemoryKms } from './memory-kms'

const KEY = 'alias/test'
const limits = { maxAge: 60_000, maxValues: 1_000, maxKeys: 1_000 }
const scope = new Scope({ table: 'user' }, { column: 'token' })
const renamed = new Scope({ table: 'user' }, { column: 'old' })
const moved = new Scope({ table: 'people' }, { column: 'token' })
const CONCURRENCY = 20

const ciphers: Cipher[] = []
const kms = new MemoryKms()

/** A cipher with no data key in memory. */
function cold(maxKeys = limits.maxKeys): Cipher {
  const cipher = new Cipher(kms, { ...limits, maxKeys })
  ciphers.push(cipher)
  return cipher
}

beforeEach(() => {
  kms.calls.length = 0
  kms.beforeAnswer = () => undefined
})

afterEach(() => {
  startClock()
  for (const cipher of ciphers.splice(0)) cipher.close()
})

/** A value under a data key of its own. */
const seal = (text: string, recipe: Partial<Recipe> = {}): Promise<Buffer> =>
  cold().encrypt(text, { mode: 'envelope', keyId: KEY, scope, ...recipe })

/** Whole ciphertexts that KMS did not make. */
const forged = (count: number, suite: 1 | 2 = 1): Buffer[] =>
  Array.from({ length: count }, () => {
    const length = Buffer.from([0, 184])
    const rest = suite === 1 ? [length, randomBytes(184 + 28)] : [randomBytes(160)]
    return Buffer.concat([header(suite, keyTag(kms.keyArn)), ...rest])
  })

const open = (cipher: Cipher, values: readonly Buffer[], untilFailure = false, scopes = [scope] as const) =>
  cipher.openAll(
    values.map((stored) => ({ stored, scopes })),
    { untilFailure },
  )
const shown = (outcome: unknown): unknown =>
  outcome instanceof KmsEncryptionError ? outcome.code : Buffer.isBuffer(outcome) ? String(outcome) : outcome

describe('The values of a page', () => {
  test('cost one call per data key, and come in their order', async () => {
    const writers = [cold(), cold(), cold()]
    const values = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        writers[n % 3]!.encrypt(`value ${n}`, { mode: 'envelope', keyId: KEY, scope }),
      ),
    )
    kms.calls.length = 0
    const outcomes = await open(cold(), values)
    expect(outcomes.map(shown)).toEqual(values.map((_, n) => `value ${n}`))
    expect(kms.count('decrypt')).toBe(3)
  })

  test('cost nothing where their data keys are at hand, beside others that cost a call', async () => {
    const cipher = cold()
    const near = await cipher.encrypt('near', { mode: 'envelope', keyId: KEY, scope })
    const far = await seal('far')
    kms.calls.length = 0
    expect((await open(cipher, [near, far, near])).map(shown)).toEqual(['near', 'far', 'near'])
    expect(kms.calls).toHaveLength(1)
    expect((await open(cipher, [near, far])).map(shown)).toEqual(['near', 'far'])
    expect(kms.calls).toHaveLength(1)
  })

  test('are all opened, though the cache holds fewer data keys than the page has', async () => {
    const texts = Array.from({ length: 60 }, (_, n) => `value ${n}`)
    const values = await Promise.all(texts.map((text) => seal(text)))
    kms.calls.length = 0
    const twice = [...values, ...values]
    expect((await open(cold(2), twice)).map(shown)).toEqual([...texts, ...texts])
    expect(kms.count('decrypt')).toBe(60)
  })

  test('that are equal in direct mode share a call, and none shares its bytes', async () => {
    const value = await seal('secret', { mode: 'direct' })
    const [a, b] = await open(cold(), [value, Buffer.from(value)])
    expect([a, b].map(shown)).toEqual(['secret', 'secret'])
    expect(kms.count('decrypt')).toBe(1)
    ;(a as Buffer).fill(0)
    expect(shown(b)).toBe('secret')
  })

  test('are loaded side by side', async () => {
    const values = await Promise.all(Array.from({ length: 10 }, (_, n) => seal(String(n))))
    let underWay = 0
    let most = 0
    kms.beforeAnswer = async () => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setImmediate(resolve))
      underWay--
    }
    await open(cold(), values)
    expect(most).toBe(10)
  })

  test('are found under previous scopes; those that differ in the binding alone cost no second call', async () => {
    const values = await Promise.all([
      seal('current'),
      seal('renamed', { scope: renamed }),
      seal('moved', { scope: moved }),
    ])
    kms.calls.length = 0
    const outcomes = await cold().openAll(
      values.map((stored) => ({ stored, scopes: [scope, renamed, moved] })),
    )
    expect(outcomes.map(shown)).toEqual(['current', 'renamed', 'moved'])
    expect(kms.count('decrypt')).toBe(4)
  })

  test('are found under previous scopes with no call where the data key is at hand', async () => {
    const cipher = cold()
    const stored = await cipher.encrypt('old', { mode: 'envelope', keyId: KEY, scope: renamed })
    expect((await cipher.openAll([{ stored, scopes: [scope, renamed] }])).map(shown)).toEqual(['old'])
    expect(kms.calls).toHaveLength(1)
  })

  test('fail each for itself', async () => {
    const good = await seal('good')
    const altered = Buffer.from(good)
    altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 1, altered.length - 1)
    const newer = Buffer.from(good).fill(9, 2, 3)
    const outcomes = await open(cold(), [
      altered,
      good,
      newer,
      Buffer.from('plaintext'),
      good.subarray(0, 100),
      forged(1)[0]!,
    ])
    expect(outcomes.map(shown)).toEqual([
      'CIPHERTEXT_TAMPERED',
      'good',
      'CIPHERTEXT_NEWER',
      'PLAINTEXT_FOUND',
      'CIPHERTEXT_MALFORMED',
      'CIPHERTEXT_WRONG_CONTEXT',
    ])
  })
})

describe('A page of forgeries', () => {
  test.each([1, 2] as const)('of suite %d costs a bounded number of calls', async (suite) => {
    const outcomes = await open(cold(), forged(1_000, suite))
    expect(kms.count('decrypt')).toBeGreaterThanOrEqual(MAX_REFUSED)
    expect(kms.count('decrypt')).toBeLessThanOrEqual(MAX_REFUSED + CONCURRENCY)
    const codes = outcomes.map(shown)
    expect(new Set(codes)).toEqual(new Set(['CIPHERTEXT_WRONG_CONTEXT', 'CIPHERTEXT_NOT_TRIED']))
  })

  test('costs hardly more with two previous settings', async () => {
    const values = forged(1_000).map((stored) => ({ stored, scopes: [scope, moved, renamed] as const }))
    await cold().openAll(values)
    expect(kms.count('decrypt')).toBeLessThanOrEqual(2 * (MAX_REFUSED + CONCURRENCY))
  })

  test('costs what is under way where the page ends with the first failure', async () => {
    const values = forged(1_000).map((stored) => ({ stored, scopes: [scope, moved] as const }))
    const outcomes = await cold().openAll(values, { untilFailure: true })
    expect(kms.count('decrypt')).toBeLessThanOrEqual(2 * CONCURRENCY + 2)
    const codes = outcomes.map(shown)
    expect(codes).toContain('CIPHERTEXT_WRONG_CONTEXT')
    expect(codes.filter((code) => code === 'CIPHERTEXT_NOT_TRIED').length).toBeGreaterThan(900)
  })

  test('costs nothing when it is read again at once', async () => {
    const cipher = cold()
    const values = forged(MAX_REFUSED)
    await open(cipher, values)
    const { length } = kms.calls
    const outcomes = await open(cipher, values)
    expect(kms.calls).toHaveLength(length)
    expect(new Set(outcomes.map(shown))).toEqual(new Set(['CIPHERTEXT_WRONG_CONTEXT']))
  })

  test('costs calls again after five seconds', async () => {
    stopClock()
    // Calls of other tests may be under way.
    const own = new MemoryKms()
    const cipher = new Cipher(own, limits)
    ciphers.push(cipher)
    const [forgery] = forged(1) as [Buffer]
    const callsAfter = async (milliseconds: number): Promise<number> => {
      await pass(milliseconds)
      await expect(cipher.decrypt(forgery, scope)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
      return own.calls.length
    }
    expect(await callsAfter(0)).toBe(1)
    expect(await callsAfter(4_999)).toBe(1)
    expect(await callsAfter(1)).toBe(2)
  })

  test('does not hide the values that share a data key', async () => {
    const writer = cold()
    const values = await Promise.all(
      ['a', 'b', 'c'].map((text) => writer.encrypt(text, { mode: 'envelope', keyId: KEY, scope })),
    )
    const last = await open(cold(), [...forged(100), ...values])
    expect(last.slice(-3).map(shown)).toEqual(['a', 'b', 'c'])
    const first = await open(cold(), [...values, ...forged(100)])
    expect(first.slice(0, 3).map(shown)).toEqual(['a', 'b', 'c'])
  })

  test('of an encrypted data key that KMS would not take costs no call', async () => {
    const bytes = Buffer.alloc(9 + 7_000 + 40, 7)
    header(1, keyTag(kms.keyArn)).copy(bytes)
    bytes.writeUInt16BE(7_000, 7)
    expect((await open(cold(), [bytes])).map(shown)).toEqual(['CIPHERTEXT_MALFORMED'])
    expect(kms.calls).toEqual([])
  })
})

describe('A data key that is missing', () => {
  test('leaves the rest of the page alone, however many are', async () => {
    const missing = Array.from({ length: 2 * CONCURRENCY }, () => Buffer.alloc(0))
    const good = Buffer.from('good')
    const opener: SingleOpener = {
      kms: {},
      decryptNow: () => undefined,
      announce: () => undefined,
      callOf: () => String(Math.random()),
      load: ({ bytes }) => {
        if (bytes.length === 0) return Promise.reject(new DataKeyNotFoundError('It may be on its way'))
        return Promise.resolve(() => asPlaintext(bytes))
      },
    }
    const values = [good, ...missing, good].map((stored) => ({ stored, scopes: [scope] as const }))
    const outcomes = (await new Opening(opener).open(values)).map(shown)
    expect(outcomes).toEqual(['good', ...missing.map(() => 'DATA_KEY_NOT_FOUND'), 'good'])
  })
})

describe('Trouble of KMS', () => {
  test('ends the page, and is the failure of all that is left', async () => {
    const values = await Promise.all(Array.from({ length: 100 }, (_, n) => seal(String(n))))
    kms.calls.length = 0
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    const outcomes = await open(cold(), values)
    expect(new Set(outcomes.map(shown))).toEqual(new Set(['KMS_UNAVAILABLE']))
    expect(kms.calls.length).toBeLessThanOrEqual(CONCURRENCY)
  })

  test('of the key is asked for a bounded number of times by a page of rows under keys of strangers', async () => {
    const values = await Promise.all(Array.from({ length: 300 }, (_, n) => seal(String(n))))
    kms.beforeAnswer = () => {
      throw new AccessDeniedError('no')
    }
    for (const [untilFailure, calls] of [
      [false, MAX_REFUSED],
      [true, 1],
    ] as const) {
      kms.calls.length = 0
      const outcomes = await open(cold(), values, untilFailure)
      expect(new Set(outcomes.map(shown))).toEqual(new Set(['KMS_ACCESS_DENIED', 'CIPHERTEXT_NOT_TRIED']))
      expect(kms.calls.length).toBeLessThan(calls + CONCURRENCY)
    }
  })

  test('ends a value, whatever settings it had before', async () => {
    const value = await seal('secret', { scope: moved })
    for (const trouble of [new KmsUnavailableError('down'), new AccessDeniedError('no')]) {
      kms.calls.length = 0
      kms.beforeAnswer = () => {
        throw trouble
      }
      const outcomes = await cold().openAll([{ stored: value, scopes: [scope, moved] }])
      expect(outcomes.map(shown)).toEqual([trouble.code])
      expect(kms.calls).toHaveLength(1)
    }
  })

  test('of the key is not remembered', async () => {
    const value = await seal('secret')
    const cipher = cold()
    kms.beforeAnswer = () => {
      throw new AccessDeniedError('no')
    }
    expect((await open(cipher, [value])).map(shown)).toEqual(['KMS_ACCESS_DENIED'])
    kms.beforeAnswer = () => undefined
    expect((await open(cipher, [value])).map(shown)).toEqual(['secret'])
  })

  test('that is no error of the library is thrown', async () => {
    const value = await seal('secret')
    kms.beforeAnswer = () => {
      throw new RangeError('a bug')
    }
    await expect(open(cold(), [value])).rejects.toBeInstanceOf(RangeError)
  })
})
