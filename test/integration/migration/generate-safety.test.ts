import { Column, type DataSource, Entity, Index, ManyToOne, OneToMany, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, rebuildTables } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, testKms, type TestKms } from '../../support/encryption'
import { Generated, MARIADB } from './generated'

@Entity('parent')
class PlaintextParent {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 100 }) secret!: string
  @Column('int', { default: 7 }) pin!: number
}

@Entity('parent')
class EncryptedParent {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
  @KmsEncrypted({ type: 'number' }) pin!: number
}

const CHILD =
  'CREATE TABLE child (id int PRIMARY KEY NOT NULL, parent int NOT NULL REFERENCES parent (id) ON DELETE CASCADE)'

describeDatabases(
  'a generated migration of a table that others refer to with ON DELETE CASCADE',
  (db) => {
    let kms: TestKms
    let generated: Generated

    beforeAll(async () => {
      kms = await testKms()
      generated = new Generated(db(), kms.client)
    })
    afterAll(() => generated.close())

    const counts = async (dataSource: DataSource) => {
      const count = async (table: string) => {
        const rows: unknown[] = await dataSource.query(`SELECT id FROM ${table}`)
        return rows.length
      }
      return [await count('parent'), await count('child')]
    }

    it('deletes no row of them, run and reverted', async () => {
      await generated.with(
        PlaintextParent,
        async (dataSource) => {
          await dataSource.query(
            db().name === 'mariadb'
              ? CHILD.replace(
                  'int NOT NULL REFERENCES parent (id) ON DELETE CASCADE',
                  'int NOT NULL, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE',
                )
              : CHILD,
          )
          await dataSource.getRepository(PlaintextParent).insert([
            { id: 1, secret: 'one', pin: 1 },
            { id: 2, secret: 'two', pin: 2 },
          ])
          await dataSource.query('INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)')
          if (db().name === 'sqlite') {
            await dataSource.query(
              'CREATE TRIGGER kept AFTER DELETE ON parent BEGIN DELETE FROM child WHERE parent = OLD.id; END',
            )
          }
        },
        { synchronize: true },
      )
      const [dataSource] = await generated.migrate(EncryptedParent, 'EncryptParents')
      await dataSource.runMigrations()
      expect(await counts(dataSource)).toEqual([2, 3])
      expect(await columnStatus(dataSource, EncryptedParent, 'secret')).toMatchObject({ plaintext: 0 })

      if (db().name === 'sqlite') {
        const error = await failure(dataSource.undoLastMigration())
        expect(error).toMatchObject({ code: 'REBUILD_REFUSED' })
        expect(error.message).toContain('the table parent is referenced by child')
        expect(error.message).toContain('--transaction none')
        expect(await counts(dataSource)).toEqual([2, 3])
        expect(await columnStatus(dataSource, EncryptedParent, 'secret')).toMatchObject({ plaintext: 0 })
      }
      await dataSource.undoLastMigration(db().name === 'sqlite' ? { transaction: 'none' } : {})
      expect(await counts(dataSource)).toEqual([2, 3])
      expect(await generated.rows(PlaintextParent)).toEqual([
        { id: 1, secret: 'one', pin: 1 },
        { id: 2, secret: 'two', pin: 2 },
      ])
      await generated.with(PlaintextParent, async (before) => {
        const { upQueries } = await before.driver.createSchemaBuilder().log()
        expect(upQueries.map(({ query }) => query)).toEqual([])
      })
      await dataSource.runMigrations({ transaction: 'none' })
      expect(await counts(dataSource)).toEqual([2, 3])
      if (db().name === 'sqlite') {
        expect(await dataSource.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
        expect(await dataSource.query("SELECT name FROM sqlite_master WHERE type = 'trigger'")).toEqual([
          { name: 'kept' },
        ])
      }
    })
  },
  MARIADB,
)

@Entity('node')
class PlaintextNode {
  @PrimaryColumn('int') id!: number
  @Column('varchar') label!: string
  @ManyToOne(() => PlaintextNode, ({ children }) => children, { onDelete: 'CASCADE', nullable: true })
  parent!: PlaintextNode | null
  @OneToMany(() => PlaintextNode, ({ parent }) => parent) children!: PlaintextNode[]
}

@Entity('node')
class EncryptedNode {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) label!: string
  @ManyToOne(() => EncryptedNode, ({ children }) => children, { onDelete: 'CASCADE', nullable: true })
  parent!: EncryptedNode | null
  @OneToMany(() => EncryptedNode, ({ parent }) => parent) children!: EncryptedNode[]
}

