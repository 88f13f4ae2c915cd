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
import { failure, startApplication, type TestApplication } from '../../support/encryption'
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

/** Texts in character sets that are not UTF-8; the test sets those. */
@Entity()
class Legacy {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) latin!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) wide!: string | null
}

const LEGACY_COLUMNS = ['latin', 'wide']
const LATIN_TEXTS = [...AWKWARD_TEXTS, '€ ÿ “x” '].filter((text) => !/[^ -ÿ\n€“”]/.test(text ?? ''))
const WIDE_TEXTS = [...AWKWARD_TEXTS, '漢'.repeat(4_000)].filter(
  (text) => !/[\ud800-\udfff]/.test(text ?? ''),
)

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
  })
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

describeDatabases(
  'a large table in latin1 and ucs2',
  (db) => {
    let app: TestApplication

    const digest = async (): Promise<string> => {
      const hash = createHash('sha256')
      for (let from = 0; from < ROWS; from += CHUNK) {
        const rows = await db().rawQuery(
          'SELECT id, HEX(latin) AS latin, HEX(wide) AS wide FROM legacy WHERE id >= ? AND id < ? ORDER BY id',
          [from, from + CHUNK],
        )
        for (const { id, latin, wide } of rows)
          hash.update(`${String(id)} ${String(latin)} ${String(wide)}\n`)
      }
      return hash.digest('hex')
    }

    beforeAll(async () => {
      app = await startApplication(db(), [Legacy])
      await db().rawQuery(
        'ALTER TABLE legacy MODIFY latin text CHARACTER SET latin1 NULL, MODIFY wide text CHARACTER SET ucs2 NULL',
      )
      for (let from = 0; from < ROWS; from += CHUNK) {
        const ids = Array.from({ length: CHUNK }, (_, index) => from + index)
        const values = ids.flatMap((id) => [
          id,
          LATIN_TEXTS[id % LATIN_TEXTS.length],
          WIDE_TEXTS[id % WIDE_TEXTS.length],
        ])
        await db().rawQuery(
          `INSERT INTO legacy (id, latin, wide) VALUES ${ids.map(() => '(?, ?, ?)').join(', ')}`,
          values,
        )
      }
    })
    afterAll(() => app.stop())

    it('is encrypted, moved to another key and decrypted, and is what it was', async () => {
      const before = await digest()
      const changed = async (results: Promise<MigrationResult[]>) =>
        (await results).map((result) => result.changed)
      const texts = [LATIN_TEXTS, WIDE_TEXTS].map(
        (list) =>
          Array.from({ length: ROWS }, (_, id) => list[id % list.length]).filter((text) => text !== null)
            .length,
      )
      expect(await changed(encryptColumns(app.dataSource, Legacy, LEGACY_COLUMNS))).toEqual(texts)
      const { latin, wide } = await app.dataSource
        .getRepository(Legacy)
        .findOneByOrFail({ id: LATIN_TEXTS.length * WIDE_TEXTS.length - 1 })
      expect([latin, wide]).toEqual([LATIN_TEXTS.at(-1), WIDE_TEXTS.at(-1)])
      const to = await app.createKey()
      expect(await changed(rotateColumns(app.dataSource, Legacy, LEGACY_COLUMNS, { to }))).toEqual(texts)
      expect(await verifyColumns(app.dataSource, Legacy, LEGACY_COLUMNS)).toMatchObject([
        { failed: 0 },
        { failed: 0 },
      ])
      expect(await changed(decryptColumns(app.dataSource, Legacy, LEGACY_COLUMNS))).toEqual(texts)
      expect(await digest()).toBe(before)
    }, 900_000)

    it('says before the first row that a text of two bytes a character holds half as many', async () => {
      const id = ROWS
      await db().rawQuery('INSERT INTO legacy (id, wide) VALUES (?, ?)', [id, 'x'.repeat(25_000)])
      const error = await failure(encryptColumns(app.dataSource, Legacy, ['wide']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', property: 'wide' })
      expect(error.message).toContain('holds 32767 bytes')
    })
  },
  { databases: ['mariadb'] },
)

function sum(results: readonly MigrationResult[], name: 'rows' | 'elapsed' | 'contended'): number {
  return results.reduce((total, result) => total + result[name], 0)
}
