import { type Bench } from '../support/bench'
import { type Contest, withContest } from '../support/contest'
import { timeInTurns } from '../support/rounds'
import { differences, median, ratios } from '../support/statistics'
import { type Table } from '../support/tables'
import { newUsers, privateKeys, ROWS } from '../support/workload'

/** Rows of one INSERT; `save` sends one per chunk. */
const CHUNK = 1_000
const MEASURE = `save of ${ROWS.toLocaleString('en')} new rows`

/** Saves new entities, `save(users, { chunk: 1000 })`, into an empty table. */
export async function saveNewRows({ kms, places, report, quick }: Bench): Promise<void> {
  for (const place of places) {
    await withContest(place, kms, async (contest) => {
      const samples = await timeSaves(contest, quick ? 7 : 21)
      const on = place.name
      report.time({ measure: MEASURE, on, unit: 'ms', samples, base: 'plain TypeORM' })
      const peer = median(ratios(samples['this library'], samples['typeorm-encrypted']))
      report.find({
        measure: MEASURE,
        on,
        measured: `${peer.toFixed(2)} × typeorm-encrypted`,
        target: 'no slower than typeorm-encrypted',
        met: peer <= 1,
      })
      const added = differences(samples['this library'], samples['plain TypeORM'])
      const ratio = median(ratios(added, samples['bare encryptions']))
      report.find({
        measure: `${MEASURE}, added to plain TypeORM`,
        on,
        measured: `${median(added).toFixed(1)} ms = ${ratio.toFixed(2)} × bare encryptions`,
        target: '≤ 1.4 × bare encryptions',
        met: ratio <= 1.4,
      })
    })
  }
}

async function timeSaves(
  { plain, blob, bareTransformed, transformed, encrypted, bare }: Contest,
  rounds: number,
) {
  const values = privateKeys(ROWS)
  const blobs = values.map((value) => Buffer.from(value.padEnd(349)))
  let users: { privateKey: string }[] = []
  let blobUsers: { privateKey: Buffer }[] = []
  const anew = (table: Table<{ id: number }>) => async () => {
    await table.repository.clear()
    users = newUsers(values)
  }
  return timeInTurns(
    [
      {
        name: 'plain TypeORM',
        prepare: anew(plain),
        run: () => plain.repository.save(users, { chunk: CHUNK }),
      },
      {
        name: 'plain TypeORM, as many bytes',
        async prepare() {
          await blob.repository.clear()
          blobUsers = blobs.map((value) => ({ privateKey: value }))
        },
        run: () => blob.repository.save(blobUsers, { chunk: CHUNK }),
      },
      {
        name: 'bare transformer',
        prepare: anew(bareTransformed),
        run: () => bareTransformed.repository.save(users, { chunk: CHUNK }),
      },
      {
        name: 'this library',
        prepare: anew(encrypted),
        run: () => encrypted.repository.save(users, { chunk: CHUNK }),
      },
      {
        name: 'typeorm-encrypted',
        prepare: anew(transformed),
        run: () => transformed.repository.save(users, { chunk: CHUNK }),
      },
      { name: 'bare encryptions', run: () => values.map((value) => bare.seal(value)) },
    ],
    { rounds },
  )
}
