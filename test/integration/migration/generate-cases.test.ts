import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, testKms, type TestKms } from '../../support/encryption'
import { Generated, MARIADB } from './generated'

@Entity('event')
class EncryptedEvent {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'date', nullable: true }) local!: Date | null
  @KmsEncrypted({ type: 'date', nullable: true }) instant!: Date | null
  @KmsEncrypted({ type: 'date', nullable: true }) day!: Date | null
  @KmsEncrypted({ type: 'boolean' }) done!: boolean
}

@Entity('note')
class BinaryNote {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) long!: string
  @KmsEncrypted({ type: 'string', maxLength: 300 }) short!: string
}

@Entity('note')
class TextNote {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text' }) long!: string
  @KmsEncrypted({ type: 'string', storage: 'text', maxLength: 300 }) short!: string
}

@Entity('note')
class RenamedNote {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) long!: string
  @KmsEncrypted({ type: 'string', maxLength: 300, previous: [{ boundTo: { column: 'short' } }] })
  brief!: string
}

@Entity('pin')
class PlaintextPin {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 20 }) old_code!: string
  @Column('boolean') active!: boolean
}

@Entity('pin')
class EncryptedPin {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) code!: string
  @KmsEncrypted({ type: 'boolean' }) active!: boolean
}

@Entity('memo')
class EncryptedMemo {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text' }) text!: string
}

@Entity('account')
class Account {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, maxLength: 100 }) token!: string | null
}

