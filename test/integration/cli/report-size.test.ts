import { EntitySchema } from 'typeorm'
import { kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { parseArguments } from '../../../src/cli/command'
import { report } from '../../../src/cli/commands/report'
import { gather } from '../../../src/cli/commands/report/gather'
import { page } from '../../../src/report/page'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

/** `REPORT_ROWS=1000000` is what the promise is made for. */
const ROWS = Number(process.env['REPORT_ROWS'] ?? 2_000)
const names = Array.from({ length: 20 }, (_, index) => `secret${index}`)

const Large = new EntitySchema({
  name: 'Large',
  tableName: 'large',
  columns: {
    id: { type: 'int', primary: true },
    ...Object.fromEntries(names.map((name) => [name, kmsEncryptedColumn({ type: 'buffer' })])),
  },
})

describeDatabases(
  `A report of ${ROWS.toLocaleString('en')} rows with twenty encrypted columns`,
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Large])
      // Ciphertexts by their outline, as the report sees them: envelopes of 244 bytes, and values of three stored data keys.
      const envelope = `CAST(x'c10101aabbccdd00b80102020078' || randomblob(230) AS BLOB)`
      const stored = `CAST(x'c1010400112233445566778899aabbccddee' || char(48 + abs(random()) % 3) || randomblob(52) AS BLOB)`
      const values = names.map((_, index) => (index % 2 === 0 ? envelope : stored)).join(', ')
      await db().rawQuery(
        `WITH RECURSIVE row(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM row WHERE id < ${ROWS}) INSERT INTO large SELECT id, ${values} FROM row`,
      )
    })
    afterAll(() => app.stop())

    test('is small, and takes the processor less than a minute', async () => {
      const before = process.cpuUsage()
      const made = await gather(app.dataSource, parseArguments(report, ['-d', 'ormconfig.ts']))
      const { user, system } = process.cpuUsage(before)
      const html = page(made)
      expect(made.columns.map(({ holds }) => holds?.rows)).toEqual(names.map(() => ROWS))
      expect(made.columns[0]?.holds).toMatchObject({ encrypted: ROWS })
      expect(made.columns[1]?.holds).toMatchObject({ lost: ROWS })
      expect(Buffer.byteLength(html)).toBeLessThan(500_000)
      expect((user + system) / 1e6).toBeLessThan(60)
      if (process.env['REPORT_ROWS'])
        process.stdout.write(
          `${ROWS} rows: ${((user + system) / 1e6).toFixed(1)} s of the processor, ${Buffer.byteLength(html)} bytes\n`,
        )
    })
  },
  { databases: ['sqlite'] },
)
