import { type EntityManager, Entity, PrimaryGeneratedColumn, type QueryRunner, Column } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @Column({ unique: true }) label!: string
  @KmsEncrypted() text!: string
}

/** Undoes itself, and says so. */
class Undone extends Error {}

const undo = (manager: EntityManager, work: (inner: EntityManager) => Promise<unknown>): Promise<unknown> =>
  manager
    .transaction(async (inner) => {
      await work(inner)
      throw new Undone()
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error
    })

/** The first data key is made in a transaction, and something becomes of that. */
describeDatabases('A stored data key that is made in a transaction', (db) => {
  let app: TestApplication
  let labels = 0

  const note = (text: string): Partial<Note> => ({ label: `label ${++labels}`, text })

  beforeEach(async () => {
    app = await startApplication(db(), [Note], { dataKeys: 'stored' })
  })
  afterEach(() => app.stop())

  /** All committed values open in a fresh process. */
  const expectCommitted = async (...texts: string[]): Promise<void> => {
    const { dataSource } = await app.restart()
    const found = await dataSource.getRepository(Note).find({ order: { id: 'ASC' } })
    expect(found.map(({ text }) => text)).toEqual(texts)
  }

  test('that is rolled back is not used after it', async () => {
    await undo(app.dataSource.manager, (manager) => manager.save(Note, note('lost')))
    await app.dataSource.manager.save(Note, note('kept'))
    await expectCommitted('kept')
  })

  test('that is rolled back to a savepoint is not used after it', async () => {
    await app.dataSource.transaction(async (manager) => {
      await undo(manager, (inner) => inner.save(Note, note('lost')))
      await manager.save(Note, note('kept'))
      await undo(manager, (inner) => inner.save(Note, note('lost')))
      await manager.save(Note, note('kept, too'))
    })
    await app.dataSource.manager.save(Note, note('and after'))
    await expectCommitted('kept', 'kept, too', 'and after')
  })

  const expectKeptAfterRollback = async (queryRunner: QueryRunner) => {
    await queryRunner.query('ROLLBACK')
    await queryRunner.manager.insert(Note, note('kept'))
    await queryRunner.release()
    await app.dataSource.manager.save(Note, note('and after'))
    await expectCommitted('kept', 'and after')
  }

  test('that ends with a raw ROLLBACK is not used after it', async () => {
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    await queryRunner.manager.save(Note, note('lost'))
    await expectKeptAfterRollback(queryRunner)
  })

  test('that is begun and ended by statements of the application is not used after it', async () => {
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.query('BEGIN')
    const insert = queryRunner.manager.insert(Note, note('lost'))
    // Its only session cannot be asked, at any time, whether a transaction is open.
    if (db().standIn === 'pglite') {
      expect(await failure(insert)).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('startTransaction()') as unknown,
      })
    } else await insert
    await expectKeptAfterRollback(queryRunner)
  })

  test('is used by statements outside of a transaction, once it was committed', async () => {
    await app.dataSource.manager.save(Note, note('in a transaction'))
    await app.dataSource.manager.insert(Note, note('without'))
    expect(await db().rawQuery('SELECT id FROM kms_data_key')).toHaveLength(1)
    await expectCommitted('in a transaction', 'without')
  })

  test('in which a statement fails, and which goes on, loses no value', async () => {
    if (db().name === 'postgres') await app.dataSource.manager.save(Note, note('there')) // A failure ends it.
    const { label } = await app.dataSource.manager.save(Note, note('first'))
    const { dataSource } = await app.restart()
    await dataSource.transaction(async (manager) => {
      await manager.save(Note, note('before'))
      const savepoint = manager.queryRunner!
      await savepoint.startTransaction()
      expect((await failure(manager.insert(Note, { label: label, text: 'taken' }))).name).toBe(
        'QueryFailedError',
      )
      await savepoint.rollbackTransaction()
      await manager.save(Note, note('behind'))
    })
    const texts = ['first', 'before', 'behind']
    await expectCommitted(...(db().name === 'postgres' ? ['there', ...texts] : texts))
  })

  test('under REPEATABLE READ is that which another process made meanwhile, and opens', async () => {
    const { dataSource } = await app.restart()
    const isolation = db().name === 'sqlite' ? undefined : 'REPEATABLE READ'
    await dataSource.transaction(isolation ?? 'SERIALIZABLE', async (manager) => {
      expect(await manager.find(Note)).toEqual([])
      if (isolation) await app.dataSource.manager.save(Note, note('of another process'))
      await manager.save(Note, note('own'))
      if (!isolation) return
      // The snapshot does not show the other process's row; a lock does.
      const locked = await manager.find(Note, { lock: { mode: 'pessimistic_write' } }).catch(() => [])
      expect(locked.map(({ text }) => text)).toContain(db().name === 'mariadb' ? 'of another process' : 'own')
    })
    await expectCommitted(...(isolation ? ['of another process'] : []), 'own')
  })

  test('is to be had where the pool has one connection, and a transaction holds it', async () => {
    const { dataSource } = await app.restart({}, { poolSize: 1 })
    await dataSource.transaction(async (manager) => {
      await manager.save(Note, note('written'))
      expect(await manager.find(Note)).toMatchObject([{ text: 'written' }])
    })
    await expectCommitted('written')
  })

  test('is one for many transactions at the same time', async () => {
    const { name } = db()
    const parallel = name === 'sqlite' ? 1 : 10
    const { dataSource } = await app.restart({}, { poolSize: 3 })
    await Promise.all(
      Array.from({ length: parallel }, () =>
        dataSource.transaction((manager) => manager.save(Note, note('one of many'))),
      ),
    )
    expect(await db().rawQuery('SELECT id FROM kms_data_key')).toHaveLength(1)
    await expectCommitted(...Array.from({ length: parallel }, () => 'one of many'))
  })

  test('is lost with what it sealed where somebody takes its row away: that is not committed', async () => {
    if (db().name !== 'sqlite') {
      expect(db().name).not.toBe('sqlite')
      return
    } // There it is committed before.
    const { databaseConnection } = app.dataSource.driver as unknown as {
      databaseConnection: { exec(sql: string): void }
    }
    const lost = app.dataSource.transaction(async (manager) => {
      await manager.save(Note, note('lost'))
      databaseConnection.exec('DELETE FROM kms_data_key')
    })
    expect(await failure(lost)).toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
    await app.dataSource.manager.save(Note, note('kept'))
    await expectCommitted('kept')
  })
})
