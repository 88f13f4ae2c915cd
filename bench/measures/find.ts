import { type Bench } from '../support/bench'
import { type Contest, withContest } from '../support/contest'
import { timeInTurns } from '../support/rounds'
import { differences, median, ratios } from '../support/statistics'
import { newUsers, privateKeys, ROWS } from '../support/workload'

const MEASURE = `find of ${ROWS.toLocaleString('en')} rows`

/** Reads a whole table as entities. */
export async function findRows({ kms, places, report, quick }: Bench): Promise<void> {
  for (const place of places) {
    await withContest(place, kms, async (contest) => {
      const samples = await timeFinds(contest, quick ? 11 : 31)
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
      const ratio = median(ratios(added, samples['bare decryptions']))
      report.find({
        measure: `${MEASURE}, added to plain TypeORM`,
        on,
        measured: `${median(added).toFixed(1)} ms = ${ratio.toFixed(2)} × bare decryptions`,
        target: '≤ 1.4 × bare decryptions',
        met: ratio <= 1.4,
      })
    })
  }
}

async function timeFinds(
  { plain, blob, bareTransformed, transformed, encrypted, bare }: Contest,
  rounds: number,
) {
  const values = privateKeys(ROWS)
  const sealed = values.map((value) => bare.seal(value))
  const chunk = 1_000
  await plain.repository.save(newUsers(values), { chunk })
  await bareTransformed.repository.save(newUsers(values), { chunk })
  await transformed.repository.save(newUsers(values), { chunk })
  await encrypted.repository.save(newUsers(values), { chunk })
  await blob.insertRaw(await encrypted.stored())
  return timeInTurns(
    [
      { name: 'plain TypeORM', run: () => plain.repository.find() },
      { name: 'plain TypeORM, as many bytes', run: () => blob.repository.find() },
      { name: 'bare transformer', run: () => bareTransformed.repository.find() },
      { name: 'this library', run: () => encrypted.repository.find() },
      { name: 'typeorm-encrypted', run: () => transformed.repository.find() },
      { name: 'bare decryptions', run: () => sealed.map((bytes) => bare.open(bytes)) },
    ],
    { rounds, warmUp: 4 },
  )
}