describeDatabases(
  'a generated migration on SQLite',
  (db) => {
    let generated: Generated

    beforeAll(async () => {
      generated = new Generated(db(), (await testKms()).client)
    })
    afterAll(() => generated.close())

    it('keeps the rows of a table that refers to itself', async () => {
      await generated.with(
        PlaintextNode,
        (dataSource) =>
          dataSource.query(`INSERT INTO node (id, label, "parentId") VALUES (1, 'a', NULL), (2, 'b', 1)`),
        { synchronize: true },
      )
      const [dataSource] = await generated.migrate(EncryptedNode, 'EncryptNodes')
      await dataSource.runMigrations()
      expect(await generated.rows(EncryptedNode)).toHaveLength(2)
      expect(await failure(dataSource.undoLastMigration())).toMatchObject({ code: 'REBUILD_REFUSED' })
      await dataSource.undoLastMigration({ transaction: 'none' })
      expect(await generated.rows(PlaintextNode)).toEqual([
        { id: 1, label: 'a' },
        { id: 2, label: 'b' },
      ])
    })

    it('undoes all of a step that fails, and enforces references again', async () => {
      await generated.with(PlaintextNode, async (dataSource) => {
        const runner = dataSource.createQueryRunner()
        const work = async (): Promise<void> => {
          await runner.query('DELETE FROM node')
          throw new Error('in the middle')
        }
        expect((await failure(rebuildTables(runner, ['node'], work))).message).toBe('in the middle')
        expect(await dataSource.query('SELECT COUNT(*) AS n FROM node')).toEqual([{ n: 2 }])
        expect(await dataSource.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
      })
    })
  },
  { databases: ['sqlite'] },
)

@Entity('contact')
class PlaintextContact {
  @PrimaryColumn('int') id!: number
  @Index('contact_phone') @Column('varchar', { length: 40 }) phone!: string
  @Index('contact_email', { unique: true }) @Column('varchar', { length: 40 }) email!: string
  @Column('varchar', { length: 40 }) city!: string
}

@Entity('contact')
@Index('contact_city', ['city'])
class EncryptedContact {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) phone!: string
  @KmsEncrypted({ type: 'string' }) email!: string
  @Column('varchar', { length: 40 }) city!: string
}

describeDatabases(
  'a generated migration of columns with an index',
  (db) => {
    let generated: Generated

    beforeAll(async () => {
      generated = new Generated(db(), (await testKms()).client)
    })
    afterAll(() => generated.close())

    it('brings back on its way down what it dropped on its way up', async () => {
      await generated.with(
        PlaintextContact,
        (dataSource) =>
          dataSource.getRepository(PlaintextContact).insert({ id: 1, phone: '1', email: 'a@b', city: 'Ulm' }),
        { synchronize: true },
      )
      const indexes = () =>
        generated.with(PlaintextContact, async (dataSource) => {
          const runner = dataSource.createQueryRunner()
          const table = await runner.getTable('contact')
          await runner.release()
          return (table?.indices ?? [])
            .map(({ name, columnNames, isUnique }) => [name, columnNames, isUnique])
            .sort()
        })
      const before = await indexes()
      const [dataSource, text] = await generated.migrate(EncryptedContact, 'EncryptContacts')
      if (db().name !== 'sqlite') expect(text).toMatch(/DROP INDEX .*contact_phone/)
      await dataSource.runMigrations()
      if (db().name !== 'sqlite') {
        expect(await indexes()).toEqual([['contact_city', ['city'], false]])
      }
      await dataSource.undoLastMigration()
      expect(await indexes()).toEqual(before)
      expect(await generated.rows(PlaintextContact)).toEqual([
        { id: 1, phone: '1', email: 'a@b', city: 'Ulm' },
      ])
    })

    it('drops indexes over expressions of the column, and brings them back', async () => {
      if (db().name !== 'postgres') {
        expect(['mariadb', 'sqlite']).toContain(db().name)
        return
      }
      const indexes = () =>
        db().rawQuery("SELECT indexdef FROM pg_indexes WHERE tablename = 'contact' ORDER BY indexname")
      await db().rawQuery('CREATE INDEX by_lower ON contact (lower(email), city)')
      await db().rawQuery("CREATE UNIQUE INDEX by_part ON contact (city) WHERE phone <> 'none'")
      const before = await indexes()
      const [dataSource, text] = await generated.migrate(EncryptedContact, 'EncryptIndexedByExpression')
      expect(text.match(/DROP INDEX \S+by_\w+/g)).toHaveLength(2)
      await dataSource.runMigrations()
      expect(JSON.stringify(await indexes())).not.toMatch(/by_lower|by_part/)
      await dataSource.undoLastMigration()
      expect(await indexes()).toEqual(before)
      for (const name of ['by_lower', 'by_part']) await db().rawQuery(`DROP INDEX ${name}`)
    })

    it('brings back of an index what TypeORM does not know', async () => {
      const definition = async () => {
        const [found] = await db().rawQuery(
          {
            mariadb:
              "SELECT sub_part AS found FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'special'",
            postgres: "SELECT indexdef AS found FROM pg_indexes WHERE indexname = 'special'",
            sqlite: "SELECT sql AS found FROM sqlite_master WHERE name = 'special'",
          }[db().name],
        )
        return found?.['found']
      }
      await db().rawQuery(
        {
          mariadb: 'CREATE INDEX special ON contact (email(3))',
          postgres: "CREATE INDEX special ON contact (email varchar_pattern_ops) WHERE email <> ''",
          sqlite: "CREATE INDEX special ON contact (email COLLATE NOCASE) WHERE email <> ''",
        }[db().name],
      )
      const before = await definition()
      expect(before).toBeDefined()
      const [dataSource, text] = await generated.migrate(EncryptedContact, 'EncryptWithSpecialIndex')
      if (db().name === 'sqlite') {
        // The table is made anew by TypeORM: what it leaves out is said.
        expect(text).toMatch(
          /\/\/ TypeORM makes the index special anew without .*: CREATE INDEX special .* NOCASE/,
        )
        return
      }
      await dataSource.runMigrations()
      expect(await definition()).toBeUndefined()
      await dataSource.undoLastMigration()
      expect(await definition()).toEqual(before)
    })
  },
  MARIADB,
)

