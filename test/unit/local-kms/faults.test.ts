import { CreateKeyCommand, GenerateRandomCommand, ListKeysCommand } from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'
import { inTime, startClock, stopClock, until } from '../../support/clock'

const list = () => new ListKeysCommand({})
const named = (name: string): unknown => expect.objectContaining({ name })

describe('An embedded KMS that is told to misbehave', () => {
  const kms = new LocalKms()
  const once = kms.client({ maxAttempts: 1 })

  beforeEach(() => {
    kms.misbehave({})
    kms.calls.reset()
  })

  test('answers after the latency, which may depend on the operation', async () => {
    kms.misbehave({ latency: (operation) => (operation === 'ListKeys' ? 400 : 0) })
    stopClock()
    try {
      await once.send(new GenerateRandomCommand({ NumberOfBytes: 1 }))
      const start = performance.now()
      await inTime(once.send(list()))
      expect(performance.now() - start).toBeGreaterThanOrEqual(400)
    } finally {
      startClock()
    }
  })

  test('refuses connections during an outage, and the SDK retries', async () => {
    kms.misbehave({ outage: true })
    await expect(kms.client({ maxAttempts: 2 }).send(list())).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(kms.calls).toEqual([
      { operation: 'ListKeys', region: 'us-east-1', time: expect.any(Date), outcome: 'refused' },
      { operation: 'ListKeys', region: 'us-east-1', time: expect.any(Date), outcome: 'refused' },
    ])
  })

  test('never answers while it hangs, until the caller gives up', async () => {
    kms.misbehave({ outage: 'hang' })
    const impatient = new AbortController()
    const sent = once.send(list(), { abortSignal: impatient.signal })
    await until(() => kms.calls.length === 1)
    impatient.abort()
    await expect(sent).rejects.toEqual(named('AbortError'))
    await expect(once.send(list(), { requestTimeout: 30 })).rejects.toEqual(named('TimeoutError'))
    expect(kms.calls.map(({ outcome }) => outcome)).toEqual(['hung', 'hung'])
  })

  test('lets a delayed request be aborted', async () => {
    let isDelayed = false
    kms.misbehave({
      latency: () => {
        isDelayed = true
        return 600_000
      },
    })
    const impatient = new AbortController()
    const sent = once.send(list(), { abortSignal: impatient.signal })
    await until(() => isDelayed)
    impatient.abort()
    await expect(sent).rejects.toEqual(named('AbortError'))
    expect(kms.calls.map(({ outcome }) => outcome)).toEqual(['aborted'])
  })

  test('denies the operations named, and no others', async () => {
    kms.misbehave({ deny: ['ListKeys', 'Decrypt'] })
    await expect(once.send(list())).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringMatching(/is not authorized to perform: kms:ListKeys/),
      $metadata: { httpStatusCode: 400 },
    })
    await once.send(new GenerateRandomCommand({ NumberOfBytes: 1 }))
    kms.misbehave({ deny: 'GenerateRandom' })
    await once.send(list())
  })

  test('throttles the share of calls that it is told to, and the SDK’s retries get through', async () => {
    kms.misbehave({ throttle: 1 })
    await expect(once.send(list())).rejects.toEqual(named('ThrottlingException'))
    kms.misbehave({ throttle: 0.5 })
    const random = jest.spyOn(Math, 'random')
    try {
      random.mockReturnValue(0.49)
      await expect(once.send(list())).rejects.toEqual(named('ThrottlingException'))
      random.mockReturnValue(0.5)
      await once.send(list())
      random.mockReturnValueOnce(0.49)
      await kms.client({ maxAttempts: 2 }).send(list())
    } finally {
      random.mockRestore()
    }
  })

  test('fails with the exception chosen per call, counting from 1', async () => {
    kms.misbehave({
      fail: (operation, call) =>
        operation === 'ListKeys' && call === 2 ? 'KMSInternalException' : undefined,
    })
    await once.send(list())
    await expect(once.send(list())).rejects.toMatchObject({
      name: 'KMSInternalException',
      $metadata: { httpStatusCode: 500 },
    })
    await once.send(list())
    expect(kms.calls.map(({ outcome }) => outcome)).toEqual(['ok', 'KMSInternalException', 'ok'])
  })

  test('is healed by misbehave({})', async () => {
    kms.misbehave({ outage: true, latency: 1000, throttle: 1 })
    kms.misbehave({})
    await expect(once.send(list())).resolves.toMatchObject({ Keys: [] })
  })

  test('refuses faults that cannot be', () => {
    expect(() => {
      kms.misbehave({ throttle: 20 })
    }).toThrow(RangeError)
    expect(() => {
      kms.misbehave({ latency: -1 })
    }).toThrow(RangeError)
  })
})

describe('The record of calls', () => {
  test('counts calls by operation and in all, and forgets them when told to', async () => {
    const kms = new LocalKms({ now: () => 1_000_000 })
    await kms.client().send(list())
    await kms.client().send(new CreateKeyCommand({}))
    expect([kms.calls.count('ListKeys'), kms.calls.count('Decrypt'), kms.calls.count()]).toEqual([1, 0, 2])
    expect(kms.calls[0]).toEqual({
      operation: 'ListKeys',
      region: 'us-east-1',
      time: new Date(1_000_000),
      outcome: 'ok',
    })
    kms.calls.reset()
    expect(kms.calls).toHaveLength(0)
  })
})
