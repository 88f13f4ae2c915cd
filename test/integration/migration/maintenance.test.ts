import { setTimeout as sleep } from 'node:timers/promises'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  isBinaryColumn,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { type DatabaseName, describeDatabases, type Row, type TestDatabase } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Kept {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 20, nullable: true }) other!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) note!: string | null
  @KmsEncrypted({ type: 'date', nullable: true }) born!: Date | null
}

const ROWS = 70

/** Makes the tables anew, with plaintext in them. */
function useRows(db: () => TestDatabase) {
  let app: TestApplication
  beforeEach(async () => {
    app = await startApplication(db(), [Kept])
    for (let id = 1; id <= ROWS; id++) {
      await db().rawQuery('INSERT INTO kept (id, other, secret, note) VALUES (?, ?, ?, ?)', [
        id,
        `other ${id}`,
        Buffer.from(`secret ${id}`),
        `note ${id}`,
      ])
    }
  })
  afterEach(() => app.stop())
  const all = (): Promise<Row[]> => db().rawQuery('SELECT * FROM kept ORDER BY id')
  return { app: () => app, all }
}

/** A trigger that makes something else of what is stored. */
const ALTERING: Record<DatabaseName, readonly string[]> = {
  mariadb: [
    'CREATE TRIGGER shorten BEFORE UPDATE ON kept FOR EACH ROW SET NEW.secret = SUBSTR(NEW.secret, 1, 100)',
  ],
  postgres: [
    `CREATE FUNCTION shorten() RETURNS trigger AS $$ BEGIN NEW.secret := substr(NEW.secret, 1, 100); RETURN NEW; END $$ LANGUAGE plpgsql`,
    'CREATE TRIGGER shorten BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION shorten()',
  ],
  sqlite: [
    'CREATE TRIGGER shorten AFTER UPDATE ON kept WHEN LENGTH(NEW.secret) > 100 BEGIN UPDATE kept SET secret = SUBSTR(NEW.secret, 1, 100) WHERE id = NEW.id; END',
  ],
}

const LATE = [
  `CREATE FUNCTION late() RETURNS trigger AS $$ BEGIN
     IF octet_length(NEW.secret) > 100 THEN UPDATE kept SET secret = substr(secret, 1, 100) WHERE id = NEW.id; END IF;
     RETURN NULL; END $$ LANGUAGE plpgsql`,
  `CREATE CONSTRAINT TRIGGER shorten AFTER UPDATE ON kept DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION late()`,
]

const IGNORING = [
  `CREATE FUNCTION ignore() RETURNS trigger AS $$ BEGIN RETURN NULL; END $$ LANGUAGE plpgsql`,
  'CREATE TRIGGER shorten BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION ignore()',
]

const DROP_TRIGGER = {
  mariadb: 'DROP TRIGGER shorten',
  postgres: 'DROP TRIGGER shorten ON kept',
  sqlite: 'DROP TRIGGER shorten',
}

