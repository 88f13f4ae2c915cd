import { inspect } from 'node:util'
import { AbstractLogger, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { decryptColumns, encryptColumns } from 'typeorm-kms-encrypted/migration'
import { type DatabaseName, describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { formsOfMarker, newMarker } from '../../support/markers'

@Entity()
class Quoted {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

/** A trigger that lets no row be changed: as if another session had it locked, where a trigger can say that. */
const LOCKED: Record<DatabaseName, readonly string[]> = {
  mariadb: [
    "CREATE TRIGGER locked BEFORE UPDATE ON quoted FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'locked'",
  ],
  postgres: [
    `CREATE FUNCTION locked() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'locked' USING ERRCODE = '55P03'; END $$ LANGUAGE plpgsql`,
    'CREATE TRIGGER locked BEFORE UPDATE ON quoted FOR EACH ROW EXECUTE FUNCTION locked()',
  ],
  sqlite: ["CREATE TRIGGER locked BEFORE UPDATE ON quoted BEGIN SELECT RAISE(ABORT, 'locked'); END"],
}

/** A trigger that takes the plaintext for a number, which both servers complain of with the text. */
const TRIGGERS: Record<Exclude<DatabaseName, 'sqlite'>, readonly string[]> = {
  mariadb: [
    'CREATE TRIGGER counting BEFORE UPDATE ON quoted FOR EACH ROW BEGIN DECLARE n INT; SET n = CONVERT(OLD.secret USING utf8mb4); END',
  ],
  postgres: [
    `CREATE FUNCTION counting() RETURNS trigger AS $$ BEGIN PERFORM convert_from(OLD.secret, 'UTF8')::int; RETURN NEW; END $$ LANGUAGE plpgsql`,
    'CREATE TRIGGER counting BEFORE UPDATE ON quoted FOR EACH ROW EXECUTE FUNCTION counting()',
  ],
}

/** What a logger of the application is told of statements that failed, and TypeORM's own would print. */
class Failures extends AbstractLogger {
  readonly told: string[] = []

  override logQueryError(...told: unknown[]): void {
    this.told.push(inspect(told.slice(0, 3), { depth: Infinity, showHidden: true }))
  }

  protected writeLog(): void {
    // Nothing but failures.
  }
}

describeDatabases('a value that the database quotes in an error', (db) => {
  const marker = newMarker()
  let app: TestApplication
  beforeEach(async () => {
    app = await startApplication(db(), [Quoted])
  })
  afterEach(() => app.stop())

  /** As a program prints it that catches nothing. */
  const shown = (error: unknown): string => inspect(error, { depth: Infinity, showHidden: true })

  it('is not in the error of a pass, nor in its cause', async () => {
    const { name } = db()
    if (name === 'sqlite') {
      expect(Object.keys(TRIGGERS)).not.toContain(name)
      return
    }
    await db().rawQuery('INSERT INTO quoted VALUES (1, ?)', [Buffer.from(marker)])
    for (const statement of TRIGGERS[name]) await db().rawQuery(statement)
    try {
      const error = await failure(encryptColumns(app.dataSource, Quoted, ['secret']))
      expect(error).toMatchObject({
        code: name === 'postgres' ? 'DATABASE_FAILED' : 'NOT_REPRESENTABLE',
        entity: 'Quoted',
      })
      if (name === 'postgres') expect(error.message).toContain('with the code 22P02')
      expect(formsOfMarker(shown(error), marker)).toEqual([])
    } finally {
      if (name === 'postgres') await db().rawQuery('DROP FUNCTION counting CASCADE')
    }
  })

  it('is not in the error of a constraint for plaintext', async () => {
    await db().rawQuery('INSERT INTO quoted VALUES (1, ?), (2, ?)', [
      Buffer.from(marker),
      Buffer.from(marker),
    ])
    await encryptColumns(app.dataSource, Quoted, ['secret'])
    await db().rawQuery(
      `CREATE UNIQUE INDEX one_each ON quoted (secret${db().name === 'mariadb' ? '(200)' : ''})`,
    )
    const error = await failure(decryptColumns(app.dataSource, Quoted, ['secret']))
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Quoted' })
    expect(formsOfMarker(shown(error), marker)).toEqual([])
  })

  it.each(['the logger it began with', 'a logger that came later'])(
    'is not in what a driver adds to an error, which %s gets as well',
    async (which) => {
      const { name } = db()
      await app.dataSource.getRepository(Quoted).insert({ id: 1, secret: marker })
      for (const statement of LOCKED[name]) await db().rawQuery(statement)
      const logger = new Failures()
      const isFirst = which === 'the logger it began with'
      const { dataSource } = await app.restart({}, isFirst ? { logger } : {})
      if (!isFirst) dataSource.setOptions({ logger })
      try {
        const error = await failure(decryptColumns(dataSource, Quoted, ['secret']))
        expect(error.code).toBe(name === 'sqlite' ? 'COLUMN_TYPE' : 'TABLE_LOCKED')
        // SQLite is asked past TypeORM.
        if (name === 'sqlite') expect(logger.told).toEqual([])
        else expect(logger.told).toEqual([expect.stringContaining('UPDATE')])
        expect(formsOfMarker(shown(error) + logger.told.join(), marker)).toEqual([])
      } finally {
        await db().rawQuery(name === 'postgres' ? 'DROP FUNCTION locked CASCADE' : 'DROP TRIGGER locked')
      }
    },
  )
})
