import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { deny, withContext } from '../../../src/access'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { parse } from '../../../src/cipher/ciphertext'
import { type DataKeyLimits } from '../../../src/cipher/data-keys/data-key-cache'
import { Scope } from '../../../src/cipher/scope'
import { channels } from '../../../src/diagnostics'
import { ClosedError, PlaintextFoundError, ThrottledError } from '../../../src/errors'
import { MemoryKms } from './memory-kms'
import { MemoryStore } from './memory-store'

const KEY = 'alias/test'
const scope = new Scope({ table: 'user' }, { column: 'token' })
const envelope: Recipe = { mode: 'envelope', keyId: KEY, scope }
const direct: Recipe = { mode: 'direct', keyId: KEY, scope }
const stored: Recipe = { ...envelope, usesStoredKey: true }

const ciphers: Cipher[] = []

function setUp(limits: Partial<DataKeyLimits> = {}): { kms: MemoryKms; cipher: Cipher } {
  const kms = new MemoryKms()
  const cipher = new Cipher(kms, { maxAge: 60_000, maxValues: 1_000, maxKeys: 100, ...limits })
  ciphers.push(cipher)
  return { kms, cipher }
}

afterEach(() => {
  for (const cipher of ciphers.splice(0)) cipher.close()
})

describe('Envelope encryption', () => {
  test('asks KMS once for thousands of values, and not at all to read them back', async () => {
    const { kms, cipher } = setUp({ maxValues: 5_000 })
    const texts = Array.from({ length: 3_000 }, (_, index) => `value ${index}`)
    const sealed = await Promise.all(texts.map((text) => cipher.encrypt(text, envelope)))
    const opened = await Promise.all(sealed.map((bytes) => cipher.decrypt(bytes, scope)))
    expect(opened.map(String)).toEqual(texts)
    expect(kms.calls).toHaveLength(1)
    expect(cipher.counts).toEqual({ encrypted: 3_000, decrypted: 3_000 })
  })

  test('is read by a fresh process with one call to KMS', async () => {
    const { kms, cipher } = setUp()
    const sealed = await Promise.all([1, 2, 3].map((n) => cipher.encrypt(String(n), envelope)))
    const reader = new Cipher(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 1 })
    ciphers.push(reader)
    const opened = await Promise.all(sealed.map((bytes) => reader.decrypt(bytes, scope)))
    expect(opened.map(String)).toEqual(['1', '2', '3'])
    expect(kms.count('decrypt')).toBe(1)
  })

  test('answers at once when the data key is at hand, and only then', async () => {
    const { kms, cipher } = setUp()
    expect(cipher.encryptNow('x', envelope)).toBeUndefined()
    const preparation = cipher.prepare(envelope)
    expect(preparation).toBeInstanceOf(Promise)
    await preparation
    expect(cipher.prepare(envelope)).toBeUndefined()
    const sealed = cipher.encryptNow('x', envelope)
    expect(cipher.decryptNow(sealed!, scope)?.toString()).toBe('x')
    expect(kms.calls).toHaveLength(1)
  })

  test('prepared many times at once makes one data key', async () => {
    const { kms, cipher } = setUp()
    await Promise.all(Array.from({ length: 20 }, async () => cipher.prepare(envelope)))
    expect(kms.calls).toHaveLength(1)
  })

  test.each([1, 2, 7])(
    'with %d values per data key gives many concurrent values one each',
    async (maxValues) => {
      const { kms, cipher } = setUp({ maxValues })
      const texts = Array.from({ length: 50 }, (_, index) => String(index))
      const sealed = await Promise.all(texts.map((text) => cipher.encrypt(text, envelope)))
      const uses = new Map<string, number>()
      for (const bytes of sealed) {
        const id = bytes.toString('hex', 9, 193)
        uses.set(id, (uses.get(id) ?? 0) + 1)
      }
      expect(Math.max(...uses.values())).toBe(maxValues)
      expect(kms.count('generateDataKey')).toBe(Math.ceil(50 / maxValues))
      const opened = await Promise.all(sealed.map((bytes) => cipher.decrypt(bytes, scope)))
      expect(opened.map(String)).toEqual(texts)
    },
  )

  test('makes progress when contexts drive each other out of the cache', async () => {
    const { cipher } = setUp({ maxKeys: 1, maxValues: 2 })
    const recipes = ['a', 'b', 'c'].map((table): Recipe => ({
      ...envelope,
      scope: new Scope({ table }, { column: 'token' }),
    }))
    const results = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const recipe = recipes[index % 3]!
        const sealed = await cipher.encrypt(String(index), recipe)
        return (await cipher.decrypt(sealed, recipe.scope)).toString()
      }),
    )
    expect(results).toEqual(Array.from({ length: 60 }, (_, index) => String(index)))
  })

  test('does not mix up KMS keys and contexts when many are asked for at once', async () => {
    const { kms, cipher } = setUp()
    const cases = ['k1', 'k2', 'k3'].flatMap((keyId) =>
      ['t1', 't2', 't3'].map((table) => ({ keyId, table, scope: new Scope({ table }, { column: 'c' }) })),
    )
    await Promise.all(
      [...cases, ...cases].map(async ({ keyId, table, scope }) => {
        const sealed = await cipher.encrypt(`${keyId} ${table}`, { mode: 'envelope', keyId, scope })
        const made = kms.blobs.find(({ blob }) => blob.equals(sealed.subarray(9, 193)))
        expect(made?.context).toEqual({ table })
        expect(kms.calls.find((call) => call.keyId === keyId)).toBeDefined()
        expect((await cipher.decrypt(sealed, scope)).toString()).toBe(`${keyId} ${table}`)
      }),
    )
    expect(kms.count('generateDataKey')).toBe(9)
  })

  test('opens no value under another context, column or both', async () => {
    const { cipher } = setUp()
    const sealed = await cipher.encrypt('x', envelope)
    const others: [Scope, string][] = [
      [new Scope({ table: 'user' }, { column: 'other' }), 'CIPHERTEXT_TAMPERED'],
      [new Scope({ table: 'user' }, { column: 'token', 'row.id': '1' }), 'CIPHERTEXT_TAMPERED'],
      [new Scope({ table: 'order' }, { column: 'token' }), 'CIPHERTEXT_WRONG_CONTEXT'],
      [new Scope({ table: 'user', tenant: '1' }, { column: 'token' }), 'CIPHERTEXT_WRONG_CONTEXT'],
    ]
    for (const [other, code] of others) {
      await expect(cipher.decrypt(sealed, other)).rejects.toMatchObject({ code })
    }
    expect((await cipher.decrypt(sealed, scope)).toString()).toBe('x')
  })

  test('takes a new data key after an error of KMS', async () => {
    const { kms, cipher } = setUp()
    kms.beforeAnswer = () => {
      throw new ThrottledError('slow down')
    }
    await expect(cipher.encrypt('x', envelope)).rejects.toBeInstanceOf(ThrottledError)
    expect(cipher.counts.encrypted).toBe(0)
    kms.beforeAnswer = () => undefined
    await expect(cipher.encrypt('x', envelope)).resolves.toBeInstanceOf(Buffer)
  })
})

