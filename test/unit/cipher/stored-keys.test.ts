import { createSecretKey, randomBytes } from 'node:crypto'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { MAX_VALUES_PER_SALT, StoredKey } from '../../../src/cipher/data-keys/stored-key'
import { Scope } from '../../../src/cipher/scope'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { storedIndexKeys } from '../../../src/cipher/blind-index/index-keys'
import { StoredKeyCiphertext, parse } from '../../../src/cipher/ciphertext'
import { type NewDataKey, type StoredDataKey } from '../../../src/cipher/data-keys/store'
import { type StoredKeys } from '../../../src/cipher/data-keys/stored-keys'
import { AccessDeniedError, KmsEncryptionError, ThrottledError } from '../../../src/errors'
import { asEncryptedDataKey, asPlaintextKey } from '../../../src/kms/bytes'
import { arnOf, MemoryKms } from './memory-kms'
import { MemoryStore } from './memory-store'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const recipe: Recipe = { mode: 'envelope', keyId: 'alias/test', scope, usesStoredKey: true }
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DURATION = 5 * HOUR
const limits = { maxAge: 5 * MINUTE, maxValues: 1, maxKeys: 1_000 }
const ciphers: Cipher[] = []

/** A process. */
function start(
  kms: MemoryKms,
  store: MemoryStore,
  { renewAfter = 24 * HOUR, lease = MINUTE }: { renewAfter?: number; lease?: number } = {},
): Cipher {
  const base = new Cipher(kms, limits)
  ciphers.push(base)
  return base.withStore(store, { renewAfter, lease })
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'opened',
    (error: unknown) => (error instanceof KmsEncryptionError ? error.code : error),
  )

