import * as diagnostics from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from '@swc/core'

it('the OpenTelemetry example of the documentation counts and times what is published', () => {
  const document = readFileSync(join(__dirname, '../../docs/opentelemetry.md'), 'utf8')
  const [, example] = /```ts\n(import[\s\S]*?)```/.exec(document)!
  const { code } = transformSync(example!, {
    jsc: { parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  })
  const recorded: unknown[] = []
  const instrument = (name: string) => {
    const note = (value: number, attributes: object) => recorded.push([name, value, attributes])
    return { record: note, add: note }
  }
  const api = { metrics: { getMeter: () => ({ createHistogram: instrument, createCounter: instrument }) } }
  // Tests that run in this process afterwards are not to be watched.
  const subscribed: Parameters<typeof diagnostics.subscribe>[] = []
  const subscribe = (...each: Parameters<typeof diagnostics.subscribe>): void => {
    subscribed.push(each)
    diagnostics.subscribe(...each)
  }
  const load = (name: string): unknown =>
    name === '@opentelemetry/api' ? api : { ...diagnostics, subscribe }
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- it is ours
  new Function('require', 'exports', code)(load, {})

  const publish = (name: string, event: object) => {
    diagnostics.channel(`typeorm-kms-encrypted:${name}`).publish(event)
  }
  publish('kms-call', { operation: 'Decrypt', outcome: 'ok', milliseconds: 4, waited: 0, attempts: 2 })
  publish('data-key', { purpose: 'decrypt', outcome: 'miss' })
  publish('value', { action: 'decrypt', mode: 'envelope', entity: 'User', property: 'token' })
  for (const each of subscribed) diagnostics.unsubscribe(...each)
  expect(recorded).toEqual([
    ['kms.call.duration', 4, { operation: 'Decrypt', outcome: 'ok' }],
    ['kms.requests', 2, { operation: 'Decrypt' }],
    ['kms.data_keys', 1, { purpose: 'decrypt', outcome: 'miss' }],
    ['kms.values', 1, { action: 'decrypt', mode: 'envelope', column: 'User.token' }],
  ])
})
