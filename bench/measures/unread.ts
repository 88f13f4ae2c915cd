import { type Bench } from '../support/bench'
import { BlobUser, PlainUser, UnreadUser } from '../support/entities'
import { timeInTurns } from '../support/rounds'
import { median, ratios } from '../support/statistics'
import { Table } from '../support/tables'
import { newUsers, privateKeys, ROWS } from '../support/workload'

const MEASURE = `list of ${ROWS.toLocaleString('en')} rows that shows no secret, open: 'on-read'`

/** Reads a whole table as entities, and no encrypted property of them. */
export async function unreadRows({ kms, places, report, quick }: Bench): Promise<void> {
  for (const place of places) {
    const plain = await Table.open(place, PlainUser)
    const blob = await Table.open(place, BlobUser)
    const unread = await Table.open(place, UnreadUser, { kms })
    try {
      const values = privateKeys(ROWS)
      await plain.repository.save(newUsers(values), { chunk: 1_000 })
      await unread.repository.save(newUsers(values), { chunk: 1_000 })
      await blob.insertRaw(await unread.stored())
      const samples = await timeInTurns(
        [
          { name: 'plain TypeORM', run: () => plain.repository.find() },
          { name: 'plain TypeORM, as many bytes', run: () => blob.repository.find() },
          { name: 'this library', run: () => unread.repository.find() },
        ] as const,
        { rounds: quick ? 11 : 31, warmUp: 4 },
      )
      report.time({ measure: MEASURE, on: place.name, unit: 'ms', samples, base: 'plain TypeORM' })
      const [ratio, ofBytes] = [samples['plain TypeORM'], samples['plain TypeORM, as many bytes']].map(
        (base) => median(ratios(samples['this library'], base)),
      )
      report.find({
        measure: MEASURE,
        on: place.name,
        measured: `${ratio?.toFixed(2) ?? ''} × plain, ${ofBytes?.toFixed(2) ?? ''} × plain with as many bytes`,
        target: '≤ 1.05 × plain',
        met: (ratio ?? Infinity) <= 1.05,
      })
    } finally {
      for (const table of [plain, blob, unread]) {
        await table.repository.clear()
        await table.close()
      }
    }
  }
}