describe('Stored data keys', () => {
  let kms: MemoryKms
  let store: MemoryStore

  beforeEach(() => {
    // The clocks stand still until a test moves them.
    jest.useFakeTimers()
    kms = new MemoryKms()
    store = new MemoryStore()
  })
  afterEach(() => {
    for (const cipher of ciphers.splice(0)) cipher.close()
    jest.useRealTimers()
  })

  test('have the store get ready once, while values are read and no key is in memory', async () => {
    const asked = jest.fn()
    Object.assign(store, { expect: asked })
    const reader = start(kms, store)
    reader.storedKeys?.expect()
    reader.storedKeys?.expect()
    expect(asked).toHaveBeenCalledTimes(1)
    const writer = start(kms, store)
    await writer.encrypt('x', recipe)
    writer.storedKeys?.expect()
    expect(asked).toHaveBeenCalledTimes(1)
    // A store that needs nothing.
    start(kms, new MemoryStore()).storedKeys!.expect()
  })

  test('say at a glance which values they open: those that name them and are whole', async () => {
    const cipher = start(kms, store)
    const [sealed, shortest] = [await cipher.encrypt('x', recipe), await cipher.encrypt('', recipe)]
    expect(cipher.storedKeys?.lastUsed(scope)).toBeUndefined()
    await cipher.decrypt(sealed, scope)
    const key = cipher.storedKeys?.lastUsed(scope)
    const changed = (at: number): Buffer => {
      const bytes = Buffer.from(sealed)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return bytes
    }
    for (const [bytes, seems] of [
      [sealed, true],
      [shortest, true],
      [shortest.subarray(0, -1), false],
      [changed(2), false],
      [changed(3), false],
      [changed(18), false],
      [changed(19), true],
    ] as const) {
      expect(key?.seemsToOpen(bytes)).toBe(seems)
    }
    expect(key?.seemsToOpenText(sealed.toString('base64'))).toBe(true)
    expect(key?.seemsToOpenText(changed(12).toString('base64'))).toBe(false)
    expect(cipher.storedKeys?.lastUsed(new Scope({ table: 'other' }, {}))).toBeUndefined()
  })

  test('are at hand at all times where they are used: nobody waits, over hours and new data keys', async () => {
    const cipher = start(kms, store, { renewAfter: 2 * HOUR })
    const sealed = await cipher.encrypt('x', recipe)
    const { misses } = cipher.dataKeys.counts
    let waits = 0
    for (let time = 0; time < DURATION; time += 20 * SECOND) {
      await jest.advanceTimersByTimeAsync(20 * SECOND)
      if (!cipher.encryptNow('y', recipe)) waits++
      if (!cipher.decryptNow(sealed, scope)) waits++
    }
    expect(waits).toBe(0)
    expect(cipher.dataKeys.counts.misses).toBe(misses)
    expect(store.rows).toHaveLength(3)
    // The first is opened still, and the last seals: KMS opens each once in a life of five minutes, or a little more.
    const lives = DURATION / limits.maxAge
    expect(kms.count('decrypt')).toBeGreaterThan(lives)
    expect(kms.count('decrypt')).toBeLessThan(4 * lives)
    expect(cipher.storedKeys?.refreshed).toBe(kms.count('decrypt') + 2)
    // Twice in each lease, whatever the number of data keys.
    expect(store.lookups).toBeLessThanOrEqual(DURATION / (MINUTE / 2))
  })

  test('are looked for once, however many values are encrypted one by one', async () => {
    const cipher = start(kms, store)
    for (let n = 0; n < 10; n++) await cipher.encrypt('x', recipe)
    expect(store.searches).toBe(1)
  })

  test.each([
    ['by the ARN of the KMS key that opened it: no other call', 'arn', 1],
    ['by an alias, which may be moved: KMS is asked with it', 'alias', 2],
    ['by the ARN of another KMS key: KMS is asked with it, and then for a new one', 'other', 2],
  ])('that were read seal for who names the KMS key %s', async (_, named, decrypts) => {
    kms.aliases.set('alias/test', kms.keyArn)
    const sealed = await start(kms, store).encrypt('x', { ...recipe, keyId: kms.keyArn })
    const keyId = { arn: kms.keyArn, alias: 'alias/test', other: arnOf('other') }[named] ?? ''
    const cipher = start(kms, store)
    await cipher.decrypt(sealed, scope)
    const second = await cipher.encrypt('y', { ...recipe, keyId })
    expect(kms.count('decrypt')).toBe(decrypts)
    expect(second.subarray(0, 19).equals(sealed.subarray(0, 19))).toBe(named !== 'other')
  })

  test('do not seal because the table says that they are under the KMS key', async () => {
    const other = arnOf('other')
    const sealed = await start(kms, store).encrypt('x', { ...recipe, keyId: other })
    store.rows.splice(0, 1, { ...store.rows[0]!, keyReference: kms.keyArn })
    const cipher = start(kms, store)
    await cipher.decrypt(sealed, scope)
    const second = await cipher.encrypt('y', { ...recipe, keyId: kms.keyArn })
    expect(second.subarray(0, 19).equals(sealed.subarray(0, 19))).toBe(false)
  })

  test('of a transaction are good for others once it was committed, as a whole, and lost with it if not', async () => {
    const cipher = start(kms, store)
    const seals = (): boolean => cipher.encryptNow('x', recipe) !== undefined
    store.isTentative = true
    await cipher.encrypt('x', recipe)
    // TypeORM takes a transaction for open until its COMMIT was answered. A savepoint is not the whole.
    cipher.storedKeys!.current.settle(false)
    store.isTentative = false
    expect(seals()).toBe(false)
    store.isTentative = true
    cipher.storedKeys!.current.settle(true)
    store.isTentative = false
    expect(seals()).toBe(true)

    store.isTentative = true
    const other = start(kms, store, { renewAfter: 1 })
    await jest.advanceTimersByTimeAsync(10)
    await other.encrypt('x', recipe)
    expect(store.rows).toHaveLength(2)
    other.storedKeys!.current.dropTentative()
    other.storedKeys!.current.settle(true)
    expect(other.encryptNow('x', recipe)).toBeUndefined()
  })

  test('that the open transaction has lost stop its COMMIT, and seal nothing more', async () => {
    const cipher = start(kms, store)
    const { current } = cipher.storedKeys!
    await current.verifyTentative()
    expect(store.lookups).toBe(0)
    store.isTentative = true
    const other = { ...recipe, scope: new Scope({ table: 'other' }, {}) }
    await cipher.encrypt('x', recipe)
    await current.verifyTentative()
    await cipher.encrypt('x', other)
    await current.verifyTentative()
    expect(cipher.encryptNow('x', recipe)).toBeDefined()
    store.rows.pop()
    expect(await codeOf(current.verifyTentative())).toBe('KEY_TABLE_UNAVAILABLE')
    expect(cipher.encryptNow('x', recipe)).toBeUndefined()
    expect(cipher.encryptNow('x', other)).toBeUndefined()
  })

  test('that are made while a transaction begins are part of it', async () => {
    const cipher = start(kms, store)
    kms.beforeAnswer = () => {
      store.isTentative = true
    }
    await cipher.encrypt('x', recipe)
    cipher.storedKeys!.current.dropTentative()
    expect(cipher.encryptNow('x', recipe)).toBeUndefined()
  })

  test('that were there before a transaction outlive it', async () => {
    const cipher = start(kms, store)
    const { current } = cipher.storedKeys!
    const sealed = await start(kms, store).encrypt('x', recipe)
    await cipher.decrypt(sealed, scope)
    store.isTentative = true
    await cipher.encrypt('x', recipe)
    await current.verifyTentative()
    expect(store.lookups).toBe(1)
    current.dropTentative()
    store.isTentative = false
    expect(cipher.encryptNow('x', recipe)).toBeDefined()
  })

  test.each([
    ['once: another is made', 1, 'opened', 2],
    ['again and again: that is said', 100, 'KEY_TABLE_UNAVAILABLE', 5],
  ])('whose transaction is rolled back while they are made, %s', async (_, times, outcome, made) => {
    const cipher = start(kms, store)
    store.isTentative = true
    let undone = 0
    kms.beforeAnswer = () => {
      if (undone++ < times) cipher.storedKeys!.current.dropTentative()
    }
    jest.spyOn(store, 'current').mockResolvedValue([])
    expect(await codeOf(cipher.encrypt('x', recipe))).toBe(outcome)
    expect(kms.count('generateDataKey')).toBe(made)
    jest.restoreAllMocks()
  })

  describe('while a value is on its way to the database', () => {
    const cases: [string, (store: MemoryStore) => void, string][] = [
      ['are as they were', () => undefined, 'opened'],
      [
        'were retired',
        (each) => {
          each.change({ retiredAt: new Date() })
        },
        'FORGOTTEN',
      ],
      [
        'are to be destroyed',
        (each) => {
          each.change({ destroyAt: new Date() })
        },
        'FORGOTTEN',
      ],
      [
        'were destroyed',
        (each) => {
          each.change({ encrypted: undefined, destroyedAt: new Date() })
        },
        'FORGOTTEN',
      ],
      [
        'are marked as destroyed',
        (each) => {
          each.change({ destroyedAt: new Date() })
        },
        'FORGOTTEN',
      ],
      ['are gone', (each) => void each.rows.splice(0), 'FORGOTTEN'],
    ]
    test.each(cases)('%s: it is confirmed only if they may seal still', async (_, change, outcome) => {
      const cipher = start(kms, store)
      const keys = cipher.storedKeys!
      await jest.advanceTimersByTimeAsync(SECOND)
      const mark = keys.mark()
      await cipher.encrypt('x', recipe)
      change(store)
      expect(await codeOf(keys.confirm(mark))).toBe(outcome)
      expect(cipher.encryptNow('y', recipe) !== undefined).toBe(outcome === 'opened')
      // What is sealed from now on is not concerned.
      await jest.advanceTimersByTimeAsync(SECOND)
      expect(await codeOf(keys.confirm(keys.mark()))).toBe('opened')
    })

    test('of the same transaction, need no confirmation: what is rolled back takes the value with it', async () => {
      const cipher = start(kms, store)
      const keys = cipher.storedKeys!
      store.isTentative = true
      const mark = keys.mark()
      await cipher.encrypt('x', recipe)
      store.rows.splice(0)
      expect(await codeOf(keys.confirm(mark))).toBe('opened')
    })

    test('are asked for again where that takes longer than the lease', async () => {
      const cipher = start(kms, store, { lease: MINUTE })
      await cipher.encrypt('x', recipe)
      const keys = cipher.storedKeys!
      const mark = keys.mark()
      await jest.advanceTimersByTimeAsync(MINUTE)
      expect(keys.isOverdue(mark)).toBe(false)
      await jest.advanceTimersByTimeAsync(1)
      expect(keys.isOverdue(mark)).toBe(true)
      expect(keys.isOverdue(keys.mark())).toBe(false)
    })

    test('are as old as the one that was not looked at for longest', async () => {
      const cipher = start(kms, store, { lease: MINUTE })
      const keys = cipher.storedKeys!
      jest.setSystemTime(Date.now() + HOUR)
      await cipher.encrypt('x', recipe)
      expect(keys.isOverdue(keys.mark())).toBe(false)
      // The process was suspended, its timers with it.
      jest.setSystemTime(Date.now() + MINUTE + 1)
      await cipher.encrypt('x', { ...recipe, scope: new Scope({ table: 'other' }, {}) })
      expect(keys.isOverdue(keys.mark())).toBe(true)
      await keys.lookAgain()
      expect(keys.isOverdue(keys.mark())).toBe(false)
    })
  })

  test.each([
    ['alive: they seal on', () => undefined, 1],
    [
      'retired: another one is made',
      (each: MemoryStore) => {
        each.change({ retiredAt: new Date() })
      },
      2,
    ],
  ])('that nobody looked at for longer than the lease are looked at first; %s', async (_, change, keys) => {
    const cipher = start(kms, store, { lease: MINUTE })
    const sealed = await cipher.encrypt('x', recipe)
    change(store)
    // The process was suspended, its timers with it.
    jest.setSystemTime(Date.now() + MINUTE + 1)
    expect(cipher.encryptNow('y', recipe)).toBeUndefined()
    await cipher.encrypt('y', recipe)
    expect(store.rows).toHaveLength(keys)
    expect(store.lookups).toBe(1)
    expect((await cipher.decrypt(sealed, scope)).toString()).toBe('x')
    expect(kms.count('decrypt')).toBe(0)
  })

  test('are one for each context and KMS key, and none of them takes another one with it', async () => {
    const cipher = start(kms, store)
    const other = new Scope({ table: 'other' }, { column: 'token' })
    const recipes = [recipe, { ...recipe, scope: other }, { ...recipe, keyId: 'alias/other' }]
    for (const each of recipes) await cipher.encrypt('x', each)
    expect(cipher.indexKeyNow(recipe.keyId, scope, { table: 't', column: 'c', index: 'i' })).toBeUndefined()
    const idsOf = (): (string | undefined)[] =>
      recipes.map((each) => cipher.encryptNow('y', each)?.toString('hex', 3, 19))
    const ids = store.rows.map(({ id }) => id.toString('hex'))
    expect(ids).toHaveLength(3)
    for (let n = 0; n < 2; n++) expect(idsOf()).toEqual(ids)
    store.rows = store.rows.map((row, n) => (n === 1 ? { ...row, retiredAt: new Date() } : row))
    await cipher.storedKeys!.lookAgain()
    expect(idsOf()).toEqual([ids[0], undefined, ids[2]])
  })

  test('are made by one call to KMS, whose answer is not left in memory, and must be a data key', async () => {
    await start(kms, store).encrypt('x', recipe)
    expect(kms.handedOut).toEqual([Buffer.alloc(32)])
    const generate = kms.generateDataKey.bind(kms)
    for (const [plaintext, encrypted] of [
      [16, 184],
      [32, 31],
      [32, 7_000],
    ] as const) {
      const bytes = asPlaintextKey(Buffer.alloc(plaintext, 7))
      jest.spyOn(kms, 'generateDataKey').mockImplementation(async (keyId, context) => ({
        ...(await generate(keyId, context)),
        plaintext: bytes,
        encrypted: asEncryptedDataKey(Buffer.alloc(encrypted)),
      }))
      expect(await codeOf(start(kms, new MemoryStore()).encrypt('x', recipe))).toBe('KMS_REQUEST_FAILED')
      expect(bytes).toEqual(Buffer.alloc(plaintext))
    }
    jest.restoreAllMocks()
  })

  test('under other KMS keys are tried a bounded number of times; those that name the own one come first', async () => {
    for (let n = 0; n < 12; n++) await start(kms, store).encrypt('x', { ...recipe, keyId: `alias/${n}` })
    expect(store.rows).toHaveLength(12)
    kms.calls.length = 0
    await start(kms, store).encrypt('x', { ...recipe, keyId: kms.keyArn })
    expect(kms.count('decrypt')).toBe(8)
    expect(kms.count('generateDataKey')).toBe(1)
    // The table is full of newer ones.
    await jest.advanceTimersByTimeAsync(SECOND)
    for (let n = 0; n < 12; n++) await start(kms, store).encrypt('x', { ...recipe, keyId: `alias/new${n}` })
    kms.calls.length = 0
    await start(kms, store).encrypt('x', { ...recipe, keyId: kms.keyArn })
    expect(kms.count('decrypt')).toBe(1)
    expect(kms.count('generateDataKey')).toBe(0)
  })

  test.each([
    ['within a day of this clock are used', 24 * HOUR, 1],
    ['later than a day from now are not: their age would never end', 24 * HOUR + 1, 2],
    ['as long ago as renewAfter are used', -24 * HOUR, 1],
    ['longer ago are not', -24 * HOUR - 1, 2],
  ])('that were made %s', async (_, made, rows) => {
    await start(kms, store).encrypt('x', recipe)
    store.change({ createdAt: new Date(Date.now() + made) })
    await start(kms, store).encrypt('x', recipe)
    expect(store.rows).toHaveLength(rows)
  })

  test('are tried again with a KMS key that was denied, but not before maxAge has passed', async () => {
    await start(kms, store).encrypt('x', recipe)
    const cipher = start(kms, store)
    let isDenied = true
    kms.beforeAnswer = (operation) => {
      if (operation === 'decrypt' && isDenied) throw new AccessDeniedError('no kms:Decrypt')
    }
    await cipher.encrypt('x', recipe)
    expect(store.rows).toHaveLength(2)
    isDenied = false
    const again = async (): Promise<void> => {
      kms.calls.length = 0
      cipher.storedKeys!.clear()
      await cipher.encrypt('x', recipe)
    }
    await jest.advanceTimersByTimeAsync(limits.maxAge)
    await again()
    expect(kms.calls.map(({ operation }) => operation)).toEqual(['generateDataKey'])
    await jest.advanceTimersByTimeAsync(1)
    await again()
    expect(kms.calls.map(({ operation }) => operation)).toEqual(['decrypt'])
  })

  test('that lapse before a value can be sealed are asked for a bounded number of times', async () => {
    class SlowStore extends MemoryStore {
      override async add(key: NewDataKey): Promise<void> {
        await super.add(key)
        jest.setSystemTime(Date.now() + 11)
      }

      override async find(ids: readonly Buffer[]): Promise<readonly StoredDataKey[]> {
        jest.setSystemTime(Date.now() + 11)
        return super.find(ids)
      }

      override async current(
        ...query: Parameters<MemoryStore['current']>
      ): Promise<readonly StoredDataKey[]> {
        jest.setSystemTime(Date.now() + 11)
        return super.current(...query)
      }
    }
    const slow = new SlowStore()
    const cipher = start(kms, slow, { lease: 10 })
    await expect(cipher.encrypt('x', recipe)).rejects.toMatchObject({
      code: 'KEY_TABLE_UNAVAILABLE',
      message: expect.stringContaining('Is the lease shorter'),
    })
    expect(slow.lookups).toBe(9)
    expect(kms.count('generateDataKey')).toBe(1)
  })

  test.each([0, 1])('that are opened twice at once, to read and to write, are one (%d)', async (slow) => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    const cipher = start(kms, store)
    let calls = 0
    kms.beforeAnswer = async () => {
      if (calls++ === slow) for (let turns = 0; turns < 50; turns++) await Promise.resolve()
    }
    await Promise.all([cipher.encrypt('y', recipe), cipher.decrypt(sealed, scope)])
    expect(kms.count('decrypt')).toBe(2)
    expect(cipher.storedKeys!.size).toBe(1)
    expect(cipher.encryptNow('y', recipe)).toBeDefined()
    store.change({ retiredAt: new Date() })
    await cipher.storedKeys!.lookAgain()
    expect(cipher.encryptNow('y', recipe)).toBeUndefined()
  })

  test('that were cleared are looked for again', async () => {
    const cipher = start(kms, store)
    const sealed = await cipher.encrypt('x', recipe)
    await cipher.decrypt(sealed, scope)
    cipher.storedKeys!.clear()
    expect(cipher.storedKeys!.size).toBe(0)
    expect(cipher.encryptNow('y', recipe)).toBeUndefined()
    expect(cipher.decryptNow(sealed, scope)).toBeUndefined()
    await cipher.decrypt(sealed, scope)
    expect(cipher.decryptNow(sealed, scope)).toBeDefined()
    cipher.storedKeys!.clear()
    store.rows.splice(0)
    expect(await codeOf(cipher.decrypt(sealed, scope))).toBe('DATA_KEY_NOT_FOUND')
  })

  test('at hand are counted for each value that they serve', async () => {
    const cipher = start(kms, store)
    const sealed = await cipher.encrypt('x', recipe)
    expect(cipher.dataKeys.counts).toEqual({ hits: 0, misses: 1 })
    cipher.decryptNow(sealed, scope)
    cipher.encryptNow('y', recipe)
    expect(cipher.dataKeys.counts).toEqual({ hits: 2, misses: 1 })
  })

  test('that were refused are not asked for again at once, and none is refused for another one', async () => {
    const other = new Scope({ table: 'other' }, {})
    const writer = start(kms, store)
    const sealed = await writer.encrypt('x', recipe)
    const good = await writer.encrypt('good', { ...recipe, scope: other })
    store.rows = store.rows.map((row, n) => (n === 0 ? { ...row, encrypted: store.rows[1]!.encrypted } : row))
    const reader = start(kms, store)
    for (let n = 0; n < 2; n++) {
      await expect(reader.decrypt(sealed, scope)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
    }
    expect(kms.count('decrypt')).toBe(1)
    expect((await reader.decrypt(good, other)).toString()).toBe('good')
    kms.beforeAnswer = () => {
      throw new ThrottledError('too many')
    }
    expect(await codeOf(start(kms, store).decrypt(good, other))).toBe('KMS_THROTTLED')
  })

  test('of a process that may not decrypt are never asked for again, and seal on', async () => {
    const cipher = start(kms, store)
    await start(kms, store).encrypt('x', recipe)
    kms.beforeAnswer = (operation) => {
      if (operation === 'decrypt') throw new AccessDeniedError('no kms:Decrypt')
    }
    await cipher.encrypt('x', recipe)
    for (let time = 0; time < 2 * limits.maxAge; time += 20 * SECOND) {
      await jest.advanceTimersByTimeAsync(20 * SECOND)
      expect(cipher.encryptNow('y', recipe)).toBeDefined()
    }
    expect(kms.count('decrypt')).toBe(1)
  })

  test('that are only read with are looked after as well: forgotten ones open nothing more', async () => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    const reader = start(kms, store)
    await reader.decrypt(sealed, scope)
    const readFor = async (duration: number): Promise<void> => {
      for (let time = 0; time < duration; time += 10 * SECOND) {
        await jest.advanceTimersByTimeAsync(10 * SECOND)
        reader.decryptNow(sealed, scope)
      }
    }
    await readFor(3 * MINUTE)
    expect(reader.decryptNow(sealed, scope)).toBeDefined()
    store.change({ encrypted: undefined, destroyedAt: new Date() })
    await readFor(MINUTE)
    expect(reader.storedKeys!.size).toBe(0)
    expect(await codeOf(reader.decrypt(sealed, scope))).toBe('FORGOTTEN')
  })

  test('in memory are no more than maxKeys; those that seal stay', async () => {
    const base = new Cipher(kms, { ...limits, maxKeys: 3 })
    ciphers.push(base)
    const reader = base.withStore(store, { renewAfter: 24 * HOUR, lease: MINUTE })
    const writer = start(kms, store)
    await reader.encrypt('x', recipe)
    for (let n = 0; n < 5; n++) {
      const other = new Scope({ table: `t${n}` }, {})
      await reader.decrypt(await writer.encrypt('x', { ...recipe, scope: other }), other)
      expect(reader.storedKeys!.size).toBeLessThanOrEqual(3)
    }
    expect(reader.storedKeys!.size).toBe(3)
    expect(reader.encryptNow('y', recipe)).toBeDefined()
  })

  test('whose row holds another one are refused, for reading and for writing', async () => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    const other = new MemoryStore()
    await start(kms, other).encrypt('x', recipe)
    store.change({ encrypted: other.rows[0]!.encrypted })
    const cipher = start(kms, store)
    await expect(cipher.decrypt(sealed, scope)).rejects.toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      message: expect.stringContaining(store.rows[0]!.id.toString('hex')),
      cause: expect.objectContaining({ code: 'CIPHERTEXT_TAMPERED' }),
    })
    await expect(cipher.encrypt('y', recipe)).rejects.toMatchObject({
      code: 'DATA_KEY_FORGED',
      message: expect.stringContaining(store.rows[0]!.id.toString('hex')),
      cause: expect.objectContaining({ code: 'CIPHERTEXT_TAMPERED' }),
    })
    expect(store.rows).toHaveLength(1)
  })

  test('that KMS opens to something else when they are fetched anew are used no more', async () => {
    const cipher = start(kms, store)
    const sealed = await cipher.encrypt('x', recipe)
    kms.blobs[0]!.plaintext = randomBytes(32)
    for (let time = 0; time < limits.maxAge; time += 10 * SECOND) {
      await jest.advanceTimersByTimeAsync(10 * SECOND)
      cipher.decryptNow(sealed, scope)
    }
    expect(cipher.storedKeys!.size).toBe(0)
    expect(await codeOf(cipher.decrypt(sealed, scope))).toBe('CIPHERTEXT_TAMPERED')
  })

  test('are used until they expire where KMS is in trouble when they are fetched anew', async () => {
    const cipher = start(kms, store)
    const sealed = await cipher.encrypt('x', recipe)
    kms.beforeAnswer = () => {
      throw new ThrottledError('too many')
    }
    for (let time = 0; time < limits.maxAge; time += 10 * SECOND) {
      expect(cipher.encryptNow('y', recipe)).toBeDefined()
      expect(cipher.decryptNow(sealed, scope)).toBeDefined()
      await jest.advanceTimersByTimeAsync(10 * SECOND)
    }
    expect(kms.count('decrypt')).toBe(2)
    await jest.advanceTimersByTimeAsync(1)
    expect(cipher.encryptNow('y', recipe)).toBeUndefined()
  })

  test('whose row holds what KMS cannot have made cost no call', async () => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    for (const length of [31, 6_145]) {
      store.change({ encrypted: asEncryptedDataKey(Buffer.alloc(length)) })
      expect(await codeOf(start(kms, store).decrypt(sealed, scope))).toBe('CIPHERTEXT_TAMPERED')
    }
    expect(kms.count('decrypt')).toBe(0)
  })

  test('that come when the application has closed are used for nothing', async () => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    for (const use of [
      (cipher: Cipher) => cipher.decrypt(sealed, scope),
      (cipher: Cipher) => cipher.encrypt('y', recipe),
    ]) {
      const cipher = start(kms, store)
      kms.beforeAnswer = () => {
        cipher.storedKeys!.close()
      }
      expect(await codeOf(use(cipher))).toBe('CLOSED')
      expect(cipher.storedKeys!.size).toBe(0)
    }
  })

  test('are known to be in the store, destroyed or not, with one query at most', async () => {
    const isStored = (keys: StoredKeys, bytes: Buffer): Promise<boolean> => {
      const parsed = parse(bytes)
      return parsed instanceof StoredKeyCiphertext ? keys.isStored(parsed) : Promise.resolve(false)
    }
    const writer = start(kms, store)
    const sealed = await writer.encrypt('x', recipe)
    expect(await isStored(writer.storedKeys!, sealed)).toBe(true)
    expect(store.lookups).toBe(0)
    store.change({ encrypted: undefined, destroyedAt: new Date() })
    expect(await isStored(start(kms, store).storedKeys!, sealed)).toBe(true)
    expect(store.lookups).toBe(1)
    expect(await isStored(start(kms, new MemoryStore()).storedKeys!, sealed)).toBe(false)
  })

  describe('of blind indexes', () => {
    const place = { table: 'user', column: 'token', index: 'token_index' }
    const keysOf = (cipher: Cipher, keyId = 'alias/test') => storedIndexKeys(cipher, keyId, { table: 'user' })

    test('are one for all processes, whatever its age, and are no data keys of values', async () => {
      const first = keysOf(start(kms, store))
      expect(first.now(place)).toBeUndefined()
      const key = await first.open(place)
      expect(first.now(place)).toBe(key)
      expect(kms.calls.map(({ operation }) => operation)).toEqual(['generateDataKey'])
      expect(await first.open(place)).toBe(key)
      await jest.advanceTimersByTimeAsync(50 * HOUR)
      const second = await keysOf(start(kms, store, { renewAfter: HOUR })).open(place)
      expect(second.equals(key)).toBe(true)
      expect(store.rows.map(({ purpose }) => purpose)).toEqual(['index'])
      await start(kms, store).encrypt('x', recipe)
      expect(store.rows.map(({ purpose }) => purpose)).toEqual(['index', 'value'])
      const other = await keysOf(start(kms, store)).open({ ...place, column: 'other' })
      expect(other.equals(key)).toBe(false)
    })

    test('never pass for those of values, nor the other way round', async () => {
      const [one, two] = [start(kms, store), start(kms, store)]
      await one.encrypt('x', recipe)
      expect(keysOf(one).now(place)).toBeUndefined()
      await keysOf(two).open(place)
      expect(two.encryptNow('x', recipe)).toBeUndefined()
    })

    test('are made anew where the old one may seal no more, and nobody looked for longer than the lease', async () => {
      const keys = keysOf(start(kms, store))
      const key = await keys.open(place)
      store.change({ retiredAt: new Date() })
      jest.setSystemTime(Date.now() + MINUTE + 1)
      expect((await keys.open(place)).equals(key)).toBe(false)
    })

    test('are the oldest of a context, where a restore brought several together', async () => {
      const stores = [store, new MemoryStore(), new MemoryStore()]
      const keys = []
      for (const each of stores) {
        keys.push(await keysOf(start(kms, each)).open(place))
        await jest.advanceTimersByTimeAsync(SECOND)
      }
      store.rows.unshift(...stores[2]!.rows, ...stores[1]!.rows)
      expect((await keysOf(start(kms, store)).open(place)).equals(keys[0]!)).toBe(true)
    })

    test('that another process made at the same moment under another KMS key are not replaced', async () => {
      await keysOf(start(kms, store)).open(place)
      jest.spyOn(store, 'current').mockResolvedValueOnce([])
      const other = keysOf(start(kms, store), 'alias/other')
      await expect(other.open(place)).rejects.toMatchObject({ code: 'DATA_KEY_FORGED' })
      expect(store.rows).toHaveLength(1)
      expect(kms.handedOut.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
      jest.restoreAllMocks()
    })

    test('are the same where two processes make the first at the same time', async () => {
      const [one, two] = await Promise.all([
        keysOf(start(kms, store)).open(place),
        keysOf(start(kms, store)).open(place),
      ])
      expect(one.equals(two)).toBe(true)
      expect(kms.count('generateDataKey')).toBe(2)
      expect(store.rows).toHaveLength(1)
    })

    test('are never made anew because KMS does not open them: values would not be found', async () => {
      await keysOf(start(kms, store)).open(place)
      await expect(keysOf(start(kms, store), 'alias/other').open(place)).rejects.toMatchObject({
        code: 'DATA_KEY_FORGED',
        message: expect.stringContaining('typeorm-kms rotate'),
      })
      kms.beforeAnswer = (operation) => {
        if (operation === 'decrypt') throw new AccessDeniedError('no kms:Decrypt')
      }
      await expect(keysOf(start(kms, store)).open(place)).rejects.toMatchObject({
        code: 'DATA_KEY_FORGED',
        message: expect.stringContaining('Allow kms:Decrypt'),
      })
      expect(store.rows).toHaveLength(1)
    })
  })

  test('are looked after where values are only written, each with its own KMS key', async () => {
    const cipher = start(kms, store)
    const recipes = [recipe, { ...recipe, keyId: 'alias/other' }]
    for (const each of recipes) await cipher.encrypt('x', each)
    for (let time = 0; time < 2 * limits.maxAge; time += 20 * SECOND) {
      await jest.advanceTimersByTimeAsync(20 * SECOND)
      for (const each of recipes) expect(cipher.encryptNow('x', each)).toBeDefined()
    }
    expect(store.rows).toHaveLength(2)
  })

  test('are not made anew for a context in which nothing is written any more', async () => {
    const cipher = start(kms, store, { lease: 10 * SECOND, renewAfter: 250 * SECOND })
    await cipher.encrypt('x', { ...recipe, scope: new Scope({ table: 'other' }, {}) })
    for (let time = 0; time < 250 * SECOND; time += 5 * SECOND) {
      await cipher.encrypt('x', recipe)
      await jest.advanceTimersByTimeAsync(5 * SECOND)
    }
    expect(store.rows).toHaveLength(3)
  })

  test('are not taken for forged because KMS is in trouble', async () => {
    await start(kms, store).encrypt('x', recipe)
    kms.beforeAnswer = () => {
      throw new ThrottledError('too many')
    }
    expect(await codeOf(start(kms, store).encrypt('x', recipe))).toBe('KMS_THROTTLED')
    expect(store.rows).toHaveLength(1)
  })

  test.each([
    ['ahead, so that nobody waits, where they live for ten leases', 10, 0],
    ['when somebody needs one, where they live shorter', 9, 1],
  ])('are made anew %s', async (_, leases, waits) => {
    const cipher = start(kms, store, { lease: MINUTE, renewAfter: leases * MINUTE + 5 * SECOND })
    await cipher.encrypt('x', recipe)
    const { misses } = cipher.dataKeys.counts
    for (let time = 0; time <= leases * MINUTE; time += 10 * SECOND) {
      await jest.advanceTimersByTimeAsync(10 * SECOND)
      await cipher.encrypt('x', recipe)
    }
    expect(store.rows).toHaveLength(2)
    expect(cipher.dataKeys.counts.misses - misses).toBe(waits)
  })

  test('of a page are looked up with one query, and no others with them', async () => {
    const writer = start(kms, store)
    const values = []
    for (let n = 0; n < 30; n++) {
      const tenant = new Scope({ table: 'user', tenant: String(n) }, {})
      values.push({
        stored: await writer.encrypt(`${n}`, { ...recipe, scope: tenant }),
        scopes: [tenant] as const,
      })
    }
    const other = new Scope({ table: 'other' }, {})
    const envelope = { ...recipe, scope: other, usesStoredKey: false }
    values.push({ stored: await writer.encrypt('30', envelope), scopes: [other] as const })
    const find = jest.spyOn(store, 'find')
    const outcomes = await start(kms, store).openAll(values)
    expect(outcomes.map(String)).toEqual(Array.from({ length: 31 }, (_, n) => String(n)))
    expect(find.mock.calls.map(([ids]) => ids.length)).toEqual([30])
    find.mockRestore()
  })

  test('are left alone where they are not used', async () => {
    const cipher = start(kms, store)
    await cipher.encrypt('x', recipe)
    await jest.advanceTimersByTimeAsync(50 * HOUR)
    expect(kms.count('decrypt') + kms.count('generateDataKey')).toBeLessThanOrEqual(2)
    expect(store.lookups).toBeLessThanOrEqual(5)
    expect(cipher.storedKeys!.size).toBe(0)
    expect(jest.getTimerCount()).toBe(0)
    const { lookups } = store
    await cipher.storedKeys!.lookAgain()
    expect(store.lookups).toBe(lookups)
  })

  test('are one where the first is needed by several processes, or more that all open', async () => {
    const processes = Array.from({ length: 4 }, () => start(kms, store))
    const values = await Promise.all(processes.map((cipher) => cipher.encrypt('x', recipe)))
    const reader = start(kms, store)
    for (const value of values) expect((await reader.decrypt(value, scope)).toString()).toBe('x')
    // From then on all seal under the newest.
    const later = await start(kms, store).encrypt('x', recipe)
    expect(later.subarray(3, 19)).toEqual((await store.current('value', store.rows[0]!.contextHash))[0]!.id)
  })

  test('that are missing are on their way for a minute, and lost after it', async () => {
    const sealed = await start(kms, store).encrypt('x', recipe)
    const rows = store.rows.splice(0)
    const reader = start(kms, store)
    expect(await codeOf(reader.decrypt(sealed, scope))).toBe('DATA_KEY_NOT_FOUND')
    await jest.advanceTimersByTimeAsync(59 * SECOND)
    expect(await codeOf(reader.decrypt(sealed, scope))).toBe('DATA_KEY_NOT_FOUND')
    await jest.advanceTimersByTimeAsync(2 * SECOND)
    expect(await codeOf(reader.decrypt(sealed, scope))).toBe('DATA_KEY_MISSING')
    store.rows.push(...rows)
    await jest.advanceTimersByTimeAsync(2 * SECOND)
    expect(await codeOf(reader.decrypt(sealed, scope))).toBe('opened')
  })

  test('are made by each process that may not decrypt, one each, and shared with those that may', async () => {
    const denied = new MemoryKms()
    denied.beforeAnswer = (operation) => {
      if (operation === 'decrypt') throw new AccessDeniedError('no kms:Decrypt')
    }
    const values = [await start(kms, store).encrypt('by one that may', recipe)]
    for (const text of ['by one that may not', 'by another']) {
      const cipher = start(denied, store)
      for (let time = 0; time < 3 * HOUR; time += MINUTE) {
        values.push(cipher.encryptNow(text, recipe) ?? (await cipher.encrypt(text, recipe)))
        await jest.advanceTimersByTimeAsync(MINUTE)
      }
    }
    expect(store.rows).toHaveLength(3)
    kms.blobs.push(...denied.blobs)
    const reader = start(kms, store)
    const texts = new Set<string>()
    for (const value of values) texts.add((await reader.decrypt(value, scope)).toString())
    expect([...texts]).toEqual(['by one that may', 'by one that may not', 'by another'])
  })

  test('follow an alias to another KMS key, while values are written', async () => {
    const cipher = start(kms, store)
    const before = await cipher.encrypt('before', recipe)
    kms.aliases.set(recipe.keyId, kms.keyArn)
    for (let time = 0; time < limits.maxAge; time += 10 * SECOND) {
      await jest.advanceTimersByTimeAsync(10 * SECOND)
      await cipher.encrypt('meanwhile', recipe)
    }
    const after = await cipher.encrypt('after', recipe)
    expect(store.rows.at(-1)).toMatchObject({ keyReference: kms.keyArn })
    expect(after.subarray(3, 19)).toEqual(store.rows.at(-1)!.id)
    const reader = start(kms, store)
    expect((await reader.decrypt(before, scope)).toString()).toBe('before')
    expect((await reader.decrypt(after, scope)).toString()).toBe('after')
  })

  test('that were forgotten leave the rest of a page alone, however many there are', async () => {
    const tenant = (n: number): Scope => new Scope({ table: 'user', tenant: String(n) }, { column: 'token' })
    const seal = (n: number): Promise<Buffer> =>
      start(kms, store).encrypt(`tenant ${n}`, { ...recipe, scope: tenant(n) })
    const values = []
    for (let n = 0; n < 100; n++) values.push(await seal(n))
    store.rows = store.rows.map((row, n) =>
      n < 80 ? { ...row, encrypted: undefined, destroyedAt: new Date() } : row,
    )
    store.rows.splice(0, 10)
    const page = values.map((stored, n) => ({ stored, scopes: [tenant(n)] as const }))
    const outcomes = (await start(kms, store).openAll(page)).map((outcome) =>
      outcome instanceof KmsEncryptionError ? outcome.code : outcome.toString(),
    )
    expect(outcomes.slice(0, 10)).toEqual(Array<string>(10).fill('DATA_KEY_NOT_FOUND'))
    expect(outcomes.slice(10, 80)).toEqual(Array<string>(70).fill('FORGOTTEN'))
    expect(outcomes.slice(80)).toEqual(Array.from({ length: 20 }, (_, n) => `tenant ${80 + n}`))
  })
})

