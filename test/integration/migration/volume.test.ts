import { createHash } from 'node:crypto'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  decryptColumns,
  encryptColumns,
  type MigrationResult,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { AWKWARD_BYTES, AWKWARD_TEXTS } from './awkward-values'

/** Rows of the table. The figures in docs/migrations.md are from 20,000 and 200,000. */
const ROWS = Number(process.env['TEST_ROWS'] ?? 1_500)
const CHUNK = 500

@Entity()
class Document {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) body!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) raw!: Buffer | null
}

const COLUMNS = ['body', 'raw']

describeDatabases('a large table', (db) => {
  let app: TestApplication
  let before: string

  /** A digest of all values, read as they are stored. */
  async function digest(): Promise<string> {
    const hash = createHash('sha256')
    for (let from = 0; from < ROWS; from += CHUNK) {
      const rows = await db().rawQuery(
        'SELECT id, body, raw FROM document WHERE id >= ? AND id < ? ORDER BY id',
        [from, from + CHUNK],
      )
      for (const { id, body, raw } of rows) hash.update(`${String(id)} ${hex(body)} ${hex(raw)}\n`)
    }
    return hash.digest('hex')
  }
  const hex = (value: unknown): string => (value === null ? 'NULL' : (value as Buffer).toString('hex'))

  beforeAll(async () => {
    app = await startApplication(db(), [Document])
    for (let from = 0; from < ROWS; from += CHUNK) {
      const ids = Array.from({ length: CHUNK }, (_, index) => from + index)
      const values = ids.flatMap((id) => {
        const text = AWKWARD_TEXTS[id % AWKWARD_TEXTS.length] ?? null
        const bytes = AWKWARD_BYTES[id % AWKWARD_BYTES.length] ?? null
        return [id, text === null ? null : Buffer.from(text), bytes]
      })
      await db().rawQuery(
        `INSERT INTO document (id, body, raw) VALUES ${ids.map(() => '(?, ?, ?)').join(', ')}`,
        values,
      )
    }
    before = await digest()
  }, 300_000)
  afterAll(() => app.stop())

  it('is encrypted, moved to another key and decrypted, and is what it was', async () => {
    const to = await app.createKey()
    let peak = 0
    const options = {
      onProgress: () => {
        peak = Math.max(peak, process.memoryUsage.rss())
      },
    }
    const rates: string[] = []
    const run = async (name: string, results: Promise<MigrationResult[]>): Promise<void> => {
      const done = await results
      const [rows, elapsed] = [sum(done, 'rows'), sum(done, 'elapsed')]
      rates.push(`${name} ${Math.round((rows / elapsed) * 1_000)}`)
      expect(sum(done, 'contended')).toBe(0)
    }
    await run('encrypt', encryptColumns(app.dataSource, Document, COLUMNS, options))
    await run('encrypt again', encryptColumns(app.dataSource, Document, COLUMNS, options))
    await run('verify', verifyColumns(app.dataSource, Document, COLUMNS, options))
    await run('rotate', rotateColumns(app.dataSource, Document, COLUMNS, { ...options, to }))
    await run(
      'new data keys',
      rotateColumns(app.dataSource, Document, COLUMNS, { ...options, newDataKeys: true }),
    )
    await run('decrypt', decryptColumns(app.dataSource, Document, COLUMNS, options))
    expect(await digest()).toBe(before)
    if (process.env['TEST_ROWS']) {
      console.info(
        `${db().name}, ${ROWS} rows: ${rates.join(', ')} rows/s; peak ${Math.round(peak / 2 ** 20)} MB`,
      )
    }
  }, 900_000)
})

function sum(results: readonly MigrationResult[], name: 'rows' | 'elapsed' | 'contended'): number {
  return results.reduce((total, result) => total + result[name], 0)
}
