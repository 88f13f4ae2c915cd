import { randomBytes } from 'node:crypto'
import { DecryptCommand } from '@aws-sdk/client-kms'
import { Between, DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { Cipher, type Recipe } from '../../src/cipher/cipher'
import { Scope } from '../../src/cipher/scope'
import { parse } from '../../src/cipher/ciphertext'
import { StoredKeySeal } from '../../src/cipher/suites/stored-key/seal'
import { asPlaintextKey } from '../../src/kms/bytes'
import { AwsKms } from '../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../src/kms/aws/trusted-keys'
import { LibraryCipher, scope } from '../contenders/library'
import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { type BenchKms, KEY, LATENCY } from '../support/kms'
import { MemoryStore } from '../support/memory-store'
import { type Report } from '../support/report'
import { timeInTurns } from '../support/rounds'
import { median, ratios } from '../support/statistics'
import { StatementLog } from '../../test/support/statements'
import { Table } from '../support/tables'
import { newUsers, privateKey, privateKeys, ROWS } from '../support/workload'

const VALUES = 5_000
const SALTS = 1_000
const PROCESS_DAYS = 100
const COLD_READS = 7
const recipe: Recipe = { mode: 'envelope', keyId: KEY, scope, usesStoredKey: true }
const limits = { maxAge: 3_600_000, maxValues: 2 ** 32, maxKeys: 1_000 }
const stored = { dataKeys: 'stored' } as const

/** Stored data keys beside inline ones: size, processor time, and what KMS and the key table are asked. */
export async function storedDataKeys(bench: Bench): Promise<void> {
  await sealing(bench)
  await manySalts(bench)
  for (const place of bench.places) await pageOfManySalts(place, bench)
  // Writers and readers are processes of their own: a database in memory is that of one of them.
  for (const place of bench.places) if (place.options.type !== 'better-sqlite3') await lifeOf(place, bench)
}

async function sealing({ kms: { client }, kms, report, quick }: Bench): Promise<void> {
  const service = new AwsKms({ client, concurrency: 20, trustedKeys: new TrustedKeys(undefined) })
  const cipher = new Cipher(service, limits).withStore(new MemoryStore(), {
    renewAfter: 3_600_000,
    lease: 3_600_000,
  })
  await cipher.prepare(recipe)
  const inline = await LibraryCipher.withDataKey(kms)
  const values = privateKeys(VALUES)
  const bytes = cipher.encryptNow(privateKey(), recipe)!.length
  report.find({
    measure: 'stored size of a value of 128 bytes under a stored data key',
    measured: `${bytes} bytes; inline: ${inline.seal(privateKey()).length}`,
    target: '≤ 184 bytes',
    met: bytes <= 184,
  })
  const samples = await timeInTurns(
    [
      { name: 'inline', run: () => values.map((value) => inline.open(inline.seal(value))) },
      {
        name: 'stored',
        run: () =>
          values.map((value) =>
            cipher.decryptNow(cipher.encryptNow(value, recipe)!, scope)!.toString('utf8'),
          ),
      },
    ] as const,
    { rounds: quick ? 15 : 41, warmUp: 5 },
  )
  inline.close()
  cipher.close()
  report.time({
    measure: 'seal and open a value, data key at hand',
    unit: 'µs',
    values: VALUES,
    samples,
    base: 'inline',
  })
  const ratio = median(ratios(samples.stored, samples.inline))
  report.find({
    measure: 'seal and open under a stored data key at hand',
    measured: `${ratio.toFixed(2)} × inline`,
    target: '≤ inline',
    met: ratio <= 1.02,
  })
}

/** A page that functions wrote which live for one request each: every value has a salt of its own. */
async function manySalts({ kms: { client }, report }: Bench): Promise<void> {
  const service = new AwsKms({ client, concurrency: 20, trustedKeys: new TrustedKeys(undefined) })
  const root = randomBytes(32)
  const generateDataKey = service.generateDataKey.bind(service)
  service.generateDataKey = async (...asked) => ({
    ...(await generateDataKey(...asked)),
    plaintext: asPlaintextKey(Buffer.from(root)),
  })
  const fresh = async (): Promise<Cipher> => {
    const cipher = new Cipher(service, limits).withStore(new MemoryStore(), {
      renewAfter: 3_600_000,
      lease: 3_600_000,
    })
    await cipher.prepare(recipe)
    return cipher
  }
  const page = (salts: number) => {
    const seals = Array.from({ length: salts }, () => new StoredKeySeal(root, randomBytes(8)))
    return Array.from({ length: SALTS }, (_, index) => parse(seals[index % salts]!.seal(privateKey(), scope)))
  }
  const [one, many] = [page(1), page(SALTS)]
  let cipher = await fresh()
  const renew = async () => {
    cipher.close()
    cipher = await fresh()
  }
  const open = (values: typeof one) => () => values.map((value) => cipher.decryptNow(value, scope)!.length)
  const samples = await timeInTurns(
    [
      { name: 'one salt', prepare: renew, run: open(one) },
      { name: '1,000 salts', prepare: renew, run: open(many) },
      {
        name: '1,000 salts, again',
        async prepare() {
          await renew()
          open(many)()
        },
        run: open(many),
      },
    ] as const,
    { rounds: 15, warmUp: 5 },
  )
  cipher.close()
  report.time({ measure: 'open 1,000 values', unit: 'ms', samples, base: 'one salt' })
  for (const [name, measure, aim] of [
    ['1,000 salts', 'a page of 1,000 values under 1,000 salts', 5],
    ['1,000 salts, again', 'the same page again', 1.1],
  ] as const) {
    const ratio = median(ratios(samples[name], samples['one salt']))
    report.find({
      measure,
      measured: `${ratio.toFixed(2)} × one salt`,
      target: `≤ ${aim} × one salt`,
      met: ratio <= aim,
    })
  }
}

/** The same page as an application reads it: as rows. */
async function pageOfManySalts(place: Place, { kms, report }: Bench): Promise<void> {
  const table = await Table.open(place, EncryptedUser, { kms, options: stored })
  const { repository, dataSource } = table
  await repository.clear()
  await repository.save(newUsers([privateKey()]))
  const [[, sample] = []] = await table.stored()
  const [row] = await dataSource.query<{ k: Buffer }[]>(
    'SELECT encrypted_data_key AS k FROM kms_data_key WHERE id = ?',
    [(sample as Buffer).subarray(3, 19)],
  )
  const context = { table: 'encrypted_user' }
  const { Plaintext: root } = await kms.client.send(
    new DecryptCommand({ CiphertextBlob: row!.k, EncryptionContext: { ...context, 'data-key': 'value' } }),
  )
  const ofColumn = new Scope(context, { column: 'privateKey' })
  const write = async (first: number, salts: number): Promise<void> => {
    const seals = Array.from({ length: salts }, () => new StoredKeySeal(root!, randomBytes(8)))
    const values = Array.from({ length: SALTS }, (_, at) => seals[at % salts]!.seal(privateKey(), ofColumn))
    await repository.delete({ id: Between(first, first + SALTS - 1) })
    await table.insertRaw(values.map((value, at) => [first + at, value]))
  }
  const read = (first: number) => () => repository.findBy({ id: Between(first, first + SALTS - 1) })
  await repository.clear()
  await write(1, 1)
  const [one, many] = [read(1), read(SALTS + 1)]
  const writeMany = (): Promise<void> => write(SALTS + 1, SALTS)
  await writeMany()
  const samples = await timeInTurns(
    [
      { name: 'one salt', prepare: one, run: one },
      { name: '1,000 salts', prepare: writeMany, run: many },
      { name: '1,000 salts, again', prepare: many, run: many },
    ] as const,
    { rounds: 15, warmUp: 5 },
  )
  await repository.clear()
  await table.close()
  report.time({ measure: 'find of 1,000 rows', on: place.name, unit: 'ms', samples, base: 'one salt' })
  for (const [name, measure, aim] of [
    ['1,000 salts', 'a page of 1,000 rows under 1,000 salts', 5],
    ['1,000 salts, again', 'the same page of rows again', 1.1],
  ] as const) {
    const ratio = median(ratios(samples[name], samples['one salt']))
    report.find({
      measure,
      on: place.name,
      measured: `${ratio.toFixed(2)} × one salt`,
      target: `≤ ${aim} × one salt`,
      met: ratio <= aim,
    })
  }
}

async function lifeOf(place: Place, { kms, report }: Bench): Promise<void> {
  const rows = ROWS / PROCESS_DAYS
  for (let process = 0; process < PROCESS_DAYS; process++) {
    const writer = await Table.open(place, EncryptedUser, { kms, options: stored })
    if (process === 0) await writer.repository.clear()
    await writer.repository.save(newUsers(privateKeys(rows)), { chunk: rows })
    await writer.close()
  }
  kms.answerAfter(LATENCY)
  const reads: { cold: number; warm: number; calls: number }[] = []
  for (let round = 0; round < COLD_READS; round++) {
    const reader = await Table.open(place, EncryptedUser, { kms, options: stored })
    kms.kms.calls.reset()
    const cold = await timed(() => reader.repository.find())
    const calls = kms.kms.calls.count()
    reads.push({ cold, calls, warm: await timed(() => reader.repository.find()) })
    await reader.close()
  }
  const [cold, warm] = [median(reads.map((read) => read.cold)), median(reads.map((read) => read.warm))]
  const calls = Math.max(...reads.map((read) => read.calls))
  report.find({
    measure: 'cold read of 10,000 rows of 100 process-days under stored data keys, KMS at 10 ms',
    on: place.name,
    measured: `${calls} calls; ${cold.toFixed(0)} ms, warm ${warm.toFixed(0)} ms (median of ${COLD_READS} processes)`,
    target: '1 call, ≤ 1.1 × warm + one call',
    met: calls === 1 && cold <= 1.1 * warm + LATENCY,
  })
  const reader = await Table.open(place, EncryptedUser, { kms, options: stored })
  await firstRequest(place, kms, report)
  kms.kms.calls.reset()
  const took = await timed(() =>
    rotateColumns(reader.dataSource, EncryptedUser, ['privateKey'], { to: kms.keyArn }),
  )
  report.find({
    measure: 'rotation of 10,000 rows under stored data keys, KMS at 10 ms',
    on: place.name,
    measured: `${kms.kms.calls.count()} calls, ${took.toFixed(0)} ms`,
    target: 'calls = data keys',
    met: kms.kms.calls.count() <= 2,
  })
  kms.answerAfter(0)
  await reader.repository.clear()
  await reader.dataSource.dropDatabase()
  await reader.close()
}

/** A row is stored, which needs the current data key of its context. */
async function firstRequest(place: Place, kms: BenchKms, report: Report): Promise<void> {
  const logger = new StatementLog()
  const encryption = kmsEncryption({ keyId: KEY, client: kms.client, ...stored })
  const entities = [EncryptedUser]
  const options = { ...place.options, entities, logging: true, logger } as DataSourceOptions
  const dataSource = await new DataSource(encryption.configure(options)).initialize()
  const users = dataSource.getRepository(EncryptedUser)
  logger.reset()
  kms.kms.calls.reset()
  const took = await timed(() => users.insert(newUsers([privateKey()])))
  const again = await timed(() => users.insert(newUsers([privateKey()])))
  const queries = logger.sent.filter(([sql]) => sql.includes('kms_data_key')).length
  const calls = kms.kms.calls.count()
  await dataSource.destroy()
  encryption.close()
  report.find({
    measure: 'first request of a fresh process under stored data keys, KMS at 10 ms',
    on: place.name,
    measured: `${queries} query of the key table, ${calls} call; ${took.toFixed(0)} ms, the next ${again.toFixed(0)} ms`,
    target: '≤ 1 query and 1 call for a context',
    met: queries <= 1 && calls <= 1,
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
