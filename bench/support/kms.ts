import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'

export const KEY = 'alias/bench'
/** Milliseconds that the embedded KMS takes for an answer where calls count; AWS takes about as long. */
export const LATENCY = 10

export interface BenchKms {
  kms: LocalKms
  client: KMSClient
  keyArn: string
  /** From now on each answer comes so many milliseconds after its request. */
  answerAfter: (milliseconds: number) => void
}

/** The embedded KMS with one key, answering at once. */
export async function startKms(): Promise<BenchKms> {
  const kms = new LocalKms({ quiet: true })
  const { requestHandler: inner } = kms
  let latency = 0
  const requestHandler: typeof inner = Object.assign(Object.create(inner) as typeof inner, {
    async handle(...request: Parameters<typeof inner.handle>) {
      const due = performance.now() + latency
      const answer = await inner.handle(...request)
      await until(due)
      return answer
    },
  })
  const client = new KMSClient({
    region: kms.region,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler,
  })
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await client.send(new CreateAliasCommand({ AliasName: KEY, TargetKeyId: KeyMetadata!.KeyId }))
  return {
    kms,
    client,
    keyArn: KeyMetadata!.Arn!,
    answerAfter(milliseconds) {
      latency = milliseconds
    },
  }
}

/** Waits until a time of `performance.now()`. Node's timers alone are up to two milliseconds late. */
async function until(due: number): Promise<void> {
  const early = due - performance.now() - 2
  if (early > 0) await delay(early)
  while (performance.now() < due) await nextTurn()
}