describe('The salt of a stored data key', () => {
  const keyWith = (valuesPerSalt?: number): StoredKey => {
    const root = randomBytes(32)
    const row = {
      id: storedKeyId(createSecretKey(root)),
      purpose: 'value',
      contextHash: Buffer.alloc(32),
      context: undefined,
      keyReference: 'arn',
      encrypted: asEncryptedDataKey(Buffer.alloc(40)),
      createdAt: new Date(),
      retiredAt: undefined,
      destroyAt: undefined,
      destroyedAt: undefined,
    } as const
    return new StoredKey(root, row, scope, { monotonic: 0, wall: 0 }, valuesPerSalt)
  }
  const saltOf = (sealed: Buffer): string => sealed.toString('hex', 19, 27)

  test('is replaced when it has sealed as many values as a key of AES-GCM may', () => {
    expect(MAX_VALUES_PER_SALT).toBe(2 ** 32)
    const key = keyWith(3)
    const salts = Array.from({ length: 7 }, () => saltOf(key.seal('x', scope)))
    expect(new Set(salts.slice(0, 3)).size).toBe(1)
    expect(new Set(salts.slice(3, 6)).size).toBe(1)
    expect(new Set(salts).size).toBe(3)
  })

  test('is another one for each data key', () => {
    expect(saltOf(keyWith().seal('x', scope))).not.toBe(saltOf(keyWith().seal('x', scope)))
  })
})
