import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type EncryptionContext } from '../../../src/cipher/context'
import { type DataKey } from '../../../src/cipher/data-keys/data-key'
import { DataKeyCache, type DataKeyLimits } from '../../../src/cipher/data-keys/data-key-cache'
import { Scope } from '../../../src/cipher/scope'
import { channels } from '../../../src/diagnostics'
import { ClosedError, ThrottledError } from '../../../src/errors'
import { asEncryptedDataKey, asPlaintextKey } from '../../../src/kms/bytes'
import { pass, startClock, stopClock } from '../../support/clock'
import { arnOf, MemoryKms } from './memory-kms'
import { envelopeOf } from './parsed'

const KEY = 'alias/test'
const USERS = new Scope({ table: 'user' }, { column: 'token' })
const ORDERS = new Scope({ table: 'order' }, { column: 'token' })
const ZEROS = Buffer.alloc(32)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** True for a data key that nobody can use any more: it is destroyed. */
const isGone = (key: DataKey): boolean => {
  try {
    key.seal('x', USERS.aad)
    return false
  } catch (error) {
    if (error instanceof ClosedError) return true
    throw error
  }
}

const caches: DataKeyCache[] = []

function setUp(limits: Partial<DataKeyLimits> = {}): { kms: MemoryKms; cache: DataKeyCache } {
  const kms = new MemoryKms()
  const cache = new DataKeyCache(kms, { maxAge: 60_000, maxValues: 1_000, maxKeys: 100, ...limits })
  caches.push(cache)
  return { kms, cache }
}

afterEach(() => {
  for (const cache of caches.splice(0)) cache.close()
  startClock()
  jest.restoreAllMocks()
})

/** So many milliseconds pass in which the process is too busy for its timers. */
function passBusily(milliseconds: number): void {
  const now = performance.now.bind(performance)
  jest.spyOn(performance, 'now').mockImplementation(() => now() + milliseconds)
}

const load = (cache: DataKeyCache, sealed: Buffer, scope = USERS): Promise<DataKey> =>
  cache.load(envelopeOf(sealed), scope)
const cached = (cache: DataKeyCache, sealed: Buffer, scope = USERS): DataKey | undefined =>
  cache.forOpening(envelopeOf(sealed), scope)

