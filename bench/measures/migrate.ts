import { setTimeout as sleep } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import { type DataSource, type QueryRunner } from 'typeorm'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { transformed } from '../contenders/typeorm-encrypted'
import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { timeInTurns } from '../support/rounds'
import { median, ratios } from '../support/statistics'
import { Table } from '../support/tables'

/** The aim is for 1,000,000. */
const ROWS = Number(process.env['BENCH_ENCRYPT_ROWS'] ?? 10_000)
/** Rows of one UPDATE: the default of `encryptColumns`. */
const BATCH = 500
/** What a value of 128 characters takes when it is encrypted. */
const STORED_BYTES = 349
const AIM = 1.5
const MEASURE = `encryptColumns, ${ROWS.toLocaleString('en')} rows`

/** Encrypts a column of plaintext in place, beside UPDATEs of as many bytes that are there already. */
export async function migrateRows({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  for (const place of allPlaces) {
    const table = await Table.open(place, EncryptedUser, { kms })
    const { dataSource, repository } = table
    const prepare = async (): Promise<void> => {
      await repository.clear()
      await dataSource.query(plaintextRows(place))
    }
    const bare = await bareUpdates(place, dataSource)
    const memory: number[] = []
    const isLarge = ROWS > 50_000
    const samples = await timeInTurns(
      [
        { name: 'bare updates', prepare, run: () => bare.write(batches()) },
        { name: 'typeorm-encrypted in a script', prepare, run: () => byScript(dataSource, bare) },
        {
          name: 'encryptColumns',
          prepare,
          run: () =>
            whileWatching(memory, () =>
              encryptColumns(dataSource, EncryptedUser, ['privateKey'], { batchSize: BATCH }),
            ),
        },
      ],
      { rounds: isLarge ? 1 : quick ? 5 : 9, warmUp: isLarge ? 0 : 2 },
    )
    await bare.end()
    await repository.clear()
    await table.close()
    const on = place.name
    report.time({ measure: MEASURE, on, unit: 'ms', samples, base: 'bare updates' })
    const ratio = median(ratios(samples['encryptColumns'], samples['bare updates']))
    const rate = (times: readonly number[]): string =>
      Math.round((ROWS / median(times)) * 1_000).toLocaleString('en')
    const isAim = place.options.type !== 'better-sqlite3'
    report.find({
      measure: MEASURE,
      on,
      measured: `${ratio.toFixed(2)} × bare updates (${rate(samples['encryptColumns'])} against ${rate(samples['bare updates'])} rows/s; typeorm-encrypted in a script ${rate(samples['typeorm-encrypted in a script'])})${isLarge ? `, ${heldIn(memory)}` : ''}`,
      target: isAim ? `≤ ${AIM} × bare updates` : 'measured',
      met: !isAim || ratio <= AIM,
    })
  }
}

/** Values of 128 characters that the database makes itself, in ids from 1 on. */
function plaintextRows({ options: { type } }: Place): string {
  const into = type === 'postgres' ? 'INSERT INTO encrypted_user (id, "privateKey")' : 'INSERT INTO encrypted_user (id, privateKey)' // prettier-ignore
  if (type === 'postgres')
    return `${into} SELECT g, convert_to(encode(sha512(g::text::bytea), 'hex'), 'UTF8') FROM generate_series(1, ${ROWS}) g`
  if (type === 'better-sqlite3')
    return `${into} WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ${ROWS}) SELECT n, CAST(hex(randomblob(64)) AS BLOB) FROM s`
  return `${into} SELECT seq, SHA2(seq, 512) FROM seq_1_to_${ROWS}`
}

type Rows = readonly (readonly [id: number, stored: Buffer])[]

/** Made as they are needed, so that a million rows are never there at once. */
function* batches(): Generator<Rows> {
  for (let first = 1; first <= ROWS; first += BATCH) {
    const length = Math.min(BATCH, ROWS - first + 1)
    const bytes = randomBytes(length * STORED_BYTES)
    yield Array.from({ length }, (_, at) => [
      first + at,
      bytes.subarray(at * STORED_BYTES, (at + 1) * STORED_BYTES),
    ])
  }
}

/**
 * What a user of typeorm-encrypted, which has no tool for that, writes: page by page, with nothing
 * locked, compared or proven to open.
 */
async function byScript(dataSource: DataSource, writer: Writer): Promise<void> {
  const table = dataSource.driver.escape(dataSource.getMetadata(EncryptedUser).tableName)
  const value = dataSource.driver.escape('privateKey')
  for (let last = 0; last < ROWS; last += BATCH) {
    const rows = await dataSource.query<{ id: number; privateKey: Buffer }[]>(
      `SELECT id, ${value} FROM ${table} WHERE id > ${last} ORDER BY id LIMIT ${BATCH}`,
    )
    await writer.write([
      rows.map(({ id, privateKey }) => [id, Buffer.from(transformed(privateKey.toString()))]),
    ])
  }
}

/** Notes twice in a second what is held, in bytes. */
async function whileWatching(memory: number[], work: () => Promise<unknown>): Promise<void> {
  const done = new AbortController()
  const watching = (async () => {
    while (!done.signal.aborted) {
      const { heapUsed, external } = process.memoryUsage()
      memory.push(heapUsed + external)
      await sleep(500, undefined, { signal: done.signal }).catch(() => undefined)
    }
  })()
  try {
    await work()
  } finally {
    done.abort()
    await watching
  }
}

function heldIn(memory: readonly number[]): string {
  const quarter = Math.ceil(memory.length / 4)
  const [second, last] = [memory.slice(quarter, 2 * quarter), memory.slice(-quarter)].map((part) =>
    (Math.max(...part) / 1e6).toFixed(0),
  )
  return `at most ${second ?? ''} MB held in the second quarter, ${last ?? ''} MB in the last`
}

interface Writer {
  write(batches: Iterable<Rows>): Promise<unknown>
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
      write(all) {
        for (const batch of all) write.immediate(batch)
        return Promise.resolve()
      },
      end: () => Promise.all([first.release(), second.release()]),
    }
  }
  const update = options.type === 'postgres' ? ofPostgres : ofMysql
  const writeOn = async (lane: QueryRunner, rest: Iterable<Rows>): Promise<void> => {
    for (const batch of rest) {
      await lane.query('START TRANSACTION')
      await lane.query(...update(tableName, batch))
      await lane.query('COMMIT')
    }
  }
  return {
    // Two connections, as many as encryptColumns writes over by default.
    write: (all) => Promise.all([first, second].map((lane) => writeOn(lane, all))),
    end: () => Promise.all([first.release(), second.release()]),
  }
}

function ofMysql(tableName: string, batch: Rows): [sql: string, parameters: unknown[]] {
  const cases = batch.map(() => 'WHEN `id` = ? THEN ?').join(' ')
  return [
    `UPDATE \`${tableName}\` SET \`privateKey\` = CASE ${cases} ELSE \`privateKey\` END WHERE \`id\` IN (${batch.map(() => '?').join(', ')})`,
    [...batch.flat(), ...batch.map(([id]) => id)],
  ]
}

function ofPostgres(tableName: string, batch: Rows): [sql: string, parameters: unknown[]] {
  return [
    `UPDATE "${tableName}" SET "privateKey" = v.stored FROM unnest($1::int[], $2::bytea[]) AS v (id, stored) WHERE "${tableName}"."id" = v.id`,
    [batch.map(([id]) => id), batch.map(([, stored]) => stored)],
  ]
}

/** What is used of better-sqlite3. */
interface SqliteConnection {
  prepare(sql: string): { run(...parameters: unknown[]): unknown }
  transaction<T>(body: (rows: T) => void): { immediate(rows: T): void }
}