describe('Decryption', () => {
  test('goes by what the ciphertext says, not by the mode of the column', async () => {
    const { cipher } = setUp()
    for (const recipe of [envelope, direct]) {
      const ciphertext = await cipher.encrypt('x', recipe)
      expect((await cipher.decrypt(ciphertext, scope)).toString()).toBe('x')
    }
  })

  test('of a direct value always asks KMS', async () => {
    const { kms, cipher } = setUp()
    const ciphertext = await cipher.encrypt('x', direct)
    expect(cipher.decryptNow(ciphertext, scope)).toBeUndefined()
    await cipher.decrypt(ciphertext, scope)
    await cipher.decrypt(ciphertext, scope)
    expect(kms.count('decrypt')).toBe(2)
  })

  test('finds plaintext, and sends none of it to KMS', async () => {
    const { kms, cipher } = setUp()
    const texts = [
      '',
      'x',
      'secret'.repeat(100),
      '\u0001\u0002\u0003\u0000x'.repeat(50),
      '\n '.repeat(100),
      '{"a":1}',
    ]
    for (const text of texts) {
      expect(() => cipher.decryptNow(Buffer.from(text), scope)).toThrow(PlaintextFoundError)
      await expect(cipher.decrypt(Buffer.from(text), scope)).rejects.toBeInstanceOf(PlaintextFoundError)
    }
    expect(kms.calls).toEqual([])
  })
})

