import { Cipher } from '../../../src/cipher/cipher'
import { keyTag } from '../../../src/cipher/format'
import { Rewrap } from '../../../src/cipher/rewrap'
import { Scope } from '../../../src/cipher/scope'
import { AwsKms } from '../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../src/local-kms'
import { createKey } from '../kms/keys'
import { MemoryKms } from './memory-kms'
import { directOf, envelopeOf } from './parsed'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const limits = { maxAge: 60_000, maxValues: 1_000, maxKeys: 10 }
const local = new LocalKms()
const kms = new AwsKms({ client: local.client(), concurrency: 5, trustedKeys: new TrustedKeys(undefined) })
const cipher = new Cipher(kms, limits)
let from: string
let to: string

/** A process that holds no data keys. */
async function read(ciphertext: Buffer, at = scope): Promise<string> {
  const reader = new Cipher(kms, limits)
  const plaintext = await reader.decrypt(ciphertext, at)
  reader.close()
  return plaintext.toString()
}

const rewrap = (): Rewrap => new Rewrap(kms.reEncrypt.bind(kms), to)

beforeAll(async () => {
  from = await createKey(local)
  to = await createKey(local)
})

beforeEach(() => {
  local.calls.reset()
})

afterAll(() => {
  cipher.close()
})

describe('Moving an envelope ciphertext to another KMS key', () => {
  test('changes the key tag and the encrypted data key, and not the sealed value', async () => {
    const before = await cipher.encrypt('secret', { mode: 'envelope', keyId: from, scope })
    const end = envelopeOf(before).prefixLength
    const after = await rewrap().envelope(envelopeOf(before), scope)
    expect(after.subarray(3, 7)).toEqual(keyTag(to))
    expect(after.subarray(9, end)).not.toEqual(before.subarray(9, end))
    expect(envelopeOf(after).rest).toEqual(before.subarray(end))
    expect(await read(after)).toBe('secret')
    expect(await read(before)).toBe('secret')
  })

  test('is one call to KMS for all values under one data key, also at the same time', async () => {
    const values = await Promise.all(
      ['a', 'b', 'c'].map((text) => cipher.encrypt(text, { mode: 'envelope', keyId: from, scope })),
    )
    local.calls.reset()
    const mover = rewrap()
    const moved = await Promise.all(values.map((value) => mover.envelope(envelopeOf(value), scope)))
    expect(local.calls.map(({ operation }) => operation)).toEqual(['ReEncrypt'])
    expect(await Promise.all(moved.map((value) => read(value)))).toEqual(['a', 'b', 'c'])
  })

  test('is one call for each data key, and gives each value its own', async () => {
    const writers = [new Cipher(kms, limits), new Cipher(kms, limits)]
    const values = await Promise.all(
      writers.map((writer, n) => writer.encrypt(`of ${n}`, { mode: 'envelope', keyId: from, scope })),
    )
    for (const writer of writers) writer.close()
    local.calls.reset()
    const mover = rewrap()
    const moved = await Promise.all(values.map((value) => mover.envelope(envelopeOf(value), scope)))
    expect(local.calls.map(({ operation }) => operation)).toEqual(['ReEncrypt', 'ReEncrypt'])
    expect(await Promise.all(moved.map((value) => read(value)))).toEqual(['of 0', 'of 1'])
  })

  test('fails under another context, and can be tried again', async () => {
    const value = await cipher.encrypt('secret', { mode: 'envelope', keyId: from, scope })
    const mover = rewrap()
    const wrong = new Scope({ table: 'order' }, { column: 'token' })
    await expect(mover.envelope(envelopeOf(value), wrong)).rejects.toMatchObject({
      code: 'CIPHERTEXT_WRONG_CONTEXT',
    })
    local.misbehave({ fail: () => 'KMSInternalException' })
    await expect(mover.envelope(envelopeOf(value), scope)).rejects.toMatchObject({
      code: 'KMS_UNAVAILABLE',
    })
    local.misbehave({})
    expect(await read(await mover.envelope(envelopeOf(value), scope))).toBe('secret')
  })
})

describe('A value that is under the KMS key already', () => {
  const keyArn = 'arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab'
  const replica = keyArn.replace('us-east-1', 'eu-west-1')
  const moverTo = (wasUnderIt: boolean | undefined, keyReference: string): Rewrap => {
    const answer = {
      ciphertext: Buffer.alloc(184, 7),
      keyReference,
      ...(wasUnderIt !== undefined && { wasUnderIt }),
    }
    return new Rewrap(() => Promise.resolve(answer), keyReference)
  }
  const other = new Scope({ table: 'user' }, { column: 'renamed' })

  test('is left as it is, where another Region wrote it under its replica of the key', async () => {
    const memory = new MemoryKms()
    const writer = new Cipher(memory, limits)
    const keyId = replica
    const envelope = envelopeOf(await writer.encrypt('x', { mode: 'envelope', keyId, scope }))
    const direct = directOf(await writer.encrypt('x', { mode: 'direct', keyId, scope }))
    writer.close()
    for (const [was, reference, isLeft] of [
      [true, keyArn, true],
      [true, replica, true],
      [false, keyArn, false],
      [undefined, keyArn, false],
      [true, memory.keyArn, false],
    ] as const) {
      const mover = moverTo(was, reference)
      expect((await mover.envelope(envelope, scope)).equals(envelope.bytes)).toBe(isLeft)
      expect((await mover.direct(direct, scope, scope)).equals(direct.bytes)).toBe(isLeft)
      // Under another context the blob is another one.
      expect((await mover.direct(direct, scope, other)).equals(direct.bytes)).toBe(false)
    }
  })
})

describe('Moving a direct ciphertext to another KMS key', () => {
  test.each([['secret'], ['']])('keeps the value %p and can give it another context', async (text) => {
    const renamed = new Scope({ table: 'user' }, { column: 'renamed' })
    const before = await cipher.encrypt(text, { mode: 'direct', keyId: from, scope })
    const after = await rewrap().direct(directOf(before), scope, renamed)
    expect(after.subarray(0, 7)).toEqual(Buffer.concat([before.subarray(0, 3), keyTag(to)]))
    expect(await read(after, renamed)).toBe(text)
    await expect(read(after)).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
  })

  test('binds a bare blob of another program to the column', async () => {
    const { ciphertext } = await kms.encrypt(from, Buffer.from('theirs'), {})
    const after = await rewrap().bare(Buffer.from(ciphertext), {}, scope)
    expect(after.subarray(0, 3).toString('hex')).toBe('c10102')
    expect(await read(after)).toBe('theirs')
  })
})
