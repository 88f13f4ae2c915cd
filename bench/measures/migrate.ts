import { type DataSource, type QueryRunner } from 'typeorm'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { timeInTurns } from '../support/rounds'
import { median } from '../support/statistics'
import { Table } from '../support/tables'
import { newUsers, privateKeys, ROWS } from '../support/workload'

/** Rows of one UPDATE: the default of `encryptColumns`. */
const BATCH = 500
const MEASURE = `encryptColumns, ${ROWS.toLocaleString('en')} rows`

type Rows = readonly (readonly [id: number, stored: Buffer])[]

/** Encrypts a column of plaintext in place, beside UPDATEs of the same ciphertexts that are there already. */
export async function migrateRows({ kms, places, report, quick }: Bench): Promise<void> {
  for (const place of places) {
    const table = await Table.open(place, EncryptedUser, { kms })
    const { dataSource, repository } = table
    const values = privateKeys(ROWS)
    await repository.clear()
    await repository.save(newUsers(values), { chunk: 1_000 })
    const sealed = (await table.stored()).map(([id, stored]) => [id, stored as Buffer] as const)
    const plaintext: Rows = sealed.map(([id], index) => [id, Buffer.from(values[index]!)])
    const prepare = async (): Promise<void> => {
      await repository.clear()
      await table.insertRaw(plaintext)
    }
    const bare = await bareUpdates(place, dataSource)
    const samples = await timeInTurns(
      [
        { name: 'bare updates', prepare, run: () => bare.write(sealed) },
        {
          name: 'encryptColumns',
          prepare,
          run: () => encryptColumns(dataSource, EncryptedUser, ['privateKey'], { batchSize: BATCH }),
        },
      ],
      { rounds: quick ? 5 : 11, warmUp: 2 },
    )
    await bare.end()
    await repository.clear()
    await table.close()
    const on = place.name
    report.time({ measure: MEASURE, on, unit: 'ms', samples, base: 'bare updates' })
    const rate = (times: readonly number[]): string =>
      Math.round((ROWS / median(times)) * 1_000).toLocaleString('en')
    report.note(
      `${MEASURE}, ${on}: ${rate(samples['encryptColumns'])} rows/s, bare updates ${rate(samples['bare updates'])} rows/s.`,
    )
  }
}

interface Writer {
  write(rows: Rows): Promise<unknown>
  end(): Promise<unknown>
}

/** The statements of the engine with nothing else: no reading, no comparing, no encrypting. */
async function bareUpdates({ options }: Place, dataSource: DataSource): Promise<Writer> {
  const [first, second] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()]
  const { tableName } = dataSource.getMetadata(EncryptedUser)
  if (options.type === 'better-sqlite3') {
    const connection = (await first.connect()) as SqliteConnection
    const update = connection.prepare(`UPDATE "${tableName}" SET "privateKey" = ? WHERE "id" = ?`)
    const write = connection.transaction((rows: Rows) => {
      for (const [id, stored] of rows) update.run(stored, id)
    })
    return {
      write(rows) {
        for (const batch of batches(rows)) write.immediate(batch)
        return Promise.resolve()
      },
      end: () => Promise.all([first.release(), second.release()]),
    }
  }
  const writeOn = async (lane: QueryRunner, rest: Iterable<Rows>): Promise<void> => {
    for (const batch of rest) {
      const cases = batch.map(() => 'WHEN `id` = ? THEN ?').join(' ')
      await lane.query('START TRANSACTION')
      await lane.query(
        `UPDATE \`${tableName}\` SET \`privateKey\` = CASE ${cases} ELSE \`privateKey\` END WHERE \`id\` IN (${batch.map(() => '?').join(', ')})`,
        [...batch.flat(), ...batch.map(([id]) => id)],
      )
      await lane.query('COMMIT')
    }
  }
  return {
    // Two connections, as many as encryptColumns writes over by default.
    write(rows) {
      const rest = batches(rows)
      return Promise.all([first, second].map((lane) => writeOn(lane, rest)))
    },
    end: () => Promise.all([first.release(), second.release()]),
  }
}

/** What is used of better-sqlite3. */
interface SqliteConnection {
  prepare(sql: string): { run(...parameters: unknown[]): unknown }
  transaction<T>(body: (rows: T) => void): { immediate(rows: T): void }
}

function* batches(rows: Rows): Generator<Rows> {
  for (let start = 0; start < rows.length; start += BATCH) yield rows.slice(start, start + BATCH)
}
