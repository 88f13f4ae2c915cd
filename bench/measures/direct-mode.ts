import { DecryptCommand, EncryptCommand } from '@aws-sdk/client-kms'
import { type Bench } from '../support/bench'
import { sqliteInMemory } from '../support/databases'
import { DirectUser } from '../support/entities'
import { KEY, LATENCY } from '../support/kms'
import { timeInTurns } from '../support/rounds'
import { median, ratios } from '../support/statistics'
import { Table } from '../support/tables'
import { newUsers, privateKeys } from '../support/workload'

const VALUES = 1_000
const PARALLEL = 20
/** Of these, because one after the other takes more than ten seconds for all. */
const VALUES_IN_SEQUENCE = 100
const MEASURE = 'direct mode, 1,000 values, KMS at 10 ms'

/** One KMS call per value: by this library, and by hand as in KMS's own tutorial. */
export async function directMode({ kms, report }: Bench): Promise<void> {
  const { client } = kms
  const values = privateKeys(VALUES)
  const encrypt = (value: string): Promise<unknown> =>
    client.send(new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from(value) }))
  const table = await Table.open(sqliteInMemory(), DirectUser, { kms })
  const blobs = await Promise.all(
    values.map((value) => client.send(new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from(value) }))),
  )
  kms.answerAfter(LATENCY)
  const samples = await timeInTurns(
    [
      {
        name: 'save',
        prepare: () => table.repository.clear(),
        run: () => table.repository.save(newUsers(values), { chunk: VALUES }),
      },
      { name: 'find', run: () => table.repository.find() },
      {
        name: 'insert',
        prepare: () => table.repository.clear(),
        run: () => table.repository.insert(newUsers(values)),
      },
      { name: 'by hand, 20 at once: encrypt', run: () => inTurns(values, PARALLEL, encrypt) },
      {
        name: 'by hand, 20 at once: decrypt',
        run: () =>
          inTurns(blobs, PARALLEL, ({ CiphertextBlob }) =>
            client.send(new DecryptCommand({ CiphertextBlob })),
          ),
      },
    ],
    { rounds: 7 },
  )
  const sequence = await timeInTurns(
    [{ name: 'one after the other', run: () => inTurns(values.slice(0, VALUES_IN_SEQUENCE), 1, encrypt) }],
    { rounds: 3, warmUp: 0 },
  )
  kms.answerAfter(0)
  await table.close()
  const inSequence = sequence['one after the other'].map((time) => (time * VALUES) / VALUES_IN_SEQUENCE)
  if (median(inSequence) < VALUES * LATENCY) throw new Error('The embedded KMS answers too early')
  report.time({
    measure: MEASURE,
    unit: 'ms',
    samples: { ...samples, 'by hand, one after the other (from 100)': inSequence },
    base: 'by hand, 20 at once: encrypt',
  })
  const limit = (VALUES / PARALLEL) * LATENCY
  for (const name of ['save', 'insert', 'find'] as const) {
    const ratio = median(samples[name]) / limit
    const hand = samples[`by hand, 20 at once: ${name === 'find' ? 'decrypt' : 'encrypt'}`]
    report.find({
      measure: `${MEASURE}: ${name}`,
      on: 'SQLite in memory',
      measured: `${median(samples[name]).toFixed(0)} ms = ${ratio.toFixed(2)} × ${limit} ms, ${median(ratios(samples[name], hand)).toFixed(2)} × by hand`,
      target: '≤ 1.2 × 1,000 / 20 × 10 ms',
      met: ratio <= 1.2,
    })
  }
}

/** Runs the calls, so many at once. */
async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  call: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of rest) await call(item)
    }),
  )
}