describeDatabases('what maintenance writes', (db) => {
  const { app, all } = useRows(db)
  const run = (sql: readonly string[]): Promise<unknown> =>
    sql.reduce<Promise<unknown>>((done, each) => done.then(() => db().rawQuery(each)), Promise.resolve())

  async function expectAltered(trigger: readonly string[]): Promise<void> {
    await run(trigger)
    const before = await all()
    const notes: string[] = []
    const onNote = (note: string): unknown => notes.push(note)
    const error = await failure(encryptColumns(app().dataSource, Kept, ['secret'], { batchSize: 10, onNote }))
    expect(error).toMatchObject({ code: 'VALUE_ALTERED', entity: 'Kept', property: 'secret' })
    expect(error.message).toMatch(/\(id=\d+\).*the trigger shorten: have it leave the column alone/)
    expect(error.message).not.toContain('secret 1')
    expect(notes).toEqual([expect.stringContaining('fires shorten')])
    expect(await all()).toEqual(before)
    await db().rawQuery(DROP_TRIGGER[db().name])
    expect(await encryptColumns(app().dataSource, Kept, ['secret'])).toMatchObject([
      { changed: ROWS, notes: [] },
    ])
  }

  it('is compared with what was sent, and taken back where a trigger made something else of it', async () => {
    await expectAltered(ALTERING[db().name])
  })

  it('is compared after triggers that wait for the end of the transaction, and where they skip rows', async () => {
    if (db().name !== 'postgres') {
      expect(Object.keys(ALTERING)).toContain(db().name)
      return
    }
    await expectAltered(LATE)
    await db().rawQuery("UPDATE kept SET secret = convert_to('secret', 'UTF8')")
    await expectAltered(IGNORING)
  })

  it('leaves what a CHECK constraint is against, and says so before the first row', async () => {
    const check = "CONSTRAINT starts_well CHECK (note IS NULL OR note LIKE 'note%')"
    if (db().name === 'sqlite') {
      await run([
        'DROP TABLE kept',
        `CREATE TABLE kept (id int PRIMARY KEY, other text, secret blob, note text, born blob, ${check})`,
        "INSERT INTO kept (id, note) VALUES (1, 'note 1'), (2, 'note 2')",
      ])
    } else await db().rawQuery(`ALTER TABLE kept ADD ${check}`)
    const before = await all()
    const progress: number[] = []
    const onProgress = ({ rows }: { rows: number }): unknown => progress.push(rows)
    const error = await failure(encryptColumns(app().dataSource, Kept, ['note'], { onProgress }))
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'note' })
    expect(error.message).toMatch(
      /Drop or change it first \(ALTER TABLE kept DROP CONSTRAINT starts_well|Drop it, or change it/,
    )
    expect(progress).toEqual([])
    expect(await all()).toEqual(before)
  })

  it('says what takes a unique index, or a CHECK of the column itself, out of the way', async () => {
    const prefix = db().name === 'mariadb' ? 'note(8)' : '(substr(note, 1, 8))'
    const obstacles = [[`CREATE UNIQUE INDEX starts ON kept (${prefix})`, 'DROP INDEX starts']]
    if (db().name === 'mariadb') {
      const check = "CHECK (note IS NULL OR note LIKE 'note%')"
      obstacles.push([`ALTER TABLE kept MODIFY note text ${check}`, 'ALTER TABLE kept MODIFY note'])
    }
    const remedies: Record<string, string> = {
      'DROP INDEX starts': `DROP INDEX starts${db().name === 'mariadb' ? ' ON kept' : ''}`,
      'ALTER TABLE kept MODIFY note': 'ALTER TABLE kept MODIFY note text',
    }
    for (const [obstacle = '', remedy = ''] of obstacles) {
      await db().rawQuery(obstacle)
      const before = await all()
      const error = await failure(encryptColumns(app().dataSource, Kept, ['note']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'note' })
      expect(error.message).toContain(remedy)
      expect(await all()).toEqual(before)
      await db().rawQuery(remedies[remedy] ?? '')
      expect(await encryptColumns(app().dataSource, Kept, ['note'])).toMatchObject([{ changed: ROWS }])
      await decryptColumns(app().dataSource, Kept, ['note'])
    }
  })

  it('is refused before the first row where foreign keys would take other rows along', async () => {
    const text = db().name === 'mariadb' ? 'varchar(500)' : 'text'
    const refer = (action: string) => [
      `CREATE TABLE friend (note ${text}, FOREIGN KEY (note) REFERENCES kept (note) ON UPDATE ${action})`,
      'INSERT INTO friend (note) SELECT note FROM kept',
    ]
    await run([
      ...(db().name === 'mariadb' ? ['ALTER TABLE kept MODIFY note varchar(500)'] : []),
      'CREATE UNIQUE INDEX notes ON kept (note)',
    ])
    const before = await all()
    for (const action of ['CASCADE', 'SET NULL']) {
      await run(refer(action))
      for (const write of [encryptColumns, rotateColumns, decryptColumns]) {
        const error = await failure(write(app().dataSource, Kept, ['note']))
        expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'note' })
        expect(error.message).toMatch(/foreign key .*friend/)
      }
      expect(await all()).toEqual(before)
      expect(await db().rawQuery('SELECT note FROM friend ORDER BY note')).toHaveLength(ROWS)
      expect(await db().rawQuery('SELECT note FROM friend WHERE note IS NULL')).toEqual([])
      await run(['DROP TABLE friend'])
    }
    await run([
      'CREATE TABLE kind (name varchar(20) PRIMARY KEY)',
      ...(db().name === 'sqlite'
        ? [
            'DROP TABLE kept',
            'CREATE TABLE kept (id int PRIMARY KEY, other text REFERENCES kind (name), secret blob, note text REFERENCES kind (name), born blob)',
          ]
        : [
            'DELETE FROM kept',
            ...(db().name === 'mariadb' ? ['ALTER TABLE kept MODIFY note varchar(20)'] : []),
            'ALTER TABLE kept ADD CONSTRAINT of_kind FOREIGN KEY (note) REFERENCES kind (name)',
          ]),
    ])
    const error = await failure(encryptColumns(app().dataSource, Kept, ['note']))
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'note' })
    // What other columns of the table refer to is theirs.
    expect(await encryptColumns(app().dataSource, Kept, ['secret'])).toMatchObject([{ changed: 0 }])
    await run(['DROP TABLE kept', 'DROP TABLE kind'])
  })

  it('is written beside generated columns that TypeORM did not make', async () => {
    const generated = {
      mariadb: 'int AS (LENGTH(secret)) STORED',
      postgres: 'int GENERATED ALWAYS AS (OCTET_LENGTH(secret)) STORED',
      sqlite: 'int AS (LENGTH(secret)) VIRTUAL',
    }
    await db().rawQuery(`ALTER TABLE kept ADD size ${generated[db().name]}`)
    const { dataSource } = app()
    const before = await all()
    expect(await columnStatus(dataSource, Kept, 'secret')).toMatchObject({ plaintext: ROWS })
    expect(await isBinaryColumn(dataSource, Kept, 'secret')).toBe(true)
    expect(await encryptColumns(dataSource, Kept, ['secret'])).toMatchObject([{ changed: ROWS }])
    expect(await verifyColumns(dataSource, Kept, ['secret'])).toMatchObject([{ rows: ROWS, failed: 0 }])
    for (const { size } of await all()) expect(Number(size)).toBeGreaterThan(200)
    await decryptColumns(dataSource, Kept, ['secret'])
    expect(await all()).toEqual(before)
  })

  it('goes on without the rows that are broken, where it is told to, and lists them', async () => {
    await encryptColumns(app().dataSource, Kept, ['secret'])
    const [broken] = await db().rawQuery('SELECT secret FROM kept WHERE id = 7')
    const bytes = Buffer.from(broken?.['secret'] as Buffer)
    bytes[bytes.length - 1] = 255 - (bytes.at(-1) ?? 0)
    await db().rawQuery('UPDATE kept SET secret = ? WHERE id = 7', [bytes])
    const options = { newDataKeys: true, skipFailed: true }
    expect(
      await failure(rotateColumns(app().dataSource, Kept, ['secret'], { newDataKeys: true })),
    ).toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      primaryKey: { id: '7' },
    })
    const [result] = await rotateColumns(app().dataSource, Kept, ['secret'], options)
    expect(result).toMatchObject({ changed: ROWS - 1, rows: ROWS, skipped: 1 })
    expect(result?.failures).toMatchObject([{ primaryKey: { id: '7' }, code: 'CIPHERTEXT_TAMPERED' }])
    expect(await decryptColumns(app().dataSource, Kept, ['secret'], { skipFailed: true })).toMatchObject([
      { changed: ROWS - 1, skipped: 1 },
    ])
    await db().rawQuery('UPDATE kept SET born = ? WHERE id < 4', [Buffer.from('2024-02-29T12:00:00.000Z')])
    await db().rawQuery('UPDATE kept SET born = ? WHERE id = 2', [Buffer.from('yesterday')])
    expect(await encryptColumns(app().dataSource, Kept, ['born'], { skipFailed: true })).toMatchObject([
      { changed: 2, skipped: 1, failures: [{ primaryKey: { id: '2' }, code: 'INVALID_VALUE' }] },
    ])
  })

  it('never encrypts a ciphertext once more, whatever the blobs of KMS look like', async () => {
    await encryptColumns(app().dataSource, Kept, ['secret', 'note'])
    const [row] = await db().rawQuery('SELECT secret, note FROM kept WHERE id = 1')
    const secret = Buffer.from(row?.['secret'] as Buffer)
    // Another outline of the blob, and a context in which KMS does not open it.
    secret[9] = 0x77
    const note = secret.toString('base64')
    await db().rawQuery('UPDATE kept SET secret = ?, note = ? WHERE id = 1', [secret, note])
    expect(await encryptColumns(app().dataSource, Kept, ['secret', 'note'])).toMatchObject([
      { changed: 0, rows: ROWS },
      { changed: 0, rows: ROWS },
    ])
    expect(await verifyColumns(app().dataSource, Kept, ['secret', 'note'])).toMatchObject([
      { failed: 1, unreadable: [{ primaryKey: { id: '1' } }] },
      { failed: 1, unreadable: [{ primaryKey: { id: '1' } }] },
    ])
    const [now] = await db().rawQuery('SELECT secret, note FROM kept WHERE id = 1')
    expect(now).toEqual({ secret, note })
  })
})

