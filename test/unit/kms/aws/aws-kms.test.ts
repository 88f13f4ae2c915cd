import { type Channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate } from 'node:timers/promises'
import { type KMSClient } from '@aws-sdk/client-kms'
import { channels } from '../../../../src/diagnostics'
import { ClosedError, UntrustedKeyError } from '../../../../src/errors'
import { AwsKms } from '../../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../../src/local-kms'
import { inTime, startClock, stopClock } from '../../../support/clock'
import { createKey } from '../keys'

const CONTEXT = { table: 'user' }

afterEach(startClock)

function setUp({ trusted, concurrency = 5 }: { trusted?: string[]; concurrency?: number } = {}): {
  local: LocalKms
  kms: AwsKms
} {
  const local = new LocalKms()
  const kms = new AwsKms({ client: local.client(), concurrency, trustedKeys: new TrustedKeys(trusted) })
  return { local, kms }
}

/** The next message on a diagnostics channel. */
function once({ name }: Channel): Promise<unknown> {
  return new Promise((resolve) => {
    const listener = (message: unknown): void => {
      unsubscribe(name, listener)
      resolve(message)
    }
    subscribe(name, listener)
  })
}

/** A client that gives one answer: for what a real KMS cannot be made to answer. */
function answering(answer: object): AwsKms {
  const client = { send: () => Promise.resolve(answer) } as unknown as KMSClient
  return new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(['111122223333']) })
}

