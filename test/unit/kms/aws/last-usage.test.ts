import { GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import { lastUsage } from '../../../../src/kms/aws/last-usage'
import { LocalKms } from '../../../../src/local-kms'
import { createKey } from '../keys'
import { alteredClient } from './altered-client'

const CREATED = Date.parse('2026-03-01T00:00:00Z')

describe('The last use of a KMS key', () => {
  test('is its operation and its time, and since when account is kept', async () => {
    let now = CREATED
    const local = new LocalKms({ now: () => now })
    const client = local.client()
    const [used, unused] = [await createKey(local), await createKey(local)]
    now += 86_400_000
    await client.send(new GenerateDataKeyCommand({ KeyId: used, KeySpec: 'AES_256' }))
    expect(await lastUsage(client, used)).toEqual({
      operation: 'GenerateDataKey',
      at: new Date(now),
      trackedSince: new Date(CREATED),
    })
    expect(await lastUsage(client, unused)).toEqual({
      operation: undefined,
      at: undefined,
      trackedSince: new Date(CREATED),
    })
  })

  test('is none, where an answer leaves out that there was none', async () => {
    const local = new LocalKms({ now: () => CREATED })
    const client = alteredClient(local, { GetKeyLastUsage: { KeyLastUsage: undefined } })
    expect(await lastUsage(client, await createKey(local))).toEqual({
      operation: undefined,
      at: undefined,
      trackedSince: new Date(CREATED),
    })
  })

  test.each([
    ['the caller may not ask', { deny: 'GetKeyLastUsage' }],
    ['what answers knows no such operation', { fail: () => 'UnknownOperationException' }],
    ['KMS cannot be reached', { outage: true }],
  ])('is not known, and no error, where %s', async (_, faults) => {
    const local = new LocalKms()
    const arn = await createKey(local)
    local.misbehave(faults)
    expect(await lastUsage(local.client({ maxAttempts: 1 }), arn)).toBeUndefined()
  })
})