describeDatabases(
  'a generated migration',
  (db) => {
    let kms: TestKms
    let generated: Generated

    beforeAll(async () => {
      kms = await testKms()
      generated = new Generated(db(), kms.client)
    })
    afterEach(() => {
      kms.kms.misbehave({})
    })
    afterAll(() => generated.close())

    it('takes dates for UTC where the type has no time zone, saying so, and keeps instants', async () => {
      const [local, instant, bool] = {
        mariadb: ['datetime(3)', 'timestamp(3)', 'tinyint'],
        postgres: ['timestamp', 'timestamptz', 'boolean'],
        sqlite: ['datetime', 'datetime', 'boolean'],
      }[db().name]
      await db().rawQuery(
        `CREATE TABLE event (id int PRIMARY KEY NOT NULL, local ${local} NULL, instant ${instant} NULL, day date NULL, done ${bool} NOT NULL)`,
      )
      if (db().name === 'mariadb') await db().rawQuery("SET time_zone = '+02:00'")
      const [zone, truth] = db().name === 'postgres' ? ['+02', 'true'] : ['', '1']
      const clock = db().name === 'sqlite' ? '10:00:00.007' : '12:00:00.007'
      await db().rawQuery(
        `INSERT INTO event VALUES (1, '2024-02-29 12:00:00.120', '2024-02-29 ${clock}${zone}', '2024-02-29', ${truth}), (2, NULL, NULL, NULL, ${truth === 'true' ? 'false' : '0'})`,
      )
      const before = await db().rawQuery('SELECT * FROM event ORDER BY id')
      const [dataSource, text] = await generated.migrate(EncryptedEvent, 'EncryptEvents')
      if (db().name !== 'sqlite')
        expect(text).toMatch(/\/\/ .*no time zone: this takes the values of .local. for UTC/)
      expect(text).not.toMatch(/values of .instant. for UTC/)
      await dataSource.runMigrations()
      expect(await generated.rows(EncryptedEvent)).toMatchObject([
        {
          id: 1,
          local: new Date('2024-02-29T12:00:00.120Z'),
          instant: new Date('2024-02-29T10:00:00.007Z'),
          day: new Date('2024-02-29T00:00:00.000Z'),
          done: true,
        },
        { id: 2, local: null, instant: null, day: null, done: false },
      ])
      await dataSource.undoLastMigration()
      expect(await db().rawQuery('SELECT * FROM event ORDER BY id')).toEqual(before)
    })

    it('makes the table of stored data keys first, and by itself, where values will need it', async () => {
      await db().rawQuery(`CREATE TABLE account (id int NOT NULL PRIMARY KEY, token varchar(100))`)
      await db().rawQuery('INSERT INTO account VALUES (1, ?), (2, NULL)', ['a secret'])
      const stored = new Generated(db(), kms.client, { dataKeys: 'stored' })
      try {
        const [first, makes] = await stored.migrate(Account, 'KeyTable')
        expect(makes).toContain('CREATE TABLE')
        expect(makes).not.toMatch(/encryptColumns|token/)
        await first.runMigrations()
        const [second, encrypts] = await stored.migrate(Account, 'Encrypt')
        expect(encrypts).not.toContain('kms_data_key')
        await second.runMigrations()
        const [row] = await db().rawQuery('SELECT token AS v FROM account WHERE id = 1')
        expect((row?.['v'] as Buffer).toString('hex', 0, 3)).toBe('c10104')
        expect(await stored.rows(Account)).toMatchObject([{ id: 1, token: 'a secret' }, { token: null }])
        await second.undoLastMigration()
        expect(await db().rawQuery('SELECT * FROM account ORDER BY id')).toEqual([
          { id: 1, token: 'a secret' },
          { id: 2, token: null },
        ])
        await first.undoLastMigration()
        await stored.with(Account, async (dataSource) => {
          const queryRunner = dataSource.createQueryRunner()
          expect(await queryRunner.hasTable('kms_data_key')).toBe(false)
          await queryRunner.release()
        })
      } finally {
        await stored.close()
      }
    })

    it('changes the storage from bytes to text and back', async () => {
      const notes = Array.from({ length: 20 }, (_, id) => ({
        id,
        long: `long ${id} `.repeat(100),
        short: 'x'.repeat(300),
      }))
      await generated.with(BinaryNote, (dataSource) => dataSource.getRepository(BinaryNote).insert(notes), {
        synchronize: true,
      })
      for (const [Note, other] of [
        [TextNote, 'Text'],
        [BinaryNote, 'Binary'],
      ] as const) {
        const [dataSource] = await generated.migrate(Note, `To${other}`)
        await dataSource.runMigrations()
        expect(await generated.rows(Note)).toEqual(notes)
        const stored = await db().rawQuery('SELECT * FROM note')
        for (const { long, short } of stored) {
          const start = other === 'Text' ? 'wQEB' : 0xc1
          const begins = (value: unknown) =>
            other === 'Text' ? (value as string).slice(0, 4) : (value as Buffer)[0]
          expect([begins(long), begins(short)]).toEqual([start, start])
        }
        await generated.with(Note, async (connected) => {
          expect(await verifyColumns(connected, Note, ['long', 'short'])).toMatchObject([
            { failed: 0 },
            { failed: 0 },
          ])
          await expect(generated.migrate(Note, 'Nothing')).rejects.toThrow('nothing to migrate')
        })
      }
    })

    it('renames an encrypted column and binds its values to the new name', async () => {
      const [dataSource, text] = await generated.migrate(RenamedNote, 'Rename')
      expect(text).toContain('rotateColumns')
      const before = await generated.rows(BinaryNote)
      await dataSource.runMigrations()
      const after = await generated.rows(RenamedNote)
      expect(after).toEqual(before.map(({ short, ...note }) => ({ ...note, brief: short })))
    })

    it('goes on where it was when it is run again after a failure', async () => {
      const pins = Array.from({ length: 40 }, (_, id) => ({
        id,
        old_code: `code ${id} é`,
        active: id % 2 === 0,
      }))
      await generated.with(
        PlaintextPin,
        (dataSource) => dataSource.getRepository(PlaintextPin).insert(pins),
        {
          synchronize: true,
        },
      )
      const [dataSource] = await generated.migrate(EncryptedPin, 'EncryptPins')
      kms.kms.misbehave({ outage: true })
      await failure(dataSource.runMigrations())
      kms.kms.misbehave({})
      await dataSource.runMigrations()
      expect(await generated.rows(EncryptedPin)).toEqual(
        pins.map(({ old_code, ...pin }) => ({ ...pin, code: old_code })),
      )
      expect(await columnStatus(dataSource, EncryptedPin, 'active')).toMatchObject({ plaintext: 0 })
      await dataSource.undoLastMigration()
      expect(await generated.rows(PlaintextPin)).toEqual(pins)
    })
  },
  MARIADB,
)

describeDatabases(
  'a generated migration of a table in latin1',
  (db) => {
    let generated: Generated

    beforeAll(async () => {
      generated = new Generated(db(), (await testKms()).client)
    })
    afterAll(() => generated.close())

    it('keeps the texts of a column in utf8mb4', async () => {
      await db().rawQuery(
        'CREATE TABLE memo (id int PRIMARY KEY NOT NULL, text varchar(100) CHARACTER SET utf8mb4 NOT NULL) CHARACTER SET latin1',
      )
      const memos = [
        { id: 1, text: 'emoji 🔑' },
        { id: 2, text: '漢字' },
      ]
      for (const { id, text } of memos) await db().rawQuery('INSERT INTO memo VALUES (?, ?)', [id, text])
      const [dataSource] = await generated.migrate(EncryptedMemo, 'EncryptMemos')
      await dataSource.runMigrations()
      expect(await generated.rows(EncryptedMemo)).toEqual(memos)
      await dataSource.undoLastMigration()
      expect(await db().rawQuery('SELECT * FROM memo')).toEqual(memos)
    })
  },
  { ...MARIADB, databases: ['mariadb'] },
)
