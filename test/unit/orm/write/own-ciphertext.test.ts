import { randomBytes } from 'node:crypto'
import { type Recipe, Cipher } from '../../../../src/cipher/cipher'
import { Scope } from '../../../../src/cipher/scope'
import { type Ciphertext } from '../../../../src/cipher/ciphertext'
import { DataKeyMissingError, KeyTableUnavailableError } from '../../../../src/errors'
import { ciphertextIn } from '../../../../src/orm/write/own-ciphertext'
import { MemoryKms } from '../../cipher/memory-kms'
import { MemoryStore } from '../../cipher/memory-store'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const recipe = (keyId: string, more: Partial<Recipe> = {}): Recipe => ({
  mode: 'envelope',
  keyId,
  scope,
  usesStoredKey: false,
  ...more,
})
const storedRecipe = recipe('alias/one', { usesStoredKey: true })
const ciphers: Cipher[] = []
/** A process. */
function start(store = new MemoryStore()): Cipher {
  const base = new Cipher(new MemoryKms(), { maxAge: 60_000, maxValues: 100, maxKeys: 10 })
  ciphers.push(base)
  return base.withStore(store, { renewAfter: 60_000, lease: 60_000 })
}
/** What begins like a ciphertext under a stored data key, and is nothing but random bytes. */
const random = (): Buffer => Buffer.concat([Buffer.from('c10104', 'hex'), randomBytes(61)])

afterEach(() => {
  for (const cipher of ciphers.splice(0)) cipher.close()
})

/** Forms in which raw results and dumps hold a ciphertext. */
const FORMS: [string, (bytes: Buffer) => string | Uint8Array][] = [
  ['bytes', (bytes) => bytes],
  ['a Uint8Array', (bytes) => new Uint8Array(bytes)],
  ['base64', (bytes) => bytes.toString('base64')],
  ['hexadecimal', (bytes) => bytes.toString('hex')],
  ['capital hexadecimal of MySQL', (bytes) => `0x${bytes.toString('hex').toUpperCase()}`],
  ['hexadecimal of PostgreSQL', (bytes) => `\\x${bytes.toString('hex')}`],
  ['JSON of base64', (bytes) => JSON.stringify(bytes.toString('base64'))],
  ['JSON of hexadecimal of PostgreSQL', (bytes) => JSON.stringify(`\\x${bytes.toString('hex')}`)],
  ['JSON of hexadecimal', (bytes) => JSON.stringify(bytes.toString('hex'))],
  ['doubly escaped hexadecimal of PostgreSQL', (bytes) => `\\\\x${bytes.toString('hex')}`],
  ['capital hexadecimal', (bytes) => bytes.toString('hex').toUpperCase()],
  ['bytes of base64', (bytes) => Buffer.from(bytes.toString('base64'))],
  ['bytes of hexadecimal', (bytes) => Buffer.from(bytes.toString('hex'))],
]