describe('The calls', () => {
  test('make data keys of 32 bytes, encrypt and decrypt, and say which key was used', async () => {
    const { local, kms } = setUp()
    const keyArn = await createKey(local, 'alias/app')
    const dataKey = await kms.generateDataKey('alias/app', CONTEXT)
    expect(dataKey.plaintext).toHaveLength(32)
    expect(dataKey.keyReference).toBe(keyArn)
    expect(await kms.decrypt(dataKey.encrypted, CONTEXT)).toEqual({
      plaintext: dataKey.plaintext,
      keyReference: keyArn,
    })
    const { ciphertext } = await kms.encrypt('alias/app', Buffer.from('x'), CONTEXT)
    expect(await kms.decrypt(ciphertext, CONTEXT)).toEqual({
      plaintext: Buffer.from('x'),
      keyReference: keyArn,
    })
    expect(local.calls.filter(({ operation }) => operation === 'Decrypt')).toHaveLength(2)
  })

  test('under another context are refused', async () => {
    const { local, kms } = setUp()
    const { encrypted } = await kms.generateDataKey(await createKey(local), CONTEXT)
    for (const context of [{}, { table: 'order' }, { ...CONTEXT, column: 'x' }]) {
      await expect(kms.decrypt(encrypted, context as Record<string, string>)).rejects.toMatchObject({
        code: 'CIPHERTEXT_WRONG_CONTEXT',
      })
    }
  })

  test.each([1, 3, 20])('are at most %d at once, and all are made', async (concurrency) => {
    const local = new LocalKms()
    const keyArn = await createKey(local)
    const client = local.client()
    let underWay = 0
    let most = 0
    client.middlewareStack.add((next) => async (request) => {
      most = Math.max(most, ++underWay)
      return next(request).finally(() => underWay--)
    })
    const kms = new AwsKms({ client, concurrency, trustedKeys: new TrustedKeys(undefined) })
    local.misbehave({ latency: 2 })
    local.calls.reset()
    await Promise.all(Array.from({ length: 60 }, () => kms.generateDataKey(keyArn, CONTEXT)))
    expect(local.calls.count('GenerateDataKey')).toBe(60)
    expect(most).toBe(concurrency)
  })

  test('go on after others have failed', async () => {
    const { local, kms } = setUp({ concurrency: 1 })
    const keyArn = await createKey(local)
    const results = await Promise.allSettled(
      [keyArn, 'alias/none', keyArn].map((keyId) => kms.generateDataKey(keyId, CONTEXT)),
    )
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})

describe('Trusted keys', () => {
  test('are demanded of every answer of KMS', async () => {
    const local = new LocalKms()
    const [mine, theirs] = [await createKey(local), await createKey(local)]
    const client = local.client()
    const open = new AwsKms({ client, concurrency: 5, trustedKeys: new TrustedKeys(undefined) })
    const strict = new AwsKms({ client, concurrency: 5, trustedKeys: new TrustedKeys([mine]) })
    const { ciphertext } = await open.encrypt(theirs, Buffer.from('x'), CONTEXT)
    await expect(strict.decrypt(ciphertext, CONTEXT)).rejects.toBeInstanceOf(UntrustedKeyError)
    await expect(strict.encrypt(theirs, Buffer.from('x'), CONTEXT)).rejects.toBeInstanceOf(UntrustedKeyError)
    await expect(strict.generateDataKey(theirs, CONTEXT)).rejects.toBeInstanceOf(UntrustedKeyError)
    await expect(strict.generateDataKey(mine, CONTEXT)).resolves.toMatchObject({ keyReference: mine })
  })
})

describe('Key material', () => {
  const keyArn = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
  const foreign = keyArn.replace('111122223333', '444455556666')
  const blob = Buffer.alloc(184, 1)

  test('is not left in the answer of the SDK', async () => {
    const Plaintext = new Uint8Array(32).fill(7)
    const { plaintext } = await answering({ Plaintext, CiphertextBlob: blob, KeyId: keyArn }).generateDataKey(
      'x',
      {},
    )
    expect(plaintext).toEqual(Buffer.alloc(32, 7))
    expect(Buffer.from(Plaintext)).toEqual(Buffer.alloc(32))
  })

  test('of a key that is not trusted is zero-filled', async () => {
    for (const ask of [
      (kms: AwsKms) => kms.generateDataKey('x', {}),
      (kms: AwsKms) => kms.decrypt(blob, {}),
    ]) {
      const Plaintext = new Uint8Array(32).fill(7)
      const kms = answering({ Plaintext, CiphertextBlob: blob, KeyId: foreign })
      await expect(ask(kms)).rejects.toBeInstanceOf(UntrustedKeyError)
      expect([...Plaintext].every((byte) => byte === 0)).toBe(true)
    }
  })

  test('is zero-filled if the rest of the answer is missing', async () => {
    for (const rest of [{ KeyId: keyArn }, { CiphertextBlob: blob }]) {
      const Plaintext = new Uint8Array(32).fill(7)
      await expect(answering({ Plaintext, ...rest }).generateDataKey('x', {})).rejects.toMatchObject({
        code: 'KMS_REQUEST_FAILED',
      })
      expect([...Plaintext].every((byte) => byte === 0)).toBe(true)
    }
  })

  test.each<[string, (kms: AwsKms) => Promise<unknown>]>([
    ['GenerateDataKey', (kms) => kms.generateDataKey('x', {})],
    ['Decrypt', (kms) => kms.decrypt(blob, {})],
  ])('is zero-filled if the answer to %s comes after the time-out', async (operation, ask) => {
    const Plaintext = new Uint8Array(32).fill(7)
    let answer!: (response: object) => void
    // A client that does not heed the signal to abort, as one with a request handler of its own may.
    const send = () => new Promise((resolve) => (answer = resolve))
    const client = { send } as unknown as KMSClient
    const kms = new AwsKms({ client, concurrency: 1, timeout: 10, trustedKeys: new TrustedKeys(undefined) })
    stopClock()
    await expect(inTime(ask(kms))).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    const ended = once(channels.kmsCall)
    answer({ Plaintext, CiphertextBlob: blob, KeyId: keyArn })
    expect(await ended).toMatchObject({ operation, outcome: 'KMS_UNAVAILABLE' })
    expect(Buffer.from(Plaintext)).toEqual(Buffer.alloc(32))
    // The place in the queue is free again, and an answer in time is left alone.
    const next = ask(kms)
    await setImmediate()
    answer({ Plaintext: new Uint8Array(32).fill(8), CiphertextBlob: blob, KeyId: keyArn })
    await expect(next).resolves.toMatchObject({ plaintext: Buffer.alloc(32, 8) })
  })

  test('that is missing is an error', async () => {
    await expect(answering({ KeyId: keyArn }).decrypt(blob, {})).rejects.toMatchObject({
      code: 'KMS_REQUEST_FAILED',
    })
  })
})

describe('After close()', () => {
  test('nothing is asked of KMS any more, and what waits is refused', async () => {
    const { local, kms } = setUp({ concurrency: 1 })
    const keyArn = await createKey(local)
    const { ciphertext } = await kms.encrypt(keyArn, Buffer.from('x'), CONTEXT)
    local.calls.reset()
    local.misbehave({ latency: 20 })
    const underWay = kms.decrypt(ciphertext, CONTEXT)
    const waiting = kms.decrypt(ciphertext, CONTEXT)
    await setImmediate()
    kms.close()
    await expect(waiting).rejects.toBeInstanceOf(ClosedError)
    await expect(underWay).resolves.toMatchObject({ keyReference: keyArn })
    await expect(kms.encrypt(keyArn, Buffer.from('x'), CONTEXT)).rejects.toBeInstanceOf(ClosedError)
    await expect(kms.generateDataKey(keyArn, CONTEXT)).rejects.toBeInstanceOf(ClosedError)
    expect(local.calls.count()).toBe(1)
  })

  test('a client that was given is left to its owner', () => {
    const local = new LocalKms()
    const client = local.client()
    const destroy = jest.spyOn(client, 'destroy')
    new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) }).close()
    expect(destroy).not.toHaveBeenCalled()
  })
})
