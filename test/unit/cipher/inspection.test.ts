import { inspect } from 'node:util'
import { Cipher } from '../../../src/cipher/cipher'
import { DataKey } from '../../../src/cipher/data-keys/data-key'
import { DataKeyCache } from '../../../src/cipher/data-keys/data-key-cache'
import { Refusals } from '../../../src/cipher/refusals'
import { Scope } from '../../../src/cipher/scope'
import { Direct } from '../../../src/cipher/suites/direct'
import { KmsEncryptionError } from '../../../src/errors'
import { AwsKms } from '../../../src/kms/aws/aws-kms'
import { asEncryptedDataKey, asPlaintextKey } from '../../../src/kms/bytes'
import { type Decrypted, type KeyService } from '../../../src/kms/key-service'
import { TrustedKeys } from '../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../src/local-kms'
import { createKey } from '../kms/keys'
import { MemoryStore } from './memory-store'
import { envelopeOf } from './parsed'
import { formsOfMarker, newMarker } from '../../support/markers'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const limits = { maxAge: 60_000, maxValues: 1_000, maxKeys: 10 }
const all = {
  depth: Infinity,
  maxArrayLength: Infinity,
  maxStringLength: Infinity,
  showHidden: true,
} as const

/** The texts that loggers make of an object. */
function printed(object: unknown): string[] {
  const texts = [
    inspect(object),
    inspect(object, all),
    inspect({ nested: [object] }, { ...all, getters: true }),
    String(object),
    JSON.stringify(object) as string | undefined,
    JSON.stringify({ ...(object as object) }),
    JSON.stringify(Object.getOwnPropertyDescriptors(object)),
  ]
  return texts.filter((text) => text !== undefined)
}

function formsIn(object: unknown, secret: string): string[] {
  return printed(object).flatMap((text) => formsOfMarker(text, secret))
}

describe('The search for a secret', () => {
  test('finds it in every form in which an object could show it', () => {
    const secret = newMarker()
    for (const leak of [
      { key: secret },
      { key: Buffer.from(secret) },
      { key: Uint8Array.from(Buffer.from(secret)) },
      { key: Buffer.from(secret).toString('hex') },
      { key: Buffer.from(`xx${secret}`).toString('base64') },
      { key: Buffer.from(secret).toString('latin1') },
      { key: [0, ...Buffer.from(secret)].join(', ') },
      Object.defineProperty({}, 'key', { value: secret, enumerable: false }),
    ]) {
      expect(formsIn(leak, secret)).not.toEqual([])
    }
  })
})

