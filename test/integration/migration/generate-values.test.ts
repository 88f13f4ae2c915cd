import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { type DatabaseName, describeDatabases } from '../../support/databases'
import { failure, testKms } from '../../support/encryption'
import { Generated, MARIADB } from './generated'

@Entity('odd')
class OddDate {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'date', nullable: true }) value!: Date | null
}

@Entity('odd')
class OddBoolean {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'boolean', nullable: true }) value!: boolean | null
}

@Entity('odd')
class OddNumber {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'number', nullable: true }) value!: number | null
}

@Entity('odd')
class OddText {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) value!: string
}

const NO_DATES: Record<DatabaseName, { type: string; values: readonly string[] }> = {
  mariadb: { type: 'datetime', values: ["'0000-00-00'"] },
  postgres: { type: 'timestamptz', values: ["'infinity'", "'0044-03-15 00:00:00+00 BC'"] },
  sqlite: { type: 'datetime', values: ["'01.02.2024'", "'2024-01-01T10:00:00+0200'", '2460000'] },
}

/** Types other than its own that hold booleans. */
const BOOLEANS: Record<DatabaseName, readonly { type: string; sql: string[] }[]> = {
  mariadb: [{ type: 'bit(1)', sql: ["b'0'", "b'1'", 'NULL'] }],
  postgres: [
    { type: 'boolean', sql: ['false', 'true', 'NULL'] },
    { type: 'smallint', sql: ['0', '1', 'NULL'] },
    { type: 'numeric(1)', sql: ['0', '1', 'NULL'] },
    { type: 'bit(1)', sql: ["B'0'", "B'1'", 'NULL'] },
  ],
  sqlite: [],
}

describeDatabases(
  'values that a generated migration converts',
  (db) => {
    let generated: Generated

    beforeEach(async () => {
      generated = new Generated(db(), (await testKms()).client)
    })
    afterEach(async () => {
      await generated.close()
      await db().rawQuery('DROP TABLE IF EXISTS odd')
      await db().rawQuery('DROP TABLE IF EXISTS migrations')
    })

    async function table(type: string, values: readonly string[]): Promise<void> {
      await db().rawQuery('DROP TABLE IF EXISTS odd')
      await db().rawQuery(`CREATE TABLE odd (id int PRIMARY KEY NOT NULL, value ${type})`)
      for (const [id, value] of values.entries()) {
        await db().rawQuery(`INSERT INTO odd VALUES (${id}, ${value})`)
      }
    }

    it('are named where they are no dates, and do not become NULL or another date', async () => {
      const { type, values } = NO_DATES[db().name]
      for (const value of values) {
        await table(type, [value])
        const [dataSource] = await generated.migrate(OddDate, 'EncryptDates')
        const error = await failure(dataSource.runMigrations({ transaction: 'all' }))
        expect(error.message).toContain('OddDate.value (id=0)')
        await dataSource.destroy()
      }
    })

    it('stay numbers and booleans of their own types, there and back', async () => {
      const isMariadb = db().name === 'mariadb'
      const cases = [
        {
          entity: OddNumber,
          type: isMariadb ? 'double' : 'double precision',
          sql: ['0.1', 'NULL', '1e21'],
          expected: [0.1, null, 1e21],
        },
        ...BOOLEANS[db().name].map(({ type, sql }) => ({
          entity: OddBoolean,
          type,
          sql,
          expected: [false, true, null],
        })),
      ]
      for (const { entity, type, sql, expected } of cases) {
        await table(type, sql)
        const before = await db().rawQuery('SELECT * FROM odd ORDER BY id')
        const [dataSource] = await generated.migrate(entity, 'EncryptOdd')
        await dataSource.runMigrations()
        const rows = await generated.rows<{ id: number; value: unknown }>(entity)
        expect(rows.map(({ value }) => value)).toEqual(expected)
        await dataSource.undoLastMigration({ transaction: db().name === 'sqlite' ? 'none' : 'all' })
        expect(await db().rawQuery('SELECT * FROM odd ORDER BY id')).toEqual(before)
        await dataSource.destroy()
      }
    })

    it('are named where they are no booleans', async () => {
      if (db().name !== 'postgres') {
        expect(BOOLEANS[db().name].map(({ type }) => type)).not.toContain('smallint')
        return
      }
      await table('smallint', ['1', '2'])
      const [dataSource] = await generated.migrate(OddBoolean, 'EncryptOdd')
      const error = await failure(dataSource.runMigrations({ transaction: 'all' }))
      expect(error.message).toContain('OddBoolean.value (id=1)')
      expect(await db().rawQuery('SELECT value FROM odd ORDER BY id')).toEqual([{ value: 1 }, { value: 2 }])
    })

    it('stay NULL where the column is to be NOT NULL, outside of strict mode too', async () => {
      if (db().name !== 'mariadb') {
        expect(NO_DATES[db().name].values).not.toHaveLength(0)
        return
      }
      await table("varchar(20) COMMENT 'one\\ntwo'", ["'a'", 'NULL'])
      const [mode] = await db().rawQuery('SELECT @@GLOBAL.sql_mode AS mode')
      await db().rawQuery("SET GLOBAL sql_mode = ''")
      try {
        const [dataSource] = await generated.migrate(OddText, 'EncryptTexts')
        await failure(dataSource.runMigrations())
      } finally {
        await db().rawQuery('SET GLOBAL sql_mode = ?', [mode?.['mode']])
      }
      expect(await db().rawQuery('SELECT id FROM odd WHERE value IS NULL')).toEqual([{ id: 1 }])
    })
  },
  MARIADB,
)
