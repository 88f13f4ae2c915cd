import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as crypto from 'node:crypto'
import type * as CipherModule from '../../../src/cipher/cipher'
import { Cipher, type Recipe } from '../../../src/cipher/cipher'
import { Scope } from '../../../src/cipher/scope'
import { valueTypes } from '../../../src/column/types'
import { KmsEncryptionError } from '../../../src/errors'
import { canRunPython } from './python'
import { VectorKms } from './vector-kms'
import { directs, envelopes, invalid, valid, valueOf, type Vector, VECTORS_FILE } from './vectors'

// The library draws IVs from the system's generator; here it draws those of the vectors.
jest.mock('node:crypto', () => {
  const actual = jest.requireActual<typeof crypto>('node:crypto')
  return { ...actual, randomFillSync: jest.fn(actual.randomFillSync) }
})

const limits = { maxAge: 60_000, maxValues: 10, maxKeys: 10 }
const named = <T extends { name: string }>(vectors: readonly T[]) =>
  vectors.map((vector) => [vector.name, vector] as const)

const scopeOf = ({ context, binding }: Pick<Vector, 'context' | 'binding'>) => new Scope(context, binding)
const recipeOf = (vector: Vector): Recipe => ({
  mode: vector.suite === 1 ? 'envelope' : 'direct',
  keyId: vector.keyArn,
  scope: scopeOf(vector),
})

describe('Known answers, version 1', () => {
  test.each(named(valid))('%s: the ciphertext opens to the value', async (_, vector) => {
    const cipher = new Cipher(new VectorKms(vector), limits)
    const plaintext = await cipher.decrypt(Buffer.from(vector.ciphertext, 'hex'), scopeOf(vector))
    expect(plaintext.toString('hex')).toBe(vector.plaintext)
    const value = valueTypes[vector.type].deserialise(plaintext)
    expect(value).toStrictEqual(valueOf(vector))
    cipher.close()
  })

  test.each(named(valid))('%s: the value serialises to the plaintext', (_, vector) => {
    const serialised = valueTypes[vector.type].serialise(valueOf(vector))
    expect(Buffer.from(serialised as string).toString('hex')).toBe(vector.plaintext)
  })

  test.each(named(envelopes))('%s: the AAD is that of the vector', (_, vector) => {
    expect(scopeOf(vector).aad.toString('hex')).toBe(vector.aad)
  })

  test.each(named(envelopes))('%s: sealing with its IV gives the ciphertext', async (_, vector) => {
    jest
      .mocked(crypto.randomFillSync)
      .mockImplementationOnce(((pool: Buffer) => pool.fill(vector.iv, 'hex')) as typeof crypto.randomFillSync)
    await jest.isolateModulesAsync(async () => {
      // A fresh copy, whose pool of IVs is not filled yet.
      const fresh = jest.requireActual<typeof CipherModule>('../../../src/cipher/cipher')
      const cipher = new fresh.Cipher(new VectorKms(vector), limits)
      const ciphertext = await cipher.encrypt(Buffer.from(vector.plaintext, 'hex'), recipeOf(vector))
      expect(ciphertext.toString('hex')).toBe(vector.ciphertext)
      cipher.close()
    })
  })

  test.each(named(directs))('%s: encrypting gives the ciphertext', async (_, vector) => {
    const cipher = new Cipher(new VectorKms(vector), limits)
    const ciphertext = await cipher.encrypt(Buffer.from(vector.plaintext, 'hex'), recipeOf(vector))
    expect(ciphertext.toString('hex')).toBe(vector.ciphertext)
  })

  test.each(named(invalid))('%s: the ciphertext is refused', async (_, vector) => {
    const cipher = new Cipher(new VectorKms(vector), limits)
    const opening = (async () => cipher.decrypt(Buffer.from(vector.ciphertext, 'hex'), scopeOf(vector)))()
    await expect(opening).rejects.toBeInstanceOf(KmsEncryptionError)
    cipher.close()
  })

  test('all suites and value types are covered', () => {
    expect(new Set(valid.map(({ suite }) => suite))).toEqual(new Set([1, 2, 3]))
    for (const vectors of [envelopes, directs]) {
      expect(new Set(vectors.map(({ type }) => type))).toEqual(new Set(Object.keys(valueTypes)))
    }
  })

  const testWithPython = canRunPython() ? test : test.skip

  testWithPython('the vectors are what their generator makes', () => {
    const made = execFileSync('python3', [join(VECTORS_FILE, '../generate.py')], { maxBuffer: 2 ** 24 })
    expect(made.equals(readFileSync(VECTORS_FILE))).toBe(true)
  })
})
