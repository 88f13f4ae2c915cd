import { publishedContext, withContext } from '../../../src/access'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { type DataKeyLimits } from '../../../src/cipher/data-keys/data-key-cache'
import { Refresh } from '../../../src/cipher/data-keys/refresh'
import { Scope } from '../../../src/cipher/scope'
import { KmsUnavailableError } from '../../../src/errors'
import { inTime, pass, startClock, stopClock } from '../../support/clock'
import { MemoryKms } from './memory-kms'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const recipe: Recipe = { mode: 'envelope', keyId: 'alias/test', scope }
const LATENCY = 50
const ciphers: Cipher[] = []

function setUp(limits: Partial<DataKeyLimits> = {}): { kms: MemoryKms; cipher: Cipher } {
  const kms = new MemoryKms()
  kms.beforeAnswer = () => later(LATENCY)
  const cipher = new Cipher(kms, { maxAge: 1_000, maxValues: 1_000_000, maxKeys: 100, ...limits })
  ciphers.push(cipher)
  return { kms, cipher }
}

beforeEach(stopClock)
afterEach(() => {
  for (const cipher of ciphers.splice(0)) cipher.close()
  startClock()
})

const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))
const encrypt = (cipher: Cipher, text = 'x'): Promise<Buffer> => inTime(cipher.encrypt(text, recipe))

/** Writes and reads every few milliseconds. Returns how often one of them had to wait for KMS. */
async function traffic(cipher: Cipher, stored: Buffer, milliseconds: number): Promise<number> {
  let waits = 0
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    if (!cipher.encryptNow('x', recipe)) {
      waits++
      await encrypt(cipher)
    }
    if (!cipher.decryptNow(stored, scope)) {
      waits++
      await inTime(cipher.decrypt(stored, scope))
    }
    await pass(5)
  }
  return waits
}

describe('Data keys in use', () => {
  test('are fetched anew before they expire: nobody waits for KMS', async () => {
    const { kms, cipher } = setUp()
    const stored = await encrypt(new Cipher(kms, { maxAge: 60_000, maxValues: 10, maxKeys: 1 }), 'y')
    await encrypt(cipher)
    await inTime(cipher.decrypt(stored, scope))
    expect(await traffic(cipher, stored, 3_500)).toBe(0)
    // One call of each kind per life of a key, or a little more.
    expect(kms.count('generateDataKey')).toBeGreaterThanOrEqual(4)
    expect(kms.count('generateDataKey')).toBeLessThanOrEqual(8)
    expect(kms.count('decrypt')).toBeGreaterThanOrEqual(4)
    expect(kms.count('decrypt')).toBeLessThanOrEqual(12)
    expect(cipher.dataKeys.refreshed).toBeGreaterThanOrEqual(6)
  })

  test('are fetched anew in one line of their own, so that they keep nobody waiting', async () => {
    const { kms, cipher } = setUp()
    const stored = await encrypt(new Cipher(kms, { maxAge: 60_000, maxValues: 10, maxKeys: 1 }), 'y')
    await encrypt(cipher)
    await inTime(cipher.decrypt(stored, scope))
    const asked = kms.count('generateDataKey') + kms.count('decrypt')
    await traffic(cipher, stored, 1_500)
    const callers = kms.callers.slice(asked)
    expect(kms.calls.slice(asked).map(({ operation }) => operation)).toEqual(
      expect.arrayContaining(['generateDataKey', 'decrypt']),
    )
    expect(new Set(callers).size).toBe(1)
    expect(callers[0]).toBeDefined()
  })

  test('are fetched anew on behalf of nobody', async () => {
    const seen = new Promise((resolve) => {
      const refresh = new Refresh<{ isDestroyed: boolean }>(20, () => {
        resolve(publishedContext())
        return Promise.resolve()
      })
      withContext({ user: 'ada' }, () => {
        refresh.schedule({ isDestroyed: false })
      })
    })
    expect(await inTime(seen)).toBeUndefined()
  })

  test('are replaced before they have sealed maxValues', async () => {
    const { kms, cipher } = setUp({ maxValues: 1_000, maxAge: 60_000 })
    await encrypt(cipher)
    let waits = 0
    for (let n = 0; n < 3_000; n++) {
      if (!cipher.encryptNow('x', recipe)) {
        waits++
        await encrypt(cipher)
      }
      // KMS answers in time for the last tenth of each key.
      if (n % 10 === 0) await pass(12)
    }
    expect(waits).toBe(0)
    expect(kms.count('generateDataKey')).toBeGreaterThanOrEqual(3)
    expect(kms.count('generateDataKey')).toBeLessThanOrEqual(5)
  })
})

describe('Data keys that nobody uses', () => {
  test('are not fetched anew, and leave', async () => {
    const { kms, cipher } = setUp({ maxAge: 300 })
    const stored = await encrypt(cipher)
    await cipher.decrypt(stored, scope)
    await pass(900)
    expect(kms.calls).toHaveLength(1)
    expect(cipher.dataKeys.size).toBe(0)
  })

  test('are not fetched anew after close()', async () => {
    const { kms, cipher } = setUp({ maxAge: 300 })
    const stored = await encrypt(cipher)
    await traffic(cipher, stored, 150)
    cipher.close()
    await pass(400)
    expect(kms.calls).toHaveLength(1)
  })
})

describe('A refresh that fails', () => {
  test('harms nothing: the key is used until it expires, and KMS is asked twice at most', async () => {
    const { kms, cipher } = setUp()
    const stored = await encrypt(cipher)
    const before = kms.calls.length
    kms.beforeAnswer = async () => {
      await later(5)
      throw new KmsUnavailableError('down')
    }
    let waits = 0
    const end = performance.now() + 850
    while (performance.now() < end) {
      if (!cipher.encryptNow('x', recipe) || !cipher.decryptNow(stored, scope)) waits++
      await pass(5)
    }
    expect(waits).toBe(0)
    await pass(100)
    // Sealing and opening, each at most twice.
    expect(kms.calls.length - before).toBeGreaterThanOrEqual(2)
    expect(kms.calls.length - before).toBeLessThanOrEqual(4)
    kms.beforeAnswer = () => undefined
    await pass(200)
    expect((await cipher.decrypt(stored, scope)).toString()).toBe('x')
  })

  test('by a key that KMS no longer opens does not lengthen its life', async () => {
    const { kms, cipher } = setUp({ maxAge: 400 })
    const stored = await encrypt(cipher)
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    const end = performance.now() + 600
    while (performance.now() < end) {
      cipher.encryptNow('x', recipe)
      try {
        cipher.decryptNow(stored, scope)
      } catch {
        // Nothing here opens it any more.
      }
      await pass(5)
    }
    expect(cipher.encryptNow('x', recipe)).toBeUndefined()
    expect(cipher.decryptNow(stored, scope)).toBeUndefined()
  })

  test('because KMS answers with another key ends the use of the one in memory', async () => {
    const { kms, cipher } = setUp({ maxAge: 1_000 })
    const stored = await encrypt(cipher)
    for (const blob of kms.blobs) blob.plaintext = Buffer.alloc(32, 9)
    const end = performance.now() + 950
    while (performance.now() < end) {
      if (cipher.dataKeys.size === 0) break
      cipher.decryptNow(stored, scope)
      await pass(5)
    }
    expect(kms.count('decrypt')).toBe(1)
    await expect(inTime(cipher.decrypt(stored, scope))).rejects.toMatchObject({ code: 'CIPHERTEXT_TAMPERED' })
  })
})
