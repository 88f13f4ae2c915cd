import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { LATENCY } from '../support/kms'
import { collectGarbage } from '../support/rounds'
import { differences, median, type Samples } from '../support/statistics'
import { Table } from '../support/tables'
import { newUsers, privateKeys, ROWS } from '../support/workload'

const DATA_KEYS = 100
/** The library's default for KMS calls at once. */
const PARALLEL = 20
/** The first rounds are not recorded: V8 compiles what is hot. */
const WARM_UP = 6
const ROUNDS = 21
const MEASURE = 'cold read of 10,000 rows under 100 data keys, KMS at 10 ms'

/** Reads rows whose data keys are not in memory, and then again. */
export async function coldRead(bench: Bench): Promise<void> {
  for (const place of bench.places) await coldReadOn(place, bench)
}

async function coldReadOn(place: Place, { kms, report }: Bench): Promise<void> {
  const rowsPerKey = ROWS / DATA_KEYS
  const writer = await Table.open(place, EncryptedUser, {
    kms,
    options: { cache: { maxValues: rowsPerKey } },
  })
  await writer.repository.clear()
  kms.kms.calls.reset()
  await writer.repository.save(newUsers(privateKeys(ROWS)), { chunk: rowsPerKey })
  // The next data key is made ahead, and used as soon as it is there: so there may be a few more.
  const dataKeys = kms.kms.calls.count()
  const stored = await writer.stored()
  await writer.close()

  const cold: number[] = []
  const warm: number[] = []
  let calls = 0
  kms.answerAfter(LATENCY)
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const reader = await Table.open(place, EncryptedUser, { kms })
    if ((await reader.repository.count()) === 0) await reader.insertRaw(stored)
    kms.kms.calls.reset()
    const first = await timeFind(reader)
    calls = Math.max(calls, kms.kms.calls.count())
    const second = await timeFind(reader)
    if (round >= 0) {
      cold.push(first)
      warm.push(second)
    }
    await reader.close()
  }
  kms.answerAfter(0)
  const cleaner = await Table.open(place, EncryptedUser, { kms })
  await cleaner.repository.clear()
  await cleaner.close()
  reportColdRead(report, place, { cold, warm, calls, dataKeys })
}

async function timeFind(table: Table<EncryptedUser>): Promise<number> {
  collectGarbage('minor')
  const start = performance.now()
  await table.repository.find()
  return performance.now() - start
}

function reportColdRead(
  report: Bench['report'],
  { name: on }: Place,
  { cold, warm, calls, dataKeys }: { cold: Samples; warm: Samples; calls: number; dataKeys: number },
): void {
  const waiting = Math.ceil(dataKeys / PARALLEL) * LATENCY
  const ratio = median(cold.map((time, round) => time / (waiting + warm[round]!)))
  report.time({
    measure: MEASURE,
    on,
    unit: 'ms',
    samples: { 'warm read': warm, 'cold read': cold },
    base: 'warm read',
  })
  report.find({
    measure: `${MEASURE}: calls`,
    on,
    measured: String(calls),
    target: `≤ ${dataKeys}, the data keys that were made`,
    met: calls <= dataKeys,
  })
  report.find({
    measure: `${MEASURE}: time`,
    on,
    measured: `${median(cold).toFixed(0)} ms, ${median(differences(cold, warm)).toFixed(0)} more than warm = ${ratio.toFixed(2)} × (${waiting} ms + warm read)`,
    target: `≤ 1.2 × (${waiting} ms + warm read)`,
    met: ratio <= 1.2,
  })
}
