import { type KMSClient } from '@aws-sdk/client-kms'
import { type LocalKms } from '../../../../src/local-kms'

/** What takes the place of fields of the answers, by operation; `undefined` takes a field away. */
export type Changes = Readonly<Record<string, object | ((answer: object) => object)>>

/** A client of an embedded KMS, some of whose answers are changed: for what no KMS is known to answer. */
export function alteredClient(local: LocalKms, changes: Changes): KMSClient {
  const client = local.client({ maxAttempts: 1 })
  client.middlewareStack.add((next, { commandName = '' }) => async (request) => {
    const result = await next(request)
    const change = changes[commandName.replace(/Command$/, '')]
    if (change === undefined) return result
    const fields = typeof change === 'function' ? change(result.output) : change
    return { ...result, output: { ...result.output, ...fields } }
  })
  return client
}