describe('Where KMS is asked', () => {
  test('is every value in direct mode, though a data key is at hand', async () => {
    const { kms, cipher } = setUp()
    expect(cipher.prepare(direct)).toBeUndefined()
    await cipher.prepare(envelope)
    expect(cipher.encryptNow('x', direct)).toBeUndefined()
    expect(kms.calls).toHaveLength(1)
  })

  test('is the first value under a stored data key, which is put into the store', async () => {
    const { kms, cipher } = setUp()
    const store = new MemoryStore()
    const withStore = cipher.withStore(store, { renewAfter: 60_000, lease: 60_000 })
    expect(withStore.encryptNow('x', stored)).toBeUndefined()
    await withStore.prepare(stored)
    expect(withStore.prepare(stored)).toBeUndefined()
    expect(store.rows).toHaveLength(1)
    expect(parse(withStore.encryptNow('x', stored)!)).toMatchObject({ suite: 'stored-key' })
    expect(kms.calls).toHaveLength(1)
    expect(() => cipher.prepare(stored)).toThrow('a cipher without a store')
  })

  test('is a value whose data key is not at hand; and none for what KMS cannot open', async () => {
    const { kms, cipher } = setUp()
    const store = new MemoryStore()
    const start = (): Cipher => cipher.withStore(store, { renewAfter: 60_000, lease: 60_000 })
    const [writer, reader] = [start(), start()]
    const bare = kms.blobOf(Buffer.from('x'), scope.directContext)
    const cold = new Scope({ table: 'other' }, {})
    const sealed = await writer.encrypt('x', envelope)
    const storedValue = await writer.encrypt('x', stored)
    for (const [bytes, under, needs] of [
      [await writer.encrypt('x', direct), scope, true],
      [bare, scope, true],
      [sealed, scope, false],
      [sealed, cold, true],
      [storedValue, scope, true],
      [Buffer.from('plaintext'), scope, false],
      [Buffer.from([0xc1, 1, 1, 0]), scope, false],
    ] as const) {
      expect(reader.needsKms(bytes, under)).toBe(needs)
    }
    expect(reader.decryptNow(bare, scope)).toBeUndefined()
    expect(writer.needsKms(storedValue, scope)).toBe(false)
  })

  test('has one name for values that one call opens, and none for those that no call does', async () => {
    const { kms, cipher } = setUp()
    const call = (bytes: Buffer, under = scope): string | undefined => cipher.callOf(parse(bytes), under)
    const [one, two] = [await cipher.encrypt('1', envelope), await cipher.encrypt('2', envelope)]
    const other = new Scope({ table: 'other' }, { column: 'token' })
    expect(call(one)).toBe(call(two))
    expect(call(one, other)).not.toBe(call(one))
    const [blob, second] = [kms.blobOf(Buffer.from('x'), {}), kms.blobOf(Buffer.from('x'), {})]
    expect(call(blob)).toBeDefined()
    expect(call(blob)).not.toBe(call(second))
    expect(call(blob, other)).not.toBe(call(blob))
    for (const none of ['plaintext', '\u00c1']) expect(call(Buffer.from(none, 'latin1'))).toBeUndefined()
  })

  test('is a blob of another program, which is opened like a value', async () => {
    const { kms, cipher } = setUp()
    const blob = kms.blobOf(Buffer.from('theirs'), scope.directContext)
    expect((await cipher.decrypt(blob, scope)).toString()).toBe('theirs')
    expect(cipher.counts.decrypted).toBe(1)
  })

  test('is nowhere for a value that carries a data key at hand', async () => {
    const { kms, cipher } = setUp()
    const sealed = await cipher.encrypt('x', envelope)
    const key = cipher.dataKeys.forSealing(KEY, scope)!
    expect(key.isCarriedBy(sealed)).toBe(true)
    expect(cipher.openWith(key, sealed, scope).toString()).toBe('x')
    expect(cipher.dataKeys.counts).toEqual({ hits: 1, misses: 1 })
    expect(cipher.counts.decrypted).toBe(1)
    expect(kms.calls).toHaveLength(1)
  })

  test('opens with one call only the values for which it was made', async () => {
    const { cipher } = setUp()
    const parsed = parse(await cipher.encrypt('x', envelope))
    const open = await cipher.load(parsed, scope)
    expect(open(parsed, scope).toString()).toBe('x')
    expect(() => open(parse(Buffer.from('plaintext')), scope)).toThrow(TypeError)
    await expect(cipher.load(parse(Buffer.from('plaintext')), scope)).rejects.toThrow(PlaintextFoundError)
  })

  test('is on behalf of whoever reads, so that each page has its turn', async () => {
    const { kms, cipher } = setUp()
    const store = new MemoryStore()
    const start = (): Cipher => new Cipher(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 10 })
    const writer = cipher.withStore(store, { renewAfter: 60_000, lease: 60_000 })
    for (const recipe of [envelope, direct, stored]) {
      const sealed = await writer.encrypt('x', recipe)
      const base = start()
      ciphers.push(base)
      const caller = {}
      await base.withStore(store, { renewAfter: 60_000, lease: 60_000 }).load(parse(sealed), scope, caller)
      expect(kms.callers.at(-1)).toBe(caller)
    }
  })

  test('is nowhere inside of deny()', async () => {
    const { kms, cipher } = setUp()
    const sealed = await cipher.encrypt('x', direct)
    await expect(deny(() => cipher.decrypt(sealed, scope))).rejects.toMatchObject({
      code: 'DECRYPTION_DENIED',
    })
    expect(kms.count('decrypt')).toBe(0)
  })
})

