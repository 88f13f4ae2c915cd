import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Bench } from '../support/bench'
import {} from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { quantile } from '../support/statistics'
import { Table } from '../support/tables'
import { privateKey } from '../support/workload'

/** Milliseconds of traffic, of an answer of KMS, and for which short-lived data keys are used. */
const DURATION = Number(process.env['BENCH_STEADY_SECONDS'] ?? 12) * 1_000
const LATENCY = 50
const MAX_AGE = 1_000
const OLD_ROWS = 50

/** Constant traffic under data keys that expire all the time, and in turns with it under one that does not. */
export async function steadyState({ kms, allPlaces, report }: Bench): Promise<void> {
  for (const place of allPlaces) {
    const open = (maxAge: number) => Table.open(place, EncryptedUser, { kms, options: { cache: { maxAge } } })
    const [short, long] = [await open(MAX_AGE), await open(3_600_000)]
    const sides = [short, long].map((table) => ({ table, took: [] as number[], next: 1 }))
    kms.answerAfter(LATENCY)
    try {
      for (const { table } of sides)
        await table.repository.save(Array.from({ length: OLD_ROWS }, () => ({ privateKey: privateKey() })))
      const misses = short.encryption?.metrics().dataKeys.misses ?? 0
      const end = performance.now() + DURATION
      while (performance.now() < end) {
        for (const side of sides) {
          // Each request comes in a turn of its own; otherwise a driver that does not wait would let no timer run.
          await nextTurn()
          const start = performance.now()
          const { id } = await side.table.repository.save({ privateKey: privateKey() })
          await side.table.repository.findOneByOrFail({ id })
          await side.table.repository.findOneBy({ id: (side.next++ % OLD_ROWS) + 1 })
          side.took.push(performance.now() - start)
        }
      }
      const waited = (short.encryption?.metrics().dataKeys.misses ?? 0) - misses
      const [ofShort = 0, ofLong = 0] = sides.map(({ took }) => quantile(took, 0.999))
      report.find({
        measure: `${sides[0]?.took.length ?? 0} requests one after the other, KMS at ${LATENCY} ms, data keys of ${MAX_AGE / 1_000} s against an hour`,
        on: place.name,
        measured: `${waited} waited for KMS; 99.9th percentile ${ofShort.toFixed(2)} against ${ofLong.toFixed(2)} ms = ${(ofShort / ofLong).toFixed(2)} ×, medians ${sides.map(({ took }) => quantile(took, 0.5).toFixed(2)).join(' and ')} ms`,
        target: '0 waited, 99.9th percentile ≤ 1.1 ×',
        met: waited === 0 && ofShort / ofLong <= 1.1,
      })
    } finally {
      kms.answerAfter(0)
      for (const { table } of sides) {
        await table.repository.clear()
        await table.close()
      }
    }
  }
}
