import { Cipher } from '../../../src/cipher/cipher'
import { DataKeyProof } from '../../../src/cipher/data-keys/proof'
import { Scope } from '../../../src/cipher/scope'
import { ThrottledError } from '../../../src/errors'
import { asPlaintextKey } from '../../../src/kms/bytes'
import { type EncryptionContext } from '../../../src/kms/encryption-context'
import { type GeneratedDataKey } from '../../../src/kms/key-service'
import { MemoryKms } from './memory-kms'
import { MemoryStore } from './memory-store'

const scope = new Scope({ table: 'user' }, { column: 'secret' })
const LIMITS = { maxAge: 60_000, maxValues: 1_000, maxKeys: 10 }

/** Gives data keys that are not those in its blobs. */
class LyingKms extends MemoryKms {
  override async generateDataKey(keyId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const answer = await super.generateDataKey(keyId, context)
    return { ...answer, plaintext: asPlaintextKey(Buffer.alloc(32, 7)) }
  }
}

/** Loses what it makes. */
class ForgetfulKms extends MemoryKms {
  override async generateDataKey(keyId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const answer = await super.generateDataKey(keyId, context)
    this.blobs.length = 0
    return answer
  }
}

function seal(kms: MemoryKms): { proof: DataKeyProof; sealed: () => Promise<Buffer> } {
  const cipher = new Cipher(kms, LIMITS)
  return {
    proof: new DataKeyProof(kms),
    sealed: () => cipher.encrypt('a value', { mode: 'envelope', keyId: 'key', scope }),
  }
}

describe('The proof of a data key', () => {
  test('takes one call for all values under it', async () => {
    const kms = new MemoryKms()
    const { proof, sealed } = seal(kms)
    for (let i = 0; i < 5; i++) await proof.prove(await sealed(), scope)
    await Promise.all([proof.prove(await sealed(), scope), proof.prove(await sealed(), scope)])
    expect(kms.count('decrypt')).toBe(1)
  })

  test.each([
    ['gives another key than its blob has', LyingKms],
    ['does not open its blob', ForgetfulKms],
  ])('fails where KMS %s, though the value opens with the key in memory', async (_, Kms) => {
    const { proof, sealed } = seal(new Kms())
    const value = await sealed()
    await expect(proof.prove(value, scope)).rejects.toMatchObject({ code: 'SELF_CHECK_FAILED' })
  })

  test('leaves no key in memory', async () => {
    const kms = new MemoryKms()
    const { proof, sealed } = seal(kms)
    await proof.prove(await sealed(), scope)
    await new Promise((resolve) => setImmediate(resolve))
    expect(kms.handedOut.at(-1)).toEqual(Buffer.alloc(32))
  })

  test('is tried again after trouble of KMS', async () => {
    const kms = new MemoryKms()
    const { proof, sealed } = seal(kms)
    const value = await sealed()
    kms.beforeAnswer = () => {
      throw new ThrottledError('too many')
    }
    await expect(proof.prove(value, scope)).rejects.toMatchObject({ code: 'KMS_THROTTLED' })
    kms.beforeAnswer = () => undefined
    await proof.prove(value, scope)
  })

  test('is not needed for direct values, which KMS opened itself', () => {
    const kms = new MemoryKms()
    const direct = Buffer.concat([Buffer.from('C1010200000000', 'hex'), Buffer.alloc(100, 1)])
    expect(new DataKeyProof(kms).prove(direct, scope)).toBeUndefined()
    expect(kms.count('decrypt')).toBe(0)
  })
})

describe('The proof of a stored data key', () => {
  const ciphers: Cipher[] = []
  afterEach(() => {
    for (const cipher of ciphers.splice(0)) cipher.close()
  })

  async function sealed(kms: MemoryKms, store: MemoryStore): Promise<Buffer> {
    const cipher = new Cipher(kms, LIMITS)
    ciphers.push(cipher)
    const withStore = cipher.withStore(store, { renewAfter: 60_000, lease: 60_000 })
    return withStore.encrypt('a value', { mode: 'envelope', keyId: 'key', scope, usesStoredKey: true })
  }

  test('takes one call for all values under it, and leaves no key in memory', async () => {
    const [kms, store] = [new MemoryKms(), new MemoryStore()]
    const value = await sealed(kms, store)
    const proof = new DataKeyProof(kms, store)
    await Promise.all([proof.prove(value, scope), proof.prove(value, scope)])
    expect(kms.count('decrypt')).toBe(1)
    expect(kms.handedOut.at(-1)).toEqual(Buffer.alloc(32))
  })

  test('fails where the store does not have it, or was not told of', async () => {
    const [kms, store] = [new MemoryKms(), new MemoryStore()]
    const value = await sealed(kms, store)
    for (const other of [new MemoryStore(), undefined]) {
      await expect(new DataKeyProof(kms, other).prove(value, scope)).rejects.toMatchObject({
        code: 'SELF_CHECK_FAILED',
      })
    }
    store.change({ encrypted: undefined })
    await expect(new DataKeyProof(kms, store).prove(value, scope)).rejects.toMatchObject({
      code: 'SELF_CHECK_FAILED',
    })
    expect(kms.count('decrypt')).toBe(0)
  })

  test.each([
    ['opens it to another key', (kms: MemoryKms) => (kms.blobs[0]!.plaintext = Buffer.alloc(32, 7))],
    ['does not open it', (kms: MemoryKms) => (kms.blobs.length = 0)],
  ])('fails where KMS %s', async (_, change) => {
    const [kms, store] = [new MemoryKms(), new MemoryStore()]
    const value = await sealed(kms, store)
    change(kms)
    const before = kms.handedOut.length
    await expect(new DataKeyProof(kms, store).prove(value, scope)).rejects.toMatchObject({
      code: 'SELF_CHECK_FAILED',
      cause: expect.objectContaining({ kind: 'value' }),
    })
    for (const bytes of kms.handedOut.slice(before)) expect(bytes).toEqual(Buffer.alloc(32))
  })

  test('is tried again after trouble of KMS, which is not taken for a failed proof', async () => {
    const [kms, store] = [new MemoryKms(), new MemoryStore()]
    const value = await sealed(kms, store)
    const proof = new DataKeyProof(kms, store)
    kms.beforeAnswer = () => {
      throw new ThrottledError('too many')
    }
    await expect(proof.prove(value, scope)).rejects.toMatchObject({ code: 'KMS_THROTTLED' })
    kms.beforeAnswer = () => undefined
    await proof.prove(value, scope)
  })
})