describe.each(FORMS)('A ciphertext as %s', (_, form) => {
  const found = (bytes: Buffer): Ciphertext => {
    const inside = ciphertextIn(form(bytes))
    expect(inside?.bytes).toEqual(bytes)
    return inside!
  }

  test('is own where it is under the same KMS key, whatever its data key', async () => {
    const [cipher, other] = [start(), start()]
    for (const own of [recipe('alias/one'), recipe('alias/one', { mode: 'direct' }), storedRecipe]) {
      const sealed = await cipher.encrypt('x', own)
      for (const mode of ['envelope', 'direct'] as const)
        expect(
          await cipher.isOwn(found(await other.encrypt('x', recipe('alias/one', { mode }))), sealed, own),
        ).toBe(true)
      expect(await cipher.isOwn(found(await other.encrypt('x', recipe('alias/two'))), sealed, own)).toBe(
        false,
      )
    }
  })

  test('is own where its data key is in the store, in memory or not, destroyed or not', async () => {
    const store = new MemoryStore()
    const [cipher, fresh] = [start(store), start(store)]
    const inside = found(await cipher.encrypt('x', storedRecipe))
    for (const own of [recipe('alias/one'), recipe('alias/two'), storedRecipe])
      expect(await cipher.isOwn(inside, await cipher.encrypt('y', own), own)).toBe(true)
    expect(store.lookups).toBe(0)
    const own = recipe('alias/one')
    expect(await fresh.isOwn(inside, await fresh.encrypt('y', own), own)).toBe(true)
    store.change({ encrypted: undefined, destroyedAt: new Date() })
    const last = start(store)
    expect(await last.isOwn(inside, await last.encrypt('y', own), own)).toBe(true)
  })

  test('is none where it only looks like one', async () => {
    const cipher = start()
    for (const own of [recipe('alias/one'), storedRecipe]) {
      const sealed = await cipher.encrypt('x', own)
      expect(await cipher.isOwn(found(random()), sealed, own)).toBe(false)
      const direct = Buffer.concat([Buffer.from('c10102', 'hex'), randomBytes(61)])
      expect(await cipher.isOwn(found(direct), sealed, own)).toBe(false)
    }
  })
})

test('A data key that has left the memory tells nothing against a ciphertext, and without a store none is own', async () => {
  const cipher = start()
  const sealed = await cipher.encrypt('x', storedRecipe)
  const other = ciphertextIn(Buffer.from(await start().encrypt('x', recipe('alias/two'))))!
  expect(await cipher.isOwn(other, sealed, storedRecipe)).toBe(false)
  cipher.storedKeys!.clear()
  expect(await cipher.isOwn(other, sealed, storedRecipe)).toBe(true)

  const plain = new Cipher(new MemoryKms(), { maxAge: 60_000, maxValues: 100, maxKeys: 10 })
  ciphers.push(plain)
  const own = recipe('alias/one')
  expect(await plain.isOwn(ciphertextIn(Buffer.from(sealed))!, await plain.encrypt('x', own), own)).toBe(
    false,
  )
})

test('A store that cannot be asked tells nothing, and one that is not there has no data key', async () => {
  const store = new MemoryStore()
  const cipher = start(store)
  const own = recipe('alias/one')
  const sealed = await cipher.encrypt('x', own)
  const inside = ciphertextIn(random())!
  jest.spyOn(store, 'find').mockRejectedValue(new KeyTableUnavailableError('down'))
  await expect(cipher.isOwn(inside, sealed, own)).rejects.toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
  jest.spyOn(store, 'find').mockRejectedValue(new DataKeyMissingError('no table'))
  expect(await cipher.isOwn(inside, sealed, own)).toBe(false)
})

test.each([
  ['', 'wQEB', 'c101', '\\xc101', '"wQE', '"', '""', '0', 'where', 'c101 is a room', '"'.repeat(100_000)],
])('Other values are none: %p …', (...texts) => {
  for (const text of texts) {
    expect(ciphertextIn(text)).toBeUndefined()
    expect(ciphertextIn(Buffer.from(text))).toBeUndefined()
  }
})

test.each([
  ['text before it', (hex: string) => `a ${hex}`],
  ['a digit before it', (hex: string) => `0${hex}`],
  ['a digit behind it', (hex: string) => `${hex}0`],
  ['a quotation mark before it and a full stop behind it', (hex: string) => `"${hex}.`],
  ['an escape before it and a quotation mark behind it', (hex: string) => `\\\\x${hex}"`],
  ['a quotation mark before it only', (hex: string) => `"${hex}`],
  ['a quotation mark behind it only', (hex: string) => `${hex}"`],
])('A ciphertext with %s is none', (_, form) => {
  for (const encoding of ['hex', 'base64'] as const) {
    const text = form(random().toString(encoding))
    expect([ciphertextIn(text), ciphertextIn(Buffer.from(text))]).toEqual([undefined, undefined])
  }
})
