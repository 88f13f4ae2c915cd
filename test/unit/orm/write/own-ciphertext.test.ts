import { randomBytes } from 'node:crypto'
import { type Recipe, Cipher } from '../../../../src/cipher/cipher'
import { Scope } from '../../../../src/cipher/scope'
import { isOwnCiphertext } from '../../../../src/orm/write/own-ciphertext'
import { MemoryKms } from '../../cipher/memory-kms'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const cipher = new Cipher(new MemoryKms(), { maxAge: 60_000, maxValues: 100, maxKeys: 10 })
const recipe = (keyId: string, mode: Recipe['mode'] = 'envelope'): Recipe => ({ mode, keyId, scope })
const stored = (): Buffer => Buffer.concat([Buffer.from('c10104', 'hex'), randomBytes(16 + 8 + 12 + 5 + 16)])

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
  ['bytes of base64', (bytes) => Buffer.from(bytes.toString('base64'))],
  ['bytes of hexadecimal', (bytes) => Buffer.from(bytes.toString('hex'))],
]

describe.each(FORMS)('A ciphertext as %s', (_, form) => {
  test('is told where it is under the same KMS key, whatever its data key', async () => {
    const other = new Cipher(new MemoryKms(), { maxAge: 60_000, maxValues: 100, maxKeys: 10 })
    const sealed = await cipher.encrypt('x', recipe('alias/one'))
    for (const mode of ['envelope', 'direct'] as const)
      expect(isOwnCiphertext(form(await other.encrypt('x', recipe('alias/one', mode))), sealed)).toBe(true)
    expect(isOwnCiphertext(form(await cipher.encrypt('x', recipe('alias/two'))), sealed)).toBe(false)
    other.close()
  })

  test('is told where either is under a stored data key, which says nothing of the KMS key', async () => {
    const inline = await cipher.encrypt('x', recipe('alias/one'))
    expect(isOwnCiphertext(form(stored()), stored())).toBe(true)
    expect(isOwnCiphertext(form(stored()), inline)).toBe(true)
    expect(isOwnCiphertext(form(inline), stored())).toBe(true)
  })
})

test.each([
  ['', 'wQEB', 'c101', '\\xc101', '"wQE', '"', '""', '0', 'where', 'c101 is a room', '"'.repeat(100_000)],
])('Other values are none: %p …', (...texts) => {
  for (const text of texts) {
    expect(isOwnCiphertext(text, stored())).toBe(false)
    expect(isOwnCiphertext(Buffer.from(text), stored())).toBe(false)
  }
})

afterAll(() => {
  cipher.close()
})