describe('A data key for sealing', () => {
  test('is made once for all who ask at the same time', async () => {
    const { kms, cache } = setUp()
    const keys = await Promise.all(Array.from({ length: 100 }, () => cache.generate(KEY, USERS)))
    expect(new Set(keys).size).toBe(1)
    expect(kms.count('generateDataKey')).toBe(1)
    expect(cache.counts).toEqual({ hits: 0, misses: 1 })
  })

  test('is at hand from then on, for every column of the same context', async () => {
    const { kms, cache } = setUp()
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
    const key = await cache.generate(KEY, USERS)
    expect(cache.forSealing(KEY, USERS)).toBe(key)
    expect(cache.forSealing(KEY, new Scope({ table: 'user' }, { column: 'other' }))).toBe(key)
    expect(kms.calls).toEqual([{ operation: 'generateDataKey', keyId: KEY, context: { table: 'user' } }])
  })

  test('is not shared between contexts or KMS keys', async () => {
    const { kms, cache } = setUp()
    const [users, orders, other] = await Promise.all([
      cache.generate(KEY, USERS),
      cache.generate(KEY, ORDERS),
      cache.generate('alias/other', USERS),
    ])
    expect(new Set([users, orders, other]).size).toBe(3)
    expect(kms.count('generateDataKey')).toBe(3)
    expect(cache.forSealing(KEY, USERS)).toBe(users)
    expect(cache.forSealing(KEY, ORDERS)).toBe(orders)
    expect(cache.forSealing('alias/other', USERS)).toBe(other)
    expect(users.keyReference).toBe(arnOf(KEY))
    expect(other.keyReference).toBe(arnOf('alias/other'))
  })

  test('is not found under a context and a key whose texts run together the same way', async () => {
    const { cache } = setUp()
    await cache.generate('a', new Scope({ b: 'c' }, { column: 'x' }))
    const others: [string, EncryptionContext][] = [
      ['ab', { c: '' }],
      ['', { ab: 'c' }],
      ['a', { bc: '' }],
      ['a', { b: '', c: '' }],
    ]
    for (const [keyId, context] of others) {
      expect(cache.forSealing(keyId, new Scope(context, { column: 'x' }))).toBeUndefined()
    }
  })

  test('is not used for more values than maxValues', async () => {
    const { cache } = setUp({ maxValues: 2 })
    const key = await cache.generate(KEY, USERS)
    key.seal('1', USERS.aad)
    expect(cache.forSealing(KEY, USERS)).toBe(key)
    key.seal('2', USERS.aad)
    expect(cache.hasUsesLeft(key)).toBe(false)
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
  })

  test.each([
    ['and the next one seals from then on', false],
    ['once, though that fails: it seals until it is used up', true],
  ])('is replaced ahead when it has sealed nine tenths of maxValues, %s', async (_, fails) => {
    const { kms, cache } = setUp({ maxValues: 20 })
    const first = await cache.generate(KEY, USERS)
    for (let n = 0; n < 18; n++) {
      expect(cache.forSealing(KEY, USERS)).toBe(first)
      first.seal('x', USERS.aad)
    }
    expect(kms.calls).toHaveLength(1)
    if (fails) {
      kms.beforeAnswer = () => {
        throw new ThrottledError('slow down')
      }
    }
    for (let n = 18; n < 20; n++) {
      const key = cache.forSealing(KEY, USERS)
      expect(key === first).toBe(fails || n === 18)
      key?.seal('x', USERS.aad)
      await turn()
      expect(kms.calls).toHaveLength(2)
    }
    expect(cache.refreshed).toBe(fails ? 0 : 1)
    expect(cache.counts.misses).toBe(1)
    // Nobody waits for it: it has a turn of its own in the queue before KMS.
    expect(kms.callers.map(Boolean)).toEqual([false, true])
    expect(cache.forSealing(KEY, USERS) === undefined).toBe(fails)
  })

  test('is not replaced ahead where maxValues is so small that it would be for the last value', async () => {
    const { kms, cache } = setUp({ maxValues: 5 })
    const key = await cache.generate(KEY, USERS)
    for (let n = 0; n < 5; n++) cache.forSealing(KEY, USERS)?.seal('x', USERS.aad)
    expect(key.uses).toBe(5)
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
    expect(kms.calls).toHaveLength(1)
  })

  test('still opens values when it is used up', async () => {
    const { kms, cache } = setUp({ maxValues: 1 })
    const sealed = (await cache.generate(KEY, USERS)).seal('1', USERS.aad)
    await cache.generate(KEY, USERS)
    expect(cached(cache, sealed)?.open(envelopeOf(sealed), USERS.aad).toString()).toBe('1')
    expect(kms.count('decrypt')).toBe(0)
  })

  test('is made anew ahead for each context in which values are written', async () => {
    stopClock()
    const { kms, cache } = setUp({ maxAge: 1_000 })
    for (const scope of [USERS, ORDERS]) await cache.generate(KEY, scope)
    for (let time = 0; time < 900; time += 100) {
      for (const scope of [USERS, ORDERS]) expect(cache.forSealing(KEY, scope)).toBeDefined()
      await pass(100)
    }
    expect(kms.calls.map(({ context }) => context['table']).sort()).toEqual([
      'order',
      'order',
      'user',
      'user',
    ])
    expect(cache.counts.misses).toBe(2)
  })

  test('is not used for longer than maxAge', async () => {
    stopClock()
    const { cache } = setUp({ maxAge: 50 })
    const key = await cache.generate(KEY, USERS)
    expect(cache.forSealing(KEY, USERS)).toBe(key)
    await pass(60)
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
  })

  test('is not used for longer than maxAge, even if no timer had a chance to run', async () => {
    const { cache } = setUp({ maxAge: 60_000 })
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    expect(cached(cache, sealed)).toBeDefined()
    passBusily(60_001)
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
    expect(cached(cache, sealed)).toBeUndefined()
  })
})

