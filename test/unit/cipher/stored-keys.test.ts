import { createSecretKey, randomBytes } from 'node:crypto'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { MAX_VALUES_PER_SALT, StoredKey } from '../../../src/cipher/data-keys/stored-key'
import { Scope } from '../../../src/cipher/scope'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { AccessDeniedError, KmsEncryptionError } from '../../../src/errors'
import { asEncryptedDataKey } from '../../../src/kms/bytes'
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

  test('are left alone where they are not used', async () => {
    const cipher = start(kms, store)
    await cipher.encrypt('x', recipe)
    await jest.advanceTimersByTimeAsync(50 * HOUR)
    expect(kms.count('decrypt') + kms.count('generateDataKey')).toBeLessThanOrEqual(2)
    expect(store.lookups).toBeLessThanOrEqual(5)
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
