import { type Channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import { type KMSClient } from '@aws-sdk/client-kms'
import { channels } from '../../../../src/diagnostics'
import { ClosedError, UntrustedKeyError } from '../../../../src/errors'
import { AwsKms } from '../../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../../src/local-kms'
import { inTime, pass, startClock, stopClock } from '../../../support/clock'
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

/** A client of a Region, with what each request is answered or refused with. */
function clientOf(
  region: string,
  send: (command: { input: object }, options: Settings) => unknown,
): KMSClient {
  return { send, config: { region: () => Promise.resolve(region) } } as unknown as KMSClient
}

interface Settings {
  abortSignal: AbortSignal
}

const hang = (): Promise<never> => new Promise(() => undefined)

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

describe('A call to move a ciphertext', () => {
  const MOVED = { SourceKeyId: 'arn:1', KeyId: 'arn:2', CiphertextBlob: Buffer.alloc(184, 1) }

  test('names the key that it is under where that is known, and none where it is not', async () => {
    const asked: object[] = []
    const client = clientOf('us-east-1', ({ input }) => {
      asked.push(input)
      return Promise.resolve(MOVED)
    })
    const kms = new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    const blob = Buffer.alloc(184)
    const moved = await kms.reEncrypt(blob, CONTEXT, 'alias/new', { table: 'b' }, { keyReference: 'arn:1' })
    expect(moved).toMatchObject({ keyReference: 'arn:2', wasUnderIt: false })
    await kms.reEncrypt(blob, CONTEXT, 'alias/new', { table: 'b' })
    const asWell = {
      CiphertextBlob: blob,
      SourceEncryptionContext: CONTEXT,
      DestinationKeyId: 'alias/new',
      DestinationEncryptionContext: { table: 'b' },
    }
    expect(asked).toEqual([{ ...asWell, SourceKeyId: 'arn:1' }, asWell])
  })

  test('names the key as the Region does that is asked', async () => {
    const key = (region: string, id: string): string => `arn:aws:kms:${region}:111122223333:key/${id}`
    const asked: object[] = []
    const clients = [
      clientOf('us-east-1', () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))),
      clientOf('eu-west-1', ({ input }) => {
        asked.push(input)
        return Promise.resolve(MOVED)
      }),
    ]
    const kms = new AwsKms({ client: clients, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    await kms.reEncrypt(Buffer.alloc(184), CONTEXT, key('us-east-1', 'mrk-2'), CONTEXT, {
      keyReference: key('us-east-1', 'mrk-1'),
    })
    expect(asked).toMatchObject([
      { SourceKeyId: key('eu-west-1', 'mrk-1'), DestinationKeyId: key('eu-west-1', 'mrk-2') },
    ])
  })
})

describe('What is told of the calls', () => {
  test('is their number, and not the client', async () => {
    const { local, kms } = setUp()
    const keyArn = await createKey(local)
    const { encrypted } = await kms.generateDataKey(keyArn, CONTEXT)
    await kms.encrypt(keyArn, Buffer.from('x'), CONTEXT)
    await kms.decrypt(encrypted, CONTEXT)
    await kms.reEncrypt(encrypted, CONTEXT, keyArn, CONTEXT)
    await kms.reEncrypt(encrypted, CONTEXT, keyArn, CONTEXT)
    expect(kms.calls).toEqual({ GenerateDataKey: 1, Encrypt: 1, Decrypt: 1, ReEncrypt: 2 })
    expect(inspect(kms, { depth: Infinity, showHidden: true })).toBe('AwsKms { calls: 5 }')
  })

  test('is how long one waited for its turn', async () => {
    stopClock()
    await pass(5)
    const answers: ((answer: object) => void)[] = []
    const client = clientOf('us-east-1', () => new Promise((resolve) => answers.push(resolve)))
    const kms = new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    const events: unknown[] = []
    const listener = (event: unknown): void => void events.push(event)
    subscribe(channels.kmsCall.name, listener)
    const both = [1, 2].map(() => kms.encrypt('alias/app', Buffer.alloc(1), CONTEXT))
    for (const milliseconds of [30, 4]) {
      await pass(milliseconds)
      answers.shift()?.({ KeyId: 'arn:1', CiphertextBlob: Buffer.alloc(184) })
      await setImmediate()
    }
    await Promise.all(both)
    unsubscribe(channels.kmsCall.name, listener)
    expect(events).toMatchObject([
      { operation: 'Encrypt', keyId: 'alias/app', outcome: 'ok', waited: 0, milliseconds: 30 },
      { operation: 'Encrypt', keyId: 'alias/app', outcome: 'ok', waited: 30, milliseconds: 4 },
    ])
  })

  test.each([
    [undefined, false],
    [[], true],
    [['111122223333'], true],
  ])('is whether keys are named that are trusted: %p', (trusted, areNamed) => {
    expect(setUp({ trusted }).kms.trustsNamedKeysOnly).toBe(areNamed)
  })

  test('are the clients that it has, that of the own Region first', () => {
    const clients = [new LocalKms().client(), new LocalKms().client()]
    const kms = new AwsKms({ client: clients, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    expect(kms.client).toBe(clients[0])
    expect(kms.clients).toHaveLength(2)
    for (const [i, client] of clients.entries()) expect(kms.clients[i]).toBe(client)
  })
})

describe('A KMS that does not answer', () => {
  const trustedKeys = new TrustedKeys(undefined)
  const encrypt = (kms: AwsKms): Promise<unknown> =>
    inTime(kms.encrypt('alias/app', Buffer.alloc(1), CONTEXT), 50)

  beforeEach(stopClock)

  test('has the whole time-out where it is of the only Region, and the request is then aborted', async () => {
    let aborted: AbortSignal | undefined
    const client = clientOf('us-east-1', (_, { abortSignal }) => {
      aborted = abortSignal
      return hang()
    })
    const kms = new AwsKms({ client, concurrency: 1, timeout: 4_000, trustedKeys })
    const began = performance.now()
    const failed = encrypt(kms)
    await expect(failed).rejects.toThrow('within 4,000 ms (the timeout option)')
    await expect(failed).rejects.not.toThrow('other Regions')
    expect(performance.now() - began).toBe(4_000)
    expect(aborted?.aborted).toBe(true)
  })

  test('has an equal share of the time-out in each Region', async () => {
    const clients = ['us-east-1', 'eu-west-1', 'ap-south-1'].map((region) => clientOf(region, hang))
    const kms = new AwsKms({ client: clients, concurrency: 1, timeout: 4_000, trustedKeys })
    const began = performance.now()
    await expect(encrypt(kms)).rejects.toThrow(
      "within 1,334 ms (one of 3 Regions' shares of the timeout option)",
    )
    expect(performance.now() - began).toBeGreaterThanOrEqual(4_000)
    expect(performance.now() - began).toBeLessThan(4_200)
  })

  test('is as it was before as soon as it refuses a call', async () => {
    const refusal = { name: 'AccessDeniedException', $fault: 'client', $metadata: { httpStatusCode: 400 } }
    let send: () => Promise<unknown> = hang
    const client = clientOf('us-east-1', () => send())
    const kms = new AwsKms({ client, concurrency: 5, timeout: 1_000, trustedKeys })
    await expect(encrypt(kms)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    await pass(1_000)
    send = () => Promise.reject(Object.assign(new Error('no'), refusal))
    await expect(encrypt(kms)).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    // All of them are sent, where after a time-out one at a time would try.
    const codes = [1, 2, 3].map(() =>
      encrypt(kms).catch((error: unknown) => (error as { code: string }).code),
    )
    expect(await Promise.all(codes)).toEqual(Array(3).fill('KMS_ACCESS_DENIED'))
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

  test('the client that it made itself is closed', () => {
    const kms = new AwsKms({ concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    const { client } = kms
    expect(kms.clients).toEqual([client])
    const destroy = jest.spyOn(client, 'destroy')
    kms.close()
    kms.close()
    expect(destroy).toHaveBeenCalledTimes(1)
  })

  test('a client that was given is left to its owner', () => {
    const local = new LocalKms()
    const client = local.client()
    const destroy = jest.spyOn(client, 'destroy')
    new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) }).close()
    expect(destroy).not.toHaveBeenCalled()
  })
})