describeDatabases(
  'a pass on MariaDB',
  (db) => {
    const { app, all } = useRows(db)

    it('leaves every other column as it is, also those that an UPDATE sets to the time', async () => {
      await db().rawQuery(
        'ALTER TABLE kept ADD first timestamp NOT NULL, ADD second datetime(6) NULL ON UPDATE CURRENT_TIMESTAMP(6)',
      )
      await db().rawQuery("UPDATE kept SET first = '2024-10-27 02:30:00', second = NULL WHERE id % 2 = 0")
      await db().rawQuery(
        "UPDATE kept SET first = '2001-01-01', second = '2001-01-01 10:00:00.5' WHERE id % 2 = 1",
      )
      const others = async (): Promise<unknown[]> =>
        (await all()).map(({ id, other, first, second }) => ({ id, other, first, second }))
      const before = await others()
      await encryptColumns(app().dataSource, Kept, ['secret', 'note'])
      await rotateColumns(app().dataSource, Kept, ['secret', 'note'], { newDataKeys: true })
      await decryptColumns(app().dataSource, Kept, ['secret', 'note'])
      expect(await others()).toEqual(before)
    })

    it('refuses triggers on a table whose engine takes nothing back', async () => {
      await db().rawQuery('ALTER TABLE kept ENGINE = MyISAM')
      expect(await encryptColumns(app().dataSource, Kept, ['note'])).toMatchObject([{ changed: ROWS }])
      await db().rawQuery(ALTERING.mariadb.join())
      const before = await all()
      const error = await failure(encryptColumns(app().dataSource, Kept, ['secret']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'secret' })
      expect(error.message).toContain('ALTER TABLE `kept` ENGINE = InnoDB')
      expect(await all()).toEqual(before)
    })

    it('loses nothing that the application writes to a table whose engine locks no rows', async () => {
      await db().rawQuery('ALTER TABLE kept ENGINE = MyISAM')
      const runner = app().dataSource.createQueryRunner()
      const query = runner.query.bind(runner)
      let written: Promise<unknown> | undefined
      runner.query = async (sql: string, ...rest: unknown[]) => {
        if (sql.startsWith('UPDATE')) {
          written ??= db().rawQuery("UPDATE kept SET secret = 'of the application' WHERE id = 3")
          // It waits where the table is locked.
          await Promise.race([written, sleep(300)])
        }
        return query(sql, ...(rest as [])) as never
      }
      try {
        await encryptColumns(runner, Kept, ['secret'])
        await written
        await encryptColumns(runner, Kept, ['secret'])
      } finally {
        await runner.release()
      }
      const [kept] = await app()
        .dataSource.getRepository(Kept)
        .find({ select: { secret: true }, where: { id: 3 } })
      expect(kept?.secret).toBe('of the application')
    })

    it('says before the first row that ciphertexts are alike in what a unique index looks at', async () => {
      await db().rawQuery('ALTER TABLE kept ADD UNIQUE KEY kept_secret (secret(50))')
      const before = await all()
      const error = await failure(encryptColumns(app().dataSource, Kept, ['secret'], { batchSize: 5 }))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'secret' })
      expect(error.message).toContain('kept_secret')
      expect(await all()).toEqual(before)
    })

    it('inside of a migration leaves no failed statement behind', async () => {
      const runner = app().dataSource.createQueryRunner()
      const sent: string[] = []
      const query = runner.query.bind(runner)
      runner.query = (sql: string, ...rest: unknown[]) => {
        sent.push(sql)
        return query(sql, ...(rest as [])).catch((error: unknown) => {
          sent.push(`failed: ${sql}`)
          throw error
        }) as never
      }
      await runner.startTransaction()
      // Ends the transaction, and TypeORM does not know.
      await runner.query('ALTER TABLE kept ADD later int NULL')
      await encryptColumns(runner, 'Kept', ['secret'])
      await runner.commitTransaction()
      await runner.release()
      expect(sent.filter((sql) => sql.startsWith('failed'))).toEqual([])
      expect(sent).toContain('START TRANSACTION')
      expect(await columnStatus(app().dataSource, Kept, 'secret')).toMatchObject({ plaintext: 0 })
    })
  },
  { databases: ['mariadb'] },
)

