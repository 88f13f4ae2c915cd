import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { withContext } from '../../../../src/access'
import { channels, type KmsCallEvent } from '../../../../src/diagnostics'
import { CallLog } from '../../../../src/kms/aws/call-log'
import { pass, startClock, stopClock } from '../../../support/clock'

beforeEach(stopClock)
afterEach(startClock)

const call = (operation: KmsCallEvent['operation'] = 'Decrypt') => ({
  operation,
  keyId: 'alias/app',
  waited: 7,
})
const attempts = (count: number) => ({ $metadata: { attempts: count } })

/** What is published while something runs. */
async function published(run: () => Promise<void>): Promise<unknown[]> {
  const events: unknown[] = []
  const listener = (event: unknown): void => void events.push(event)
  subscribe(channels.kmsCall.name, listener)
  try {
    await run()
  } finally {
    unsubscribe(channels.kmsCall.name, listener)
  }
  return events
}

describe('The log of calls to KMS', () => {
  test('counts them by operation when they start', () => {
    const log = new CallLog()
    expect(log.calls).toEqual({ GenerateDataKey: 0, Encrypt: 0, Decrypt: 0, ReEncrypt: 0 })
    for (const operation of ['Decrypt', 'ReEncrypt', 'Decrypt', 'Encrypt'] as const)
      log.start(call(operation))
    expect(log.calls).toEqual({ GenerateDataKey: 0, Encrypt: 1, Decrypt: 2, ReEncrypt: 1 })
    expect(log.outcomes).toEqual({})
    expect(log.requests).toBe(0)
  })

  test('sums up how they ended, and how long they took', async () => {
    const log = new CallLog()
    for (const [operation, outcome, milliseconds] of [
      ['Decrypt', 'ok', 20],
      ['Decrypt', 'KMS_THROTTLED', 300],
      ['Decrypt', 'ok', 5],
      ['Encrypt', 'ok', 1],
    ] as const) {
      const ended = log.start(call(operation))
      await pass(milliseconds)
      ended(outcome, {})
    }
    expect(log.outcomes).toEqual({
      Decrypt: { ok: { calls: 2, milliseconds: 25 }, KMS_THROTTLED: { calls: 1, milliseconds: 300 } },
      Encrypt: { ok: { calls: 1, milliseconds: 1 } },
    })
  })

  test('gives sums that do not change afterwards', () => {
    const log = new CallLog()
    log.start(call())('ok', {})
    const { outcomes } = log
    log.start(call())('ok', {})
    expect(outcomes.Decrypt?.['ok']?.calls).toBe(1)
    expect(log.outcomes.Decrypt?.['ok']?.calls).toBe(2)
  })

  test('counts the requests that the SDK says it sent, and one where it does not say', () => {
    const log = new CallLog()
    for (const answer of [attempts(3), {}, undefined, null, { $metadata: {} }, 'text'])
      log.start(call())('ok', answer)
    expect(log.requests).toBe(3 + 5)
  })

  test('tells whoever listens, with the context of whoever asked', async () => {
    const log = new CallLog()
    const events = await published(async () => {
      const ended = withContext({ user: 'alice', reason: 'report' }, () => log.start(call('Encrypt')))
      await pass(12)
      ended('KMS_UNAVAILABLE', attempts(2))
    })
    expect(events).toStrictEqual([
      {
        operation: 'Encrypt',
        keyId: 'alias/app',
        waited: 7,
        outcome: 'KMS_UNAVAILABLE',
        milliseconds: 12,
        attempts: 2,
        context: { user: 'alice', reason: 'report' },
      },
    ])
  })

  test('tells of no context where there was none when the call started', async () => {
    const log = new CallLog()
    const events = await published(() => {
      const ended = log.start(call())
      withContext({ user: 'alice' }, () => {
        ended('ok', {})
      })
      return Promise.resolve()
    })
    expect(events).toStrictEqual([{ ...call(), outcome: 'ok', milliseconds: 0, attempts: 1 }])
  })
})