test('A limit of decryptions counts decrypted values, and no others', async () => {
  const { cipher } = setUp()
  const sealed = await cipher.encrypt('x', envelope)
  withContext({ maxDecryptions: 1 }, () => {
    for (let n = 0; n < 3; n++) expect(cipher.encryptNow('x', envelope)).toBeDefined()
    expect(cipher.decryptNow(sealed, scope)?.toString()).toBe('x')
    expect(() => cipher.decryptNow(sealed, scope)).toThrow(/more than 1 values/)
  })
})

describe('What is counted and published of a value', () => {
  const events: unknown[] = []
  const note = (event: unknown): void => void events.push(event)
  const name = channels.value.name
  beforeEach(() => {
    subscribe(name, note)
  })
  afterEach(() => {
    unsubscribe(name, note)
    events.length = 0
  })

  test('is its column, its row where that is known, and who it was for', async () => {
    const { cipher } = setUp()
    const tally = cipher.tally('User', 'token')
    expect(cipher.tally('User', 'token')).toBe(tally)
    const counted = new Scope(scope.context, { column: 'token' }, tally)
    const sealed = await cipher.encrypt('x', { ...envelope, scope: counted })
    cipher.encryptNow('y', { ...envelope, scope: counted })
    withContext({ user: 'ann', reason: 'test' }, () => cipher.decryptNow(sealed, counted, () => ({ id: 7 })))
    const value = { mode: 'envelope', entity: 'User', property: 'token' }
    expect(events).toEqual([
      { action: 'encrypt', ...value },
      { action: 'encrypt', ...value },
      {
        action: 'decrypt',
        ...value,
        primaryKey: { id: 7 },
        context: { user: 'ann', reason: 'test' },
      },
    ])
    expect([...cipher.tallies]).toEqual([{ entity: 'User', property: 'token', encrypted: 2, decrypted: 1 }])
  })

  test('is nothing as long as it is not opened, and no event where nobody listens', async () => {
    const { kms, cipher } = setUp()
    const tally = cipher.tally('User', 'token')
    const counted = new Scope(scope.context, { column: 'token' }, tally)
    const sealed = await cipher.encrypt('x', { ...envelope, scope: counted })
    const reader = new Cipher(kms, { maxAge: 60_000, maxValues: 1, maxKeys: 1 })
    ciphers.push(reader)
    expect(reader.decryptNow(sealed, counted)).toBeUndefined()
    expect(reader.counts.decrypted).toBe(0)
    unsubscribe(name, note)
    const row = jest.fn()
    await reader.decrypt(sealed, counted, row)
    expect(row).not.toHaveBeenCalled()
    expect(tally).toMatchObject({ encrypted: 1, decrypted: 1 })
    expect(events).toHaveLength(1)
  })
})

describe('A closed cipher', () => {
  test('has closed the stored data keys of every DataSource', async () => {
    const { cipher } = setUp()
    const limits = { renewAfter: 60_000, lease: 60_000 }
    const all = [1, 2].map(() => cipher.withStore(new MemoryStore(), limits))
    for (const each of all) await each.encrypt('x', stored)
    expect(cipher.stores.map(({ size }) => size)).toEqual([1, 1])
    cipher.close()
    expect(cipher.stores.map(({ size }) => size)).toEqual([0, 0])
    for (const each of all) await expect(each.encrypt('x', stored)).rejects.toBeInstanceOf(ClosedError)
  })

  test('neither encrypts nor decrypts under data keys', async () => {
    const { cipher } = setUp()
    const sealed = await cipher.encrypt('x', envelope)
    cipher.close()
    expect(cipher.encryptNow('x', envelope)).toBeUndefined()
    await expect(cipher.encrypt('x', envelope)).rejects.toBeInstanceOf(ClosedError)
    await expect(cipher.decrypt(sealed, scope)).rejects.toBeInstanceOf(ClosedError)
    await expect(cipher.prepare(envelope)).rejects.toBeInstanceOf(ClosedError)
  })
})