describe('A data key for opening', () => {
  test('is asked for once by all who wait for it, and is at hand from then on', async () => {
    const { kms, cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    const reader = new DataKeyCache(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 10 })
    caches.push(reader)
    expect(cached(reader, sealed)).toBeUndefined()
    const keys = await Promise.all(Array.from({ length: 100 }, () => load(reader, sealed)))
    expect(new Set(keys).size).toBe(1)
    expect(kms.count('decrypt')).toBe(1)
    expect(cached(reader, sealed)).toBe(keys[0])
    expect(cached(reader, sealed)?.open(envelopeOf(sealed), USERS.aad).toString()).toBe('x')
  })

  test('is the one that the same process made, with no call to KMS', async () => {
    const { kms, cache } = setUp()
    const key = await cache.generate(KEY, USERS)
    expect(cached(cache, key.seal('x', USERS.aad))).toBe(key)
    expect(kms.count('decrypt')).toBe(0)
  })

  test('is not used for another context, though the encrypted data key is the same', async () => {
    const { cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    expect(cached(cache, sealed)).toBeDefined()
    expect(cached(cache, sealed, ORDERS)).toBeUndefined()
    await expect(load(cache, sealed, ORDERS)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
  })

  test('is fetched anew before it expires, with a second attempt where the first fails', async () => {
    stopClock()
    const { kms, cache } = setUp({ maxAge: 1_000 })
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    kms.beforeAnswer = (operation) => {
      if (operation === 'decrypt' && kms.count('decrypt') === 1) throw new ThrottledError('slow down')
    }
    for (let time = 0; time < 1_500; time += 50) {
      expect(cached(cache, sealed)).toBeDefined()
      await pass(50)
    }
    expect(kms.count('decrypt')).toBe(2)
  })

  test('never seals, so that the count of its uses is that of one process', async () => {
    const { kms, cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    const reader = new DataKeyCache(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 10 })
    caches.push(reader)
    await load(reader, sealed)
    expect(reader.forSealing(KEY, USERS)).toBeUndefined()
  })

  test('is refused, and zero-filled, if KMS opens something that is not 32 bytes long', async () => {
    const { kms, cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    for (const length of [1, 16, 31, 33, 184, 4096]) {
      const blob = kms.blobOf(Buffer.alloc(length, 7), USERS.context)
      const n = Buffer.alloc(2)
      n.writeUInt16BE(blob.length)
      const forged = Buffer.concat([sealed.subarray(0, 7), n, blob, sealed.subarray(193)])
      await expect(load(cache, forged)).rejects.toMatchObject({ code: 'CIPHERTEXT_TAMPERED' })
      expect(kms.handedOut.at(-1)).toEqual(Buffer.alloc(length))
    }
    expect(cache.size).toBe(1)
  })

  test('keeps working when the one before it is replaced', async () => {
    const { cache } = setUp()
    const first = await cache.generate(KEY, USERS)
    const second = await cache.generate(KEY, USERS)
    for (const key of [first, second, first]) expect(cached(cache, key.seal('x', USERS.aad))).toBe(key)
  })
})

describe('What KMS answers with', () => {
  test.each([
    [16, 184],
    [33, 184],
    [32, 31],
    [32, 6_145],
  ])('is no data key if it has %d bytes, encrypted in %d, and is zero-filled', async (plain, encrypted) => {
    const { kms, cache } = setUp()
    const plaintext = asPlaintextKey(Buffer.alloc(plain, 7))
    kms.generateDataKey = () =>
      Promise.resolve({
        plaintext,
        encrypted: asEncryptedDataKey(Buffer.alloc(encrypted)),
        keyReference: arnOf(KEY),
      })
    await expect(cache.generate(KEY, USERS)).rejects.toMatchObject({ code: 'KMS_REQUEST_FAILED' })
    expect(plaintext).toEqual(Buffer.alloc(plain))
    expect(cache.size).toBe(0)
  })
})

describe('The data key that opened the last value', () => {
  test('is named for its own context alone, as long as it may be used', async () => {
    const { cache } = setUp({ maxAge: 60_000 })
    expect(cache.lastUsed(USERS)).toBeUndefined()
    const key = await cache.generate(KEY, USERS)
    cached(cache, key.seal('x', USERS.aad))
    expect(cache.lastUsed(USERS)).toBe(key)
    expect(cache.lastUsed(ORDERS)).toBeUndefined()
    passBusily(60_001)
    expect(cache.lastUsed(USERS)).toBeUndefined()
  })
})

describe('What is counted and published', () => {
  test('is each value that a data key at hand served, and each call that someone waited for', async () => {
    const { cache } = setUp()
    const events: unknown[] = []
    const note = (event: unknown): void => void events.push(event)
    const { name } = channels.dataKey
    subscribe(name, note)
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    expect(cached(cache, sealed, ORDERS)).toBeUndefined()
    expect(cached(cache, sealed)).toBeDefined()
    cache.hit('encrypt')
    unsubscribe(name, note)
    await cache.generate(KEY, ORDERS)
    cache.hit('encrypt')
    expect(events).toEqual([
      { purpose: 'encrypt', outcome: 'miss' },
      { purpose: 'decrypt', outcome: 'hit' },
      { purpose: 'encrypt', outcome: 'hit' },
    ])
    expect(cache.counts).toEqual({ hits: 3, misses: 2 })
  })

  test('is not who only asks whether a data key is at hand', async () => {
    const { cache } = setUp({ maxAge: 1_234, maxKeys: 12 })
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    const counts = { ...cache.counts }
    expect(cache.has(envelopeOf(sealed), USERS)).toBe(true)
    expect(cache.has(envelopeOf(sealed), ORDERS)).toBe(false)
    expect(cache.counts).toEqual(counts)
    expect([cache.maxAge, cache.maxKeys]).toEqual([1_234, 12])
  })
})

describe('The memory of the cache', () => {
  test('holds at most maxKeys data keys, and destroys those that it drops', async () => {
    const { kms, cache } = setUp({ maxKeys: 3 })
    const keys: DataKey[] = []
    for (let index = 0; index < 10; index++) {
      keys.push(await cache.generate(KEY, new Scope({ table: `t${index}` }, { column: 'c' })))
    }
    expect(cache.size).toBe(3)
    await turn()
    expect(keys.map(isGone)).toEqual([true, true, true, true, true, true, true, false, false, false])
    expect(kms.handedOut).toEqual(Array.from({ length: 10 }, () => ZEROS))
  })

  test('drops the use of a key for sealing together with the key', async () => {
    const { cache } = setUp({ maxKeys: 1 })
    await cache.generate(KEY, USERS)
    await cache.generate(KEY, ORDERS)
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
    expect(cache.forSealing(KEY, ORDERS)).toBeDefined()
  })

  test('drops one key, and no other with it', async () => {
    const { kms, cache } = setUp({ maxKeys: 2 })
    const other = new Scope({ table: 'other' }, {})
    await cache.generate(KEY, USERS)
    const orders = await cache.generate(KEY, ORDERS)
    await cache.generate(KEY, other)
    expect(cache.forSealing(KEY, ORDERS)).toBe(orders)
    expect(kms.calls).toHaveLength(3)
  })

  test('keeps no timer for a key that has left, and none at all when it is closed', async () => {
    stopClock()
    const { cache } = setUp({ maxKeys: 1 })
    await cache.generate(KEY, USERS)
    const timers = jest.getTimerCount()
    await cache.generate(KEY, ORDERS)
    expect(jest.getTimerCount()).toBe(timers)
    cache.close()
    expect(jest.getTimerCount()).toBe(0)
  })

  test('loses a key when it expires, with no one asking for it', async () => {
    stopClock()
    const { cache } = setUp({ maxAge: 200 })
    const key = await cache.generate(KEY, USERS)
    cached(cache, key.seal('x', USERS.aad))
    expect(isGone(key)).toBe(false)
    await pass(450)
    expect(cache.size).toBe(0)
    expect(isGone(key)).toBe(true)
  })

  test('loses a key that is replaced by the same one, asked for again after it expired', async () => {
    const { cache } = setUp({ maxAge: 60_000 })
    const before = await cache.generate(KEY, USERS)
    const sealed = before.seal('x', USERS.aad)
    passBusily(60_001)
    const key = await load(cache, sealed)
    expect(key.open(envelopeOf(sealed), USERS.aad).toString()).toBe('x')
    await turn()
    expect(isGone(before)).toBe(true)
    expect(isGone(key)).toBe(false)
  })

  test('is emptied by close(), all of it', async () => {
    const { cache } = setUp()
    const users = await cache.generate(KEY, USERS)
    const orders = await cache.generate(KEY, ORDERS)
    const loaded = await load(cache, users.seal('x', USERS.aad))
    cache.close()
    expect(cache.size).toBe(0)
    await turn()
    expect([users, orders, loaded].map(isGone)).toEqual([true, true, true])
  })

  test('keeps no timer that would hold up the end of the process', async () => {
    const unref = jest.spyOn(Object.getPrototypeOf(setTimeout(() => undefined, 0)) as NodeJS.Timeout, 'unref')
    const { cache } = setUp()
    await cache.generate(KEY, USERS)
    expect(unref).toHaveBeenCalled()
  })
})

describe('Eviction while others wait', () => {
  test('lets everyone who was handed the key finish with it', async () => {
    const { cache } = setUp({ maxKeys: 1 })
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    const foreign = (await cache.generate(KEY, ORDERS)).seal('y', ORDERS.aad)
    const keys = new Set<DataKey>()
    const opened = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const [bytes, scope] = index % 2 === 0 ? ([sealed, USERS] as const) : ([foreign, ORDERS] as const)
        const key = await load(cache, bytes, scope)
        keys.add(key)
        return key.open(envelopeOf(bytes), scope.aad).toString()
      }),
    )
    expect(opened).toEqual(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 'x' : 'y')))
    expect(cache.size).toBe(1)
    await turn()
    expect([...keys].map(isGone)).toEqual([true, false])
  })

  test('of the key that was used last is noticed', async () => {
    const { cache } = setUp({ maxKeys: 1 })
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    expect(cached(cache, sealed)).toBeDefined()
    await cache.generate(KEY, ORDERS)
    expect(cached(cache, sealed)).toBeUndefined()
  })
})

