import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn, ViewColumn, ViewEntity } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { dialectOf } from '../../../src/dialects'
import { describeDatabases, type TestDatabase } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Vault {
  @PrimaryGeneratedColumn() id!: number
  @Column('varchar', { length: 10, nullable: true }) label!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null
  @KmsEncrypted({ type: 'date', nullable: true }) born!: Date | null
  @KmsEncrypted({ type: 'string', nullable: true, mode: 'direct' }) pin!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text', maxLength: 100 }) note!: string | null
}

@Entity()
class Other {
  @PrimaryColumn('int') id!: number
}

@ViewEntity({ expression: 'SELECT 1 AS one' })
class Unkeyed {
  @ViewColumn() one!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

/** The tables on a database, made anew for a suite. */
function useVaults(db: () => TestDatabase) {
  let app: TestApplication
  beforeAll(async () => {
    app = await startApplication(db(), [Vault, Other])
  })
  afterEach(() => {
    app.kms.misbehave({})
  })
  afterAll(() => app.stop())
  return {
    app: () => app,
    insert: async (column: string, count: number, value: (index: number) => unknown): Promise<void> => {
      const [table, name] = ['vault', column].map((each) => db().quote(each))
      await db().rawQuery(`DELETE FROM ${table}`)
      for (let id = 1; id <= count; id++) {
        await db().rawQuery(`INSERT INTO ${table} (id, ${name}) VALUES (?, ?)`, [id, value(id)])
      }
    },
  }
}

describeDatabases('a migration that cannot go on', (db) => {
  const { app, insert } = useVaults(db)

  it('names a property that is not encrypted, and an entity that is not there', async () => {
    const plain = await failure(encryptColumns(app().dataSource, Vault, ['label']))
    expect(plain).toMatchObject({ code: 'NOT_AN_ENCRYPTED_COLUMN', entity: 'Vault', property: 'label' })
    expect(plain.message).toContain('secret, born, pin, note')
    expect(await failure(columnStatus(app().dataSource, Unkeyed, 'secret'))).toMatchObject({
      code: 'INVALID_OPTION',
    })
    expect(await failure(encryptColumns(app().dataSource, Other, ['id']))).toMatchObject({
      code: 'NOT_AN_ENCRYPTED_COLUMN',
    })
  })

  it('refuses a table with no primary key', async () => {
    const keyless = await startApplication(db(), [Vault, Other, Unkeyed])
    expect(await failure(encryptColumns(keyless.dataSource, Unkeyed, ['secret']))).toMatchObject({
      code: 'NO_PRIMARY_KEY',
    })
    await keyless.stop()
  })

  it('names the row whose value is not of the declared type, and leaves the others to be done', async () => {
    const iso = '2024-02-29T12:00:00.000Z'
    await insert('born', 3, (id) => Buffer.from(id === 2 ? '2024-02-29 12:00:00' : iso))
    const error = await failure(encryptColumns(app().dataSource, Vault, ['born'], { batchSize: 1 }))
    expect(error).toMatchObject({
      code: 'INVALID_VALUE',
      entity: 'Vault',
      property: 'born',
      primaryKey: { id: '2' },
    })
    expect(error.message).toContain('run the same again to go on')
    expect(error.message).not.toContain('2024')
    await db().rawQuery('UPDATE vault SET born = ? WHERE id = 2', [Buffer.from(iso)])
    await encryptColumns(app().dataSource, Vault, ['born'])
    expect(await columnStatus(app().dataSource, Vault, 'born')).toMatchObject({ plaintext: 0, rows: 3 })
  })

  it('stops where KMS goes away in the middle, keeps what is done and goes on later', async () => {
    await insert('pin', 60, (id) => Buffer.from(`pin ${id}`))
    app().kms.misbehave({
      fail: (operation, call) => (operation === 'Encrypt' && call > 40 ? 'KMSInternalException' : undefined),
    })
    const error = await failure(
      encryptColumns(app().dataSource, Vault, ['pin'], { batchSize: 10, concurrency: 1 }),
    )
    expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(error.message).toMatch(/\d+ of 60 rows were encrypted and stay so; run the same again/)
    const half = await columnStatus(app().dataSource, Vault, 'pin')
    expect(half.plaintext).toBeGreaterThan(0)
    expect(half.plaintext).toBeLessThan(60)
    app().kms.misbehave({})
    expect(await encryptColumns(app().dataSource, Vault, ['pin'])).toMatchObject([
      { changed: half.plaintext },
    ])
    expect(await verifyColumns(app().dataSource, Vault, ['pin'])).toMatchObject([{ failed: 0, rows: 60 }])
  })

  it('names the permissions that a rotation lacks', async () => {
    await insert('pin', 2, (id) => Buffer.from(`pin ${id}`))
    await encryptColumns(app().dataSource, Vault, ['pin'])
    app().kms.misbehave({ deny: 'ReEncrypt' })
    const error = await failure(
      rotateColumns(app().dataSource, Vault, ['pin'], { to: await app().createKey() }),
    )
    expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    expect(error.message).toMatch(/kms:ReEncryptFrom.*kms:ReEncryptTo/)
  })

  it('stops when it is told to', async () => {
    await insert('secret', 30, (id) => Buffer.from(`secret ${id}`))
    const stop = new AbortController()
    const onProgress = () => {
      stop.abort()
    }
    const options = { batchSize: 5, concurrency: 1, signal: stop.signal, onProgress }
    const error = await failure(encryptColumns(app().dataSource, Vault, ['secret'], options))
    expect(error).toMatchObject({ code: 'INTERRUPTED' })
    const { plaintext } = await columnStatus(app().dataSource, Vault, 'secret')
    expect(plaintext).toBeGreaterThan(0)
    expect(plaintext).toBeLessThan(30)
  })

  it('writes nothing in a dry run', async () => {
    await insert('secret', 30, (id) => Buffer.from(`secret ${id}`))
    expect(await encryptColumns(app().dataSource, Vault, ['secret'], { dryRun: true })).toMatchObject([
      { changed: 30 },
    ])
    expect(await columnStatus(app().dataSource, Vault, 'secret')).toMatchObject({ plaintext: 30 })
  })

  it('shares the rows among shards, each row in one', async () => {
    await insert('secret', 64, (id) => Buffer.from(`secret ${id}`))
    const parts = await Promise.all(
      [1, 2, 3, 4].map((index) =>
        encryptColumns(app().dataSource, Vault, ['secret'], { shard: { index, count: 4 } }),
      ),
    )
    const changed = parts.map(([result]) => result!.changed)
    expect(changed.reduce((sum, count) => sum + count)).toBe(64)
    expect(Math.min(...changed)).toBeGreaterThan(0)
    expect(await columnStatus(app().dataSource, Vault, 'secret')).toMatchObject({ plaintext: 0 })
  })

  it('reports the rows that do not open, and changes none', async () => {
    await insert('secret', 5, (id) => Buffer.from(`secret ${id}`))
    await encryptColumns(app().dataSource, Vault, ['secret'])
    const [row] = (await db().rawQuery('SELECT secret FROM vault WHERE id = 2')) as [{ secret: Buffer }]
    row.secret[row.secret.length - 1]! ^= 1
    await db().rawQuery('UPDATE vault SET secret = ? WHERE id = 2', [row.secret])
    await db().rawQuery('UPDATE vault SET secret = ? WHERE id = 4', [Buffer.from('plain')])
    const [result] = await verifyColumns(app().dataSource, Vault, ['secret'])
    expect(result).toMatchObject({ rows: 5, failed: 2, changed: 0 })
    expect(result!.unreadable.map(({ primaryKey, code }) => [primaryKey, code]).sort()).toEqual([
      [{ id: '2' }, 'CIPHERTEXT_TAMPERED'],
      [{ id: '4' }, 'PLAINTEXT_FOUND'],
    ])
  })

  it('ends in time where another session holds a lock', async () => {
    // With sql.js and PGlite there is no other session.
    if (db().standIn) {
      expect(dialectOf(db().options).onlyConnection).toBeDefined()
      return
    }
    await insert('secret', 3, (id) => Buffer.from(`secret ${id}`))
    const sqlite = db().name === 'sqlite'
    await db().rawQuery(sqlite ? 'BEGIN IMMEDIATE' : 'BEGIN')
    await db().rawQuery(
      sqlite ? 'UPDATE vault SET label = NULL WHERE id = 2' : 'SELECT * FROM vault WHERE id = 2 FOR UPDATE',
    )
    const start = performance.now()
    const error = await failure(
      encryptColumns(app().dataSource, Vault, ['secret'], { lockTimeout: 1_000, batchSize: 1 }),
    )
    expect(error).toMatchObject({ code: 'TABLE_LOCKED', entity: 'Vault', property: 'secret' })
    expect(error.message).toMatch(/\d of 3 rows were encrypted and stay so; run the same again to go on\./)
    expect(performance.now() - start).toBeLessThan(30_000)
    await db().rawQuery('ROLLBACK')
    await encryptColumns(app().dataSource, Vault, ['secret'])
    const rows = await app()
      .dataSource.getRepository(Vault)
      .find({ order: { id: 'ASC' } })
    expect(rows.map(({ secret }) => secret)).toEqual(['secret 1', 'secret 2', 'secret 3'])
    expect(await columnStatus(app().dataSource, Vault, 'secret')).toMatchObject({ plaintext: 0 })
  })
})

// Columns of SQLite have no type that could be too small or another.
describeDatabases(
  'a migration of a column whose type does not fit',
  (db) => {
    const { app, insert } = useVaults(db)
    const alter = (type: string): Promise<unknown> =>
      db().rawQuery(
        db().name === 'mariadb'
          ? `ALTER TABLE vault MODIFY secret ${type}`
          : `ALTER TABLE vault ALTER COLUMN secret TYPE ${type} USING convert_from(secret::bytea, 'UTF8')::${type}`,
      )

    it('says before the first row that the column is too small, with the statement that widens it', async () => {
      await insert('note', 2, () => 'x'.repeat(100))
      await db().rawQuery(
        db().name === 'mariadb'
          ? 'ALTER TABLE vault MODIFY note varchar(200)'
          : 'ALTER TABLE vault ALTER COLUMN note TYPE varchar(200)',
      )
      const error = await failure(encryptColumns(app().dataSource, Vault, ['note']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', property: 'note' })
      const statement = /ALTER TABLE [^;]+;/.exec(error.message)![0]
      expect(await columnStatus(app().dataSource, Vault, 'note')).toMatchObject({ plaintext: 2 })
      await db().rawQuery(statement)
      expect(await encryptColumns(app().dataSource, Vault, ['note'])).toMatchObject([{ changed: 2 }])
    })

    it('says that a column is not of a binary type yet', async () => {
      await insert('secret', 1, () => Buffer.from('x'))
      await alter(db().name === 'mariadb' ? 'varchar(200) CHARACTER SET latin1' : 'varchar(200)')
      const error = await failure(encryptColumns(app().dataSource, Vault, ['secret']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE' })
      for (const [statement] of error.message.matchAll(/ALTER TABLE [^;]+;/g)) await db().rawQuery(statement)
      expect(await encryptColumns(app().dataSource, Vault, ['secret'])).toMatchObject([{ changed: 1 }])
    })

    it('refuses on the way back what the column cannot hold, and leaves it encrypted', async () => {
      await insert('note', 2, () => 'short')
      await encryptColumns(app().dataSource, Vault, ['note'])
      const vaults = app().dataSource.getRepository(Vault)
      await vaults.update({ id: 2 }, { note: db().name === 'mariadb' ? 'emoji 🔑' : 'nul \0' })
      if (db().name === 'mariadb') {
        await db().rawQuery('ALTER TABLE vault MODIFY note varchar(2000) CHARACTER SET latin1')
      }
      const { dataSource } = app()
      // MariaDB itself refuses the value; the others of its batch are written.
      const batchSize = db().name === 'mariadb' ? 500 : 1
      const error = await failure(decryptColumns(dataSource, Vault, ['note'], { batchSize }))
      expect(error.message).not.toContain('emoji')
      expect(await columnStatus(dataSource, Vault, 'note')).toMatchObject({
        ciphertext: [{ rows: 1 }],
        plaintext: 1,
      })
      expect(error).toMatchObject({ code: 'NOT_REPRESENTABLE', primaryKey: { id: '2' } })
    })
  },
  { databases: ['mariadb', 'postgres'] },
)
