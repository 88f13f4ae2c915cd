import { createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { parse, StoredKeyCiphertext } from '../../../src/cipher/ciphertext'
import { blindIndexKey, blindIndexValue, firstBits, joinedValues } from '../../../src/cipher/blind-index'
import { serialiseContext } from '../../../src/cipher/context'
import { contextHash } from '../../../src/cipher/data-keys/store'
import { Scope } from '../../../src/cipher/scope'
import { storedKeyId, StoredKeySeal } from '../../../src/cipher/suites/stored-key/seal'
import { Cipher } from '../../../src/cipher/cipher'
import { integerForm, rowValueText, type RowValueForm } from '../../../src/column/row-value'
import { TamperedCiphertextError } from '../../../src/errors'
import { MemoryKms } from './memory-kms'
import { blindIndexes, contextHashes, pairValues, type PairValueVector, storedKeys } from './vectors'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const named = <T extends { name: string }>(vectors: readonly T[]) =>
  vectors.map((vector) => [vector.name, vector] as const)

function storedOf(bytes: Buffer): StoredKeyCiphertext {
  const parsed = parse(bytes)
  if (parsed instanceof StoredKeyCiphertext) return parsed
  throw new TamperedCiphertextError(`not of suite 4 but ${parsed.kind}`)
}

describe('Known answers of suite 4', () => {
  test.each(named(storedKeys.valid))('%s', (_, vector) => {
    const scope = new Scope(vector.context, vector.binding)
    const seal = new StoredKeySeal(hex(vector.root), hex(vector.salt))
    expect(storedKeyId(hex(vector.root)).toString('hex')).toBe(vector.dataKeyId)
    expect(seal.seal(hex(vector.plaintext), scope, hex(vector.iv)).toString('hex')).toBe(vector.ciphertext)
    const ciphertext = storedOf(hex(vector.ciphertext))
    expect(ciphertext.valueLength).toBe(vector.plaintext.length / 2)
    expect(seal.open(ciphertext, scope).toString('hex')).toBe(vector.plaintext)
  })

  test.each(named(storedKeys.invalid))('%s: refused', (_, vector) => {
    const bytes = hex(vector.ciphertext)
    const open = (): Buffer => {
      const ciphertext = storedOf(bytes)
      const seal = new StoredKeySeal(hex(vector.root), ciphertext.salt)
      return seal.open(ciphertext, new Scope(vector.context, vector.binding))
    }
    expect(open).toThrow(TamperedCiphertextError)
  })

  test('have one that a second root would open, if the id were not compared', () => {
    const vector = storedKeys.invalid.find(({ rootThatItNames }) => rootThatItNames !== undefined)
    expect(vector).toBeDefined()
    const ciphertext = storedOf(hex(vector?.ciphertext ?? ''))
    const scope = new Scope(vector?.context ?? {}, vector?.binding ?? {})
    const first = new StoredKeySeal(hex(vector?.rootThatItNames ?? ''), ciphertext.salt)
    expect(first.open(ciphertext, scope)).toHaveLength(32)
    // AES-GCM alone opens it under the key of the second root as well, with the header and pairs that it names.
    const info = 'typeorm-kms-encrypted/1/seal'
    const key = Buffer.from(hkdfSync('sha256', hex(vector?.root ?? ''), ciphertext.salt, info, 32))
    const decipher = createDecipheriv('aes-256-gcm', key, ciphertext.iv, { authTagLength: 16 })
    decipher.setAAD(Buffer.concat([ciphertext.bytes.subarray(0, 27), scope.pairs]))
    decipher.setAuthTag(ciphertext.sealed.subarray(32))
    expect(
      Buffer.concat([decipher.update(ciphertext.sealed.subarray(0, 32)), decipher.final()]),
    ).toHaveLength(32)
    const second = new StoredKeySeal(hex(vector?.root ?? ''), ciphertext.salt)
    expect(() => second.open(ciphertext, scope)).toThrow(TamperedCiphertextError)
  })
})

describe('A value of suite 4', () => {
  const scope = new Scope({ table: 'user' }, { column: 'token' })

  test('has 55 bytes more than the value, and an IV of its own', () => {
    const seal = new StoredKeySeal(randomBytes(32), randomBytes(8))
    for (const text of ['', 'ä', 'x'.repeat(5_000)]) {
      const [a, b] = [seal.seal(text, scope), seal.seal(text, scope)]
      expect(a).toHaveLength(Buffer.byteLength(text) + 55)
      expect(a.subarray(0, 27)).toEqual(b.subarray(0, 27))
      expect(a.subarray(27, 39)).not.toEqual(b.subarray(27, 39))
      expect(seal.open(storedOf(a), scope).toString()).toBe(text)
    }
  })

  test('is refused with any bit flipped', () => {
    const seal = new StoredKeySeal(randomBytes(32), randomBytes(8))
    const sealed = seal.seal('secret', scope)
    for (let at = 3; at < sealed.length; at++) {
      const copy = Buffer.from(sealed)
      copy.writeUInt8(copy.readUInt8(at) ^ (1 << (at % 8)), at)
      expect(() => seal.open(storedOf(copy), scope)).toThrow(TamperedCiphertextError)
    }
  })

  test('needs a root of 32 bytes', () => {
    for (const length of [0, 16, 31, 33]) {
      expect(() => new StoredKeySeal(randomBytes(length), randomBytes(8))).toThrow(TamperedCiphertextError)
    }
  })

  test('is not opened where there is no store, with no call to KMS', async () => {
    const kms = new MemoryKms()
    const cipher = new Cipher(kms, { maxAge: 60_000, maxValues: 10, maxKeys: 10 })
    const sealed = new StoredKeySeal(randomBytes(32), randomBytes(8)).seal('secret', scope)
    expect(cipher.needsKms(sealed, scope)).toBe(true)
    await expect(cipher.decrypt(sealed, scope)).rejects.toMatchObject({ code: 'KEY_TABLE_MISSING' })
    expect(kms.calls).toEqual([])
    cipher.close()
  })
})

describe('Known answers of the blind index', () => {
  test.each(named(blindIndexes))('%s', (_, vector) => {
    const key = blindIndexKey(hex(vector.root), vector)
    expect(key.export().toString('hex')).toBe(vector.key)
    const whole = blindIndexValue(key, hex(vector.normalized))
    const { bits, values } = vector
    expect((bits === undefined ? whole : firstBits(whole, bits)).toString('hex')).toBe(vector.value)
    if (values) expect(joinedValues(values.map(hex)).toString('hex')).toBe(vector.normalized)
  })

  test('are of all kinds', () => {
    expect(blindIndexes.filter(({ bits }) => bits !== undefined).length).toBeGreaterThan(5)
    expect(blindIndexes.filter(({ values }) => values !== undefined).length).toBeGreaterThan(5)
  })

  test('are all different', () => {
    const whole = blindIndexes.filter(({ bits }) => bits === undefined)
    expect(new Set(whole.map(({ value }) => value)).size).toBe(whole.length)
  })

  test('need a root of 32 bytes', () => {
    const place = { table: 't', column: 'c', index: 'i' }
    expect(() => blindIndexKey(randomBytes(31), place)).toThrow(TamperedCiphertextError)
  })
})

describe('Known answers of what stands beside values', () => {
  const forms: Record<PairValueVector['kind'], RowValueForm> = {
    integer: integerForm(-(2n ** 63n), 2n ** 63n - 1n),
    uuid: { kind: 'uuid' },
    boolean: { kind: 'boolean' },
    bytes: { kind: 'bytes', length: undefined },
    text: { kind: 'text', length: undefined, isAscii: false },
  }

  test.each(named(pairValues))('a pair of keyPer or boundTo.row, %s', (_, { kind, value, text }) => {
    expect(rowValueText(forms[kind], kind === 'bytes' ? hex(value as string) : value)).toBe(text)
  })

  test('every form of a pair has some', () => {
    expect(new Set(pairValues.map(({ kind }) => kind))).toEqual(new Set(Object.keys(forms)))
  })

  test.each(contextHashes)(
    'the hash by which the key table finds $context',
    ({ context, serialised, hash }) => {
      expect(serialiseContext(context).toString('hex')).toBe(serialised)
      expect(contextHash(context).toString('hex')).toBe(hash)
    },
  )
})