describe('An error of KMS', () => {
  test('reaches all who wait for the same data key, and is not kept', async () => {
    const { kms, cache } = setUp()
    kms.beforeAnswer = () => {
      throw new ThrottledError('slow down')
    }
    const results = await Promise.allSettled([cache.generate(KEY, USERS), cache.generate(KEY, USERS)])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(kms.count('generateDataKey')).toBe(1)
    kms.beforeAnswer = () => undefined
    await expect(cache.generate(KEY, USERS)).resolves.toBeDefined()
  })

  test('in loading is not kept either', async () => {
    const { kms, cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    const reader = new DataKeyCache(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 10 })
    caches.push(reader)
    kms.beforeAnswer = () => {
      throw new ThrottledError('slow down')
    }
    await expect(load(reader, sealed)).rejects.toBeInstanceOf(ThrottledError)
    kms.beforeAnswer = () => undefined
    await expect(load(reader, sealed)).resolves.toBeDefined()
    expect(reader.size).toBe(1)
  })
})

describe('A closed cache', () => {
  test('refuses every request', async () => {
    const { kms, cache } = setUp()
    const sealed = (await cache.generate(KEY, USERS)).seal('x', USERS.aad)
    cache.close()
    expect(cache.forSealing(KEY, USERS)).toBeUndefined()
    expect(cached(cache, sealed)).toBeUndefined()
    await expect(cache.generate(KEY, USERS)).rejects.toBeInstanceOf(ClosedError)
    await expect(load(cache, sealed)).rejects.toBeInstanceOf(ClosedError)
    expect(kms.calls).toHaveLength(1)
  })

  test('zero-fills a key that KMS brings when it is closed already', async () => {
    const { kms, cache } = setUp()
    const coming = cache.generate(KEY, USERS)
    cache.close()
    await expect(coming).rejects.toBeInstanceOf(ClosedError)
    await turn()
    expect(kms.handedOut).toEqual([ZEROS])
    expect(cache.size).toBe(0)
  })

  test('can be closed twice', () => {
    const { cache } = setUp()
    cache.close()
    expect(() => {
      cache.close()
    }).not.toThrow()
  })
})
