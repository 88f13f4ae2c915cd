import { randomBytes } from 'node:crypto'
import { Column, Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { KeyAdministration } from '../../../src/kms/aws/key-administration'
import { isInUse, keyUsage } from '../../../src/cli/commands/keys/key-usage'
import { describeDatabases, isWithout, NEEDS_ROLES } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity('policed')
class Policed {
  @PrimaryColumn('int') id!: number
  @Column('text') owner!: string
  @KmsEncrypted({ type: 'string', acceptPlaintext: true }) secret!: string
}

const ROWS = 6

/** Policies for each command alone, and for tables that consist of others. */
describeDatabases(
  'Row level security',
  (db) => {
    let app: TestApplication
    let runner: QueryRunner
    const role = `policed_${randomBytes(4).toString('hex')}`
    const sql = (text: string): Promise<unknown> => db().rawQuery(text)

    beforeAll(async () => {
      app = await startApplication(db(), [Policed])
    })
    beforeEach(async () => {
      await sql(`CREATE ROLE ${role}`)
      await sql('DROP TABLE policed')
      await sql('CREATE TABLE policed (id int PRIMARY KEY, owner text NOT NULL, secret bytea NOT NULL)')
      await fill()
    })
    afterEach(async () => {
      await runner.query('RESET ROLE')
      await runner.query('RESET row_security')
      await runner.release()
      await sql('DROP TABLE policed CASCADE')
      await sql('CREATE TABLE policed (id int)')
      await sql(`DROP OWNED BY ${role}`)
      await sql(`DROP ROLE ${role}`)
    })
    afterAll(() => app.stop())

    const fill = (): Promise<unknown> =>
      sql(
        `INSERT INTO policed SELECT n, CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, convert_to('secret ' || n, 'UTF8') FROM generate_series(1, ${ROWS}) AS n`,
      )

    /** With these policies on the table, as the role. */
    async function asRole(policies: readonly string[], table = 'policed'): Promise<void> {
      await sql(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`)
      for (const policy of policies) await sql(`CREATE POLICY ${policy}`)
      await sql(`GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO ${role}`)
      runner = app.dataSource.createQueryRunner()
      await runner.query(`SET ROLE ${role}`)
    }

    /** Nothing is certified, whatever is seen. */
    async function expectNothingCertified(rows: number): Promise<void> {
      expect(await columnStatus(runner, Policed, 'secret')).toMatchObject({ rows, hiddenBy: 'policy' })
      expect(await failure(verifyColumns(runner, Policed, ['secret']))).toMatchObject({
        code: 'ROWS_HIDDEN',
        entity: 'Policed',
        property: 'secret',
      })
    }

    it.each([
      ['of SELECT alone', ['reading ON policed FOR SELECT USING (true)']],
      [
        'of SELECT, and one of UPDATE for none',
        ['r ON policed FOR SELECT USING (true)', 'w ON policed FOR UPDATE USING (false)'],
      ],
    ])(
      'with a policy %s says that nothing can be written, and takes nothing for done',
      async (_, policies) => {
        await asRole(policies)
        await expectNothingCertified(ROWS)
        const before = await sql('SELECT * FROM policed ORDER BY id')
        for (const pass of [encryptColumns, rotateColumns, decryptColumns]) {
          if (pass !== encryptColumns) {
            await runner.query('RESET ROLE')
            await encryptColumns(runner, Policed, ['secret'])
            await runner.query(`SET ROLE ${role}`)
          }
          const to = pass === rotateColumns ? { to: await app.createKey() } : {}
          const error = await failure(pass(runner, Policed, ['secret'], to))
          expect(error).toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Policed', property: 'secret' })
          expect(error.message).toContain('BYPASSRLS')
          if (pass === encryptColumns) expect(await sql('SELECT * FROM policed ORDER BY id')).toEqual(before)
        }
      },
    )

    it('with a policy of UPDATE alone sees nothing, and says so', async () => {
      await asRole(['w ON policed FOR UPDATE USING (true)'])
      await expectNothingCertified(0)
      expect(await encryptColumns(runner, Policed, ['secret'])).toMatchObject([
        { rows: 0, notes: [expect.stringContaining('row level security')] },
      ])
    })

    it('with a policy of UPDATE for some of the rows that are seen names the one that is left', async () => {
      await asRole(['r ON policed FOR SELECT USING (true)', "w ON policed FOR UPDATE USING (owner = 'odd')"])
      const error = await failure(encryptColumns(runner, Policed, ['secret']))
      expect(error).toMatchObject({ code: 'ROWS_HIDDEN', primaryKey: { id: expect.anything() as unknown } })
    })

    it.each([
      ['WITH CHECK', ['a ON policed USING (true) WITH CHECK (octet_length(secret) < 20)']],
      [
        'SELECT',
        ['r ON policed FOR SELECT USING (octet_length(secret) < 20)', 'w ON policed FOR UPDATE USING (true)'],
      ],
    ])('with a policy whose %s refuses ciphertexts says so before the first row', async (_, policies) => {
      await asRole(policies)
      const error = await failure(encryptColumns(runner, Policed, ['secret'], { batchSize: 2 }))
      expect(error).toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Policed', property: 'secret' })
      await runner.query('RESET ROLE')
      expect(await columnStatus(runner, Policed, 'secret')).toMatchObject({ plaintext: ROWS })
    })

    it('without the right to change the table names the right that is missing', async () => {
      await asRole(['a ON policed USING (true)'])
      await runner.query('RESET ROLE')
      await sql(`REVOKE UPDATE ON policed FROM ${role}`)
      await runner.query(`SET ROLE ${role}`)
      const error = await failure(encryptColumns(runner, Policed, ['secret']))
      expect(error).toMatchObject({ code: 'TABLE_ACCESS', entity: 'Policed', property: 'secret' })
      expect(error.message).toContain('UPDATE')
    })

    it('with a restrictive policy counts what is left', async () => {
      await asRole(['a ON policed USING (true)', "b ON policed AS RESTRICTIVE USING (owner = 'odd')"])
      await expectNothingCertified(ROWS / 2)
      expect(await encryptColumns(runner, Policed, ['secret'])).toMatchObject([
        { changed: ROWS / 2, notes: [expect.stringContaining('row level security')] },
      ])
    })

    it('with row_security off, where the database refuses to hide anything, is no missing grant', async () => {
      await asRole(['a ON policed USING (true)'])
      await runner.query('SET row_security = off')
      const calls = [
        () => columnStatus(runner, Policed, 'secret'),
        () => verifyColumns(runner, Policed, ['secret']),
        () => encryptColumns(runner, Policed, ['secret']),
      ]
      for (const call of calls) {
        const error = await failure(call())
        expect(error).toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Policed', property: 'secret' })
        expect(error.message).toContain('BYPASSRLS')
      }
    })

    it.each([
      ['partitions', 'PARTITION BY RANGE (id)', 'PARTITION OF policed DEFAULT'],
      ['tables that inherit', '', '() INHERITS (policed)'],
    ])('of a table with %s is that of the table, not of its parts', async (_, by, part) => {
      await sql('DROP TABLE policed')
      await sql(`CREATE TABLE policed (id int PRIMARY KEY, owner text NOT NULL, secret bytea NOT NULL) ${by}`)
      await sql(`CREATE TABLE policed_part ${part}`)
      if (by === '') await sql('ALTER TABLE policed_part ADD PRIMARY KEY (id)')
      await sql(
        `INSERT INTO policed_part SELECT 100 + n, 'odd', convert_to('s' || n, 'UTF8') FROM generate_series(1, 4) AS n`,
      )
      // PostgreSQL asks the policies of the table that a statement names.
      await asRole(['a ON policed_part USING (false)'], 'policed_part')
      expect(await columnStatus(runner, Policed, 'secret')).toMatchObject({ rows: 4, hiddenBy: undefined })
      expect(await encryptColumns(runner, Policed, ['secret'])).toMatchObject([{ changed: 4 }])
      expect(await verifyColumns(runner, Policed, ['secret'])).toMatchObject([{ rows: 4, failed: 0 }])
      await runner.query('RESET ROLE')
      await runner.release()
      await asRole(['a ON policed USING (id > 102)'])
      await expectNothingCertified(2)
    })

    it('keeps the deletion guard from certifying, whatever the policy lets through', async () => {
      await asRole(['a ON policed USING (true)'])
      if (isWithout(db(), NEEDS_ROLES)) return
      await runner.query('RESET ROLE')
      const keys = new KeyAdministration(app.client)
      const key = await keys.describe(await app.createKey())
      const { dataSource } = await app.restart({}, { extra: { options: `-c role=${role}` } })
      const [found] = await keyUsage(dataSource, key, keys)
      expect(found).toMatchObject({ rows: 0, unseen: expect.stringContaining('BYPASSRLS') as unknown })
      expect(found && isInUse(found)).toBe(true)
      // The database refuses at once where it may not hide.
      const off = await app.restart({}, { extra: { options: `-c role=${role} -c row_security=off` } })
      const [refused] = await keyUsage(off.dataSource, key, keys)
      expect(refused).toMatchObject({ rows: 0, unseen: expect.stringContaining('BYPASSRLS') as unknown })
    })
  },
  { databases: ['postgres'] },
)
