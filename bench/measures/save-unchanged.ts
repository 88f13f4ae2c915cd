import { type Bench } from '../support/bench'
import { type Contest, withContest } from '../support/contest'
import { type Run, timeInTurns } from '../support/rounds'
import { differences, median, ratios } from '../support/statistics'
import { newUsers, privateKeys, ROWS } from '../support/workload'

const CHUNK = 1_000
const MEASURE = `save of ${ROWS.toLocaleString('en')} unchanged rows`

/** Saves entities as they were found. TypeORM reads their rows to compare. */
export async function saveUnchangedRows({ kms, places, report, quick }: Bench): Promise<void> {
  for (const place of places) {
    await withContest(place, kms, async (contest) => {
      const { samples, updates, peerUpdates } = await timeSaves(contest, quick)
      const on = place.name
      report.time({ measure: MEASURE, on, unit: 'ms', samples, base: 'plain TypeORM' })
      report.find({
        measure: MEASURE,
        on,
        measured: `${updates} UPDATEs (typeorm-encrypted: ${peerUpdates})`,
        target: '0 UPDATEs',
        met: updates === 0,
      })
      const added = differences(samples['this library'], samples['plain TypeORM'])
      const ratio = median(ratios(added, samples['bare decryptions']))
      report.find({
        measure: `${MEASURE}, added to plain TypeORM`,
        on,
        measured: `${median(added).toFixed(1)} ms = ${ratio.toFixed(2)} × bare decryptions`,
        target: 'the decryption of the rows read (≤ 1.4 × bare decryptions)',
        met: ratio <= 1.4,
      })
    })
  }
}

async function timeSaves({ plain, transformed, encrypted, bare }: Contest, quick: boolean) {
  const values = privateKeys(ROWS)
  const sealed = values.map((value) => bare.seal(value))
  for (const { repository } of [plain, transformed, encrypted]) {
    await repository.save(newUsers(values), { chunk: CHUNK })
  }
  const users = await plain.repository.find()
  const transformedUsers = await transformed.repository.find()
  const encryptedUsers = await encrypted.repository.find()

  encrypted.statements.reset()
  transformed.statements.reset()
  await encrypted.repository.save(encryptedUsers, { chunk: CHUNK })
  const peer = {
    name: 'typeorm-encrypted',
    run: () => transformed.repository.save(transformedUsers, { chunk: CHUNK }),
  } as const satisfies Run
  const peerSamples = await timeInTurns([peer], { rounds: quick ? 1 : 3, warmUp: 0 })
  const rounds = quick ? 1 : 3

  const samples = await timeInTurns(
    [
      { name: 'plain TypeORM', run: () => plain.repository.save(users, { chunk: CHUNK }) },
      { name: 'this library', run: () => encrypted.repository.save(encryptedUsers, { chunk: CHUNK }) },
      { name: 'bare decryptions', run: () => sealed.map((bytes) => bare.open(bytes)) },
    ],
    { rounds: quick ? 7 : 21 },
  )
  return {
    samples: { ...samples, ...peerSamples },
    updates: encrypted.statements.count('UPDATE'),
    peerUpdates: transformed.statements.count('UPDATE') / rounds,
  }
}