@Entity('vault')
class PlaintextVault {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 40, nullable: true }) note!: string | null
  @Column('varchar', { length: 40 }) code!: string
  @Column('varchar', { length: 40 }) size!: string
  @Column('simple-json') data!: object
}

@Entity('vault')
class UnionVault {
  @PrimaryColumn('int') id!: number
  // The compiler refuses it; JavaScript and compilers that check nothing do not.
  @(KmsEncrypted({ nullable: true }) as PropertyDecorator) note!: string | null
  @Column('varchar', { length: 40 }) code!: string
  @Column('varchar', { length: 40 }) size!: string
  @Column('simple-json') data!: object
}

@Entity('vault')
class CodeVault {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 40, nullable: true }) note!: string | null
  @(KmsEncrypted() as PropertyDecorator) code!: string | null
  @Column('varchar', { length: 40 }) size!: string
  @Column('simple-json') data!: object
}

@Entity('vault')
class NumberVault {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 40, nullable: true }) note!: string | null
  @Column('varchar', { length: 40 }) code!: string
  @KmsEncrypted({ type: 'number' }) size!: number
  @Column('simple-json') data!: object
}

@Entity('vault')
class DataVault {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 40, nullable: true }) note!: string | null
  @Column('varchar', { length: 40 }) code!: string
  @Column('varchar', { length: 40 }) size!: string
  @KmsEncrypted() data!: object
}

describeDatabases(
  'migration:generate, where the declared type is not that of the values,',
  (db) => {
    let generated: Generated

    beforeAll(async () => {
      generated = new Generated(db(), (await testKms()).client)
      await generated.with(
        PlaintextVault,
        (dataSource) =>
          dataSource
            .getRepository(PlaintextVault)
            .insert({ id: 1, note: 'hunter2', code: '4510', size: 'XL', data: { a: 1 } }),
        { synchronize: true },
      )
    })
    afterAll(() => generated.close())

    it.each([
      ['a union, which TypeScript gives no type', UnionVault, 'note'],
      ['a union, though the values would pass for JSON', CodeVault, 'code'],
      ['a number', NumberVault, 'size'],
    ])('refuses %s, and says what to declare', async (_, Vault, property) => {
      const error = await failure(generated.migrate(Vault, 'EncryptVaults'))
      expect(error).toMatchObject({ code: 'DECLARED_TYPE', property })
      expect(error.message).toContain("@KmsEncrypted({ type: 'string' })")
      expect(error.message).toContain('Nothing was written')
      expect(error.message).not.toMatch(/hunter2|4510|XL/)
    })

    it('writes the migration where they are', async () => {
      const [dataSource] = await generated.migrate(DataVault, 'EncryptData')
      await dataSource.runMigrations()
      expect(await generated.rows(DataVault)).toMatchObject([{ data: { a: 1 } }])
    })
  },
  MARIADB,
)
