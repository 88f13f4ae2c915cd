import { DataSource } from 'typeorm'
import { Cipher, type Recipe } from '../../src/cipher/cipher'
import { AwsKms } from '../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../src/kms/aws/trusted-keys'
import { scope } from '../contenders/library'
import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { KEY } from '../support/kms'
import { MemoryStore } from '../support/memory-store'
import { privateKey } from '../support/workload'

const ROWS = 100_000
const LIMITS = { maxAge: 3_600_000, maxValues: 2 ** 32, maxKeys: 10 }
/** Bytes of the buffer pool while rows are read from disk: less than each of the tables. */
const SMALL_POOL = 8 * 2 ** 20

/** What a table scan reads, and how much of the buffer pool the rows fill, beside plain values and inline data keys. */
export async function fullScan({ kms, places, report }: Bench): Promise<void> {
  const service = new AwsKms({ client: kms.client, concurrency: 20, trustedKeys: new TrustedKeys(undefined) })
  const inline = new Cipher(service, LIMITS)
  const stored = new Cipher(service, LIMITS).withStore(new MemoryStore(), {
    renewAfter: 3_600_000,
    lease: 3_600_000,
  })
  const recipe = (usesStoredKey: boolean): Recipe => ({ mode: 'envelope', keyId: KEY, scope, usesStoredKey })
  await inline.prepare(recipe(false))
  await stored.prepare(recipe(true))
  const values = {
    plain: () => Buffer.from(privateKey()),
    inline: () => inline.encryptNow(privateKey(), recipe(false)),
    stored: () => stored.encryptNow(privateKey(), recipe(true)),
  }
  for (const place of places) {
    if (place.options.type !== 'mysql') continue
    const seen = await scan(place, values)
    const text = Object.entries(seen).map(([name, { read, pool }]) => `${name} ${mb(read)} and ${mb(pool)}`)
    report.find({
      measure: `full scan of ${ROWS.toLocaleString('en')} rows: bytes read from disk, and of the buffer pool`,
      on: place.name,
      measured: text.join('; '),
      target: 'stored ≤ inline',
      met: (seen['stored']?.read ?? NaN) <= (seen['inline']?.read ?? NaN),
    })
  }
  inline.close()
  stored.close()
}

type Seen = Record<string, { read: number; pool: number }>

async function scan(place: Place, values: Record<string, () => Buffer | undefined>): Promise<Seen> {
  const dataSource = await new DataSource(place.options).initialize()
  const query = <Row>(sql: string, parameters?: unknown[]): Promise<Row[]> =>
    dataSource.query(sql, parameters)
  const [before] = await query<{ size: string }>('SELECT @@innodb_buffer_pool_size AS size')
  const seen: Seen = {}
  try {
    for (const [name, value] of Object.entries(values)) {
      await query(`CREATE TABLE scan_${name} (id int PRIMARY KEY, v blob NOT NULL)`)
      for (let from = 0; from < ROWS; from += 1_000) {
        const rows = Array.from({ length: 1_000 }, (_, at) => [from + at, value()])
        await query(`INSERT INTO scan_${name} VALUES ${rows.map(() => '(?, ?)').join(', ')}`, rows.flat())
      }
    }
    for (const name of Object.keys(values)) {
      await query(`SET GLOBAL innodb_buffer_pool_size = ${SMALL_POOL}`)
      await resized(query)
      // Whatever of the table is left in the pool leaves with another one.
      for (const other of Object.keys(values))
        if (other !== name) await query(`SELECT SUM(LENGTH(v)) FROM scan_${other}`)
      const start = await dataRead(query)
      await query(`SELECT SUM(LENGTH(v)) FROM scan_${name}`)
      const read = (await dataRead(query)) - start
      await query(`ANALYZE TABLE scan_${name}`)
      const [table] = await query<{ pool: string }>(
        'SELECT data_length AS pool FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
        [`scan_${name}`],
      )
      seen[name] = { read, pool: Number(table?.pool) }
    }
    return seen
  } finally {
    await query(`SET GLOBAL innodb_buffer_pool_size = ${before?.size ?? SMALL_POOL}`)
    for (const name of Object.keys(values)) await query(`DROP TABLE IF EXISTS scan_${name}`)
    await dataSource.destroy()
  }
}

type Query = <Row>(sql: string, parameters?: unknown[]) => Promise<Row[]>

async function dataRead(query: Query): Promise<number> {
  const [row] = await query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Innodb_data_read'")
  return Number(row?.Value)
}

async function resized(query: Query): Promise<void> {
  for (;;) {
    const [row] = await query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_resize_status'")
    if (row === undefined || /^$|complet/i.test(row.Value)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}