describe('Nothing that can be printed shows key bytes or plaintext', () => {
  // 32 ASCII bytes as data key: a marker that every search finds.
  const keyText = newMarker().padEnd(32, 'k').slice(0, 32)
  const plaintext = newMarker()
  const keyArn = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
  const encrypted = asEncryptedDataKey(Buffer.alloc(184, 1))

  /** Its keys are the marker. */
  class MarkedKms implements KeyService {
    generateDataKey = () =>
      Promise.resolve({
        plaintext: asPlaintextKey(Buffer.from(keyText)),
        encrypted: asEncryptedDataKey(encrypted),
        keyReference: keyArn,
      })
    encrypt = () => Promise.resolve({ ciphertext: encrypted, keyReference: keyArn })
    decrypt = (): Promise<Decrypted> =>
      Promise.resolve({ plaintext: Buffer.from(keyText), keyReference: keyArn })
  }

  test('a data key', () => {
    const key = new DataKey(Buffer.from(keyText), encrypted, keyArn, scope)
    key.seal(plaintext, scope.aad)
    for (const secret of [keyText, plaintext]) expect(formsIn(key, secret)).toEqual([])
    expect(inspect(key)).toBe(`DataKey { keyArn: '${keyArn}', uses: 1 }`)
  })

  test('a cache of data keys', async () => {
    const cache = new DataKeyCache(new MarkedKms(), limits)
    const key = await cache.generate('x', scope)
    cache.forOpening(envelopeOf(key.seal(plaintext, scope.aad)), scope)
    for (const secret of [keyText, plaintext]) expect(formsIn(cache, secret)).toEqual([])
    expect(inspect(cache)).toBe('DataKeyCache { keys: 1 }')
    cache.close()
  })

  test('stored data keys', async () => {
    const cipher = new Cipher(new MarkedKms(), limits)
    const withStore = cipher.withStore(new MemoryStore(), { renewAfter: 60_000, lease: 60_000 })
    const recipe = { mode: 'envelope', keyId: 'x', scope, usesStoredKey: true } as const
    await withStore.decrypt(await withStore.encrypt(plaintext, recipe), scope)
    for (const secret of [keyText, plaintext]) expect(formsIn(withStore, secret)).toEqual([])
    expect(inspect(withStore.storedKeys)).toBe('StoredKeys { keys: 1 }')
    cipher.close()
  })

  test('a cipher, its modes and its scope', async () => {
    const cipher = new Cipher(new MarkedKms(), limits)
    for (const mode of ['envelope', 'direct'] as const) {
      const ciphertext = await cipher.encrypt(plaintext, { mode, keyId: 'x', scope })
      await cipher.decrypt(ciphertext, scope)
      expect(formsOfMarker(ciphertext, plaintext)).toEqual([])
    }
    for (const object of [cipher, new Direct(new MarkedKms(), new Refusals()), scope]) {
      for (const secret of [keyText, plaintext]) expect(formsIn(object, secret)).toEqual([])
    }
    cipher.close()
  })

  test('the promise of a data key that is under way, or there', async () => {
    const cache = new DataKeyCache(new MarkedKms(), limits)
    const promise = cache.generate('x', scope)
    expect(formsIn(promise, keyText)).toEqual([])
    await promise
    expect(formsIn(promise, keyText)).toEqual([])
    cache.close()
  })

  test('the KMS layer with calls under way', async () => {
    const local = new LocalKms()
    const keyId = await createKey(local)
    const kms = new AwsKms({ client: local.client(), concurrency: 1, trustedKeys: new TrustedKeys([keyId]) })
    const calls = [1, 2, 3].map(() => kms.encrypt(keyId, Buffer.from(plaintext), scope.context))
    expect(formsIn(kms, plaintext)).toEqual([])
    const [first] = await Promise.all(calls)
    await kms.decrypt(first!.ciphertext, scope.context)
    expect(formsIn(kms, plaintext)).toEqual([])
    expect(inspect(kms, { ...all, getters: true })).toBe('AwsKms { calls: 4 }')
  })

  test('the errors of values that do not open', async () => {
    const cipher = new Cipher(new MarkedKms(), limits)
    const sealed = await cipher.encrypt(plaintext, { mode: 'envelope', keyId: 'x', scope })
    const attempts: Buffer[] = [
      Buffer.from(plaintext.repeat(10)),
      Buffer.concat([sealed, Buffer.from(plaintext)]),
      Buffer.concat([Buffer.from('c1020101', 'hex'), Buffer.from(plaintext)]),
      sealed.subarray(0, 100),
    ]
    for (const attempt of attempts) {
      const error: unknown = await cipher.decrypt(attempt, scope).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(KmsEncryptionError)
      for (const secret of [keyText, plaintext, sealed.toString('latin1', 9, 60)]) {
        expect(formsIn(error, secret)).toEqual([])
      }
      const { message } = error as KmsEncryptionError
      expect(message.length).toBeLessThan(300)
    }
    const tooLarge = plaintext.repeat(200)
    const error: unknown = await cipher
      .encrypt(tooLarge, { mode: 'direct', keyId: 'x', scope })
      .catch((thrown: unknown) => thrown)
    expect(formsIn(error, plaintext)).toEqual([])
    cipher.close()
  })
})