describeDatabases(
  'a pass on PostgreSQL',
  (db) => {
    const { app, all } = useRows(db)

    it('meets the rows of tables that inherit from the entity’s, also with the same keys', async () => {
      await db().rawQuery('CREATE TABLE kept_child (UNIQUE (id)) INHERITS (kept)')
      await db().rawQuery('INSERT INTO kept_child SELECT * FROM ONLY kept WHERE id > 3')
      const rows = 2 * ROWS - 3
      expect(await encryptColumns(app().dataSource, Kept, ['secret'], { batchSize: 7 })).toMatchObject([
        { changed: rows, rows },
      ])
      expect(await verifyColumns(app().dataSource, Kept, ['secret'], { batchSize: 5 })).toMatchObject([
        { rows, failed: 0, notCiphertext: 0 },
      ])
      await db().rawQuery('DROP TABLE kept_child')
    })

    it('meets the rows of all partitions', async () => {
      await db().rawQuery('ALTER TABLE kept RENAME TO whole')
      await db().rawQuery('CREATE TABLE kept (LIKE whole, PRIMARY KEY (id)) PARTITION BY RANGE (id)')
      await db().rawQuery('CREATE TABLE kept_low PARTITION OF kept FOR VALUES FROM (MINVALUE) TO (20)')
      await db().rawQuery('CREATE TABLE kept_rest PARTITION OF kept DEFAULT')
      await db().rawQuery('INSERT INTO kept SELECT * FROM whole')
      await db().rawQuery('DROP TABLE whole')
      expect(await encryptColumns(app().dataSource, Kept, ['secret'], { batchSize: 7 })).toMatchObject([
        { changed: ROWS, rows: ROWS },
      ])
      expect(await verifyColumns(app().dataSource, Kept, ['secret'], { batchSize: 5 })).toMatchObject([
        { rows: ROWS, failed: 0, notCiphertext: 0 },
      ])
      await db().rawQuery('DROP TABLE kept')
    })

    it('changes nothing through a view', async () => {
      await db().rawQuery('ALTER TABLE kept RENAME TO behind')
      await db().rawQuery('CREATE VIEW kept AS SELECT * FROM behind WHERE id > 1')
      expect(await failure(encryptColumns(app().dataSource, Kept, ['secret']))).toMatchObject({
        code: 'ROWS_HIDDEN',
        message: expect.stringContaining('kept is a view') as unknown,
      })
      await db().rawQuery('DROP VIEW kept')
      await db().rawQuery('DROP TABLE behind')
    })

    it('says before the first row that an index takes no ciphertext as long as the longest', async () => {
      await db().rawQuery('CREATE INDEX kept_secret ON kept (secret)')
      await db().rawQuery('UPDATE kept SET secret = ? WHERE id = 60', [Buffer.alloc(2_600, 'x')])
      // The index compresses what repeats; what does not is too long for a page.
      await db().rawQuery(
        `UPDATE kept SET secret = (SELECT decode(substr(string_agg(md5(n::text), ''), 1, 5200), 'hex') FROM generate_series(1, 200) n) WHERE id = 60`,
      )
      const before = await all()
      const error = await failure(encryptColumns(app().dataSource, Kept, ['secret'], { batchSize: 5 }))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'secret' })
      expect(error.message).toContain('kept_secret')
      expect(await all()).toEqual(before)
    })

    it('says where row level security hides rows, and certifies nothing there', async () => {
      const role = `kms_reader_${process.pid}`
      await db().rawQuery(`CREATE ROLE ${role}`)
      await db().rawQuery(`GRANT SELECT, UPDATE ON kept TO ${role}`)
      await db().rawQuery('ALTER TABLE kept ENABLE ROW LEVEL SECURITY')
      await db().rawQuery('CREATE POLICY ten ON kept USING (id < 10)')
      const runner = app().dataSource.createQueryRunner()
      await runner.query(`SET ROLE ${role}`)
      try {
        const error = await failure(verifyColumns(runner, Kept, ['secret']))
        expect(error).toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Kept', property: 'secret' })
        expect(error.message).toContain('BYPASSRLS')
        const [result] = await encryptColumns(runner, Kept, ['secret'])
        expect(result).toMatchObject({ changed: 9, notes: [expect.stringContaining('row level security')] })
      } finally {
        await runner.query('RESET ROLE')
        await runner.release()
        await db().rawQuery(`DROP OWNED BY ${role}`)
        await db().rawQuery(`DROP ROLE ${role}`)
      }
      const whole = await failure(
        verifyColumns(app().dataSource, Kept, ['secret']).then(([{ failed } = { failed: 0 }]) => {
          throw new Error(`${failed} rows`)
        }),
      )
      expect(whole.message).toBe(`${ROWS - 9} rows`)
    })
  },
  { databases: ['postgres'] },
)

describeDatabases(
  'a pass on SQLite',
  (db) => {
    const { app, all } = useRows(db)

    it('says before the first row that a STRICT column takes no bytes', async () => {
      await db().rawQuery('DROP TABLE kept')
      await db().rawQuery(
        'CREATE TABLE kept (id int PRIMARY KEY, other text, secret text, note text, born blob) STRICT',
      )
      await db().rawQuery("INSERT INTO kept (id, secret) VALUES (1, 'a'), (2, 'b')")
      const before = await all()
      const error = await failure(encryptColumns(app().dataSource, Kept, ['secret']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Kept', property: 'secret' })
      expect(await all()).toEqual(before)
    })
  },
  { databases: ['sqlite'] },
)
