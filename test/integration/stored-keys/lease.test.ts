import { Column, Entity, type EntitySubscriberInterface, ManyToOne, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { keyTables } from '../../../src/orm/key-table/key-table'
import { pass, startClock, stopClock } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { StatementListener } from '../../support/statements'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Other {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Envelope {
  @PrimaryGeneratedColumn() id!: number
  @Column('int') weight!: number
}

@Entity()
class Letter {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne(() => Envelope, { cascade: true }) envelope!: Envelope
  @KmsEncrypted() text!: string
}

const LEASE = 300
const options = { dataKeys: { lease: LEASE } }

class Statements extends StatementListener {
  readonly ofKeyTable: string[] = []
  logQuery(sql: string): void {
    if (/^SELECT.*kms_data_key/.test(sql)) this.ofKeyTable.push(sql)
  }
}

describeDatabases('The lease of a stored data key', (db) => {
  let app: TestApplication
  const statements = new Statements()

  beforeEach(async () => {
    stopClock()
    app = await startApplication(db(), [Note, Other], options, { logging: true, logger: statements })
  })
  afterEach(async () => {
    await app.stop()
    startClock()
  })

  const set = (sql: string): Promise<unknown> =>
    db().rawQuery(`UPDATE kms_data_key SET ${sql} WHERE context = '{"table":"note"}'`)
  const idsOf = async (table = 'note'): Promise<string[]> =>
    (await db().rawQuery(`SELECT ${db().quote('text')} AS v FROM ${table} ORDER BY id`)).map(({ v }) =>
      (v as Buffer).toString('hex', 3, 19),
    )

  test('ends for a key that was retired: the next value has another one', async () => {
    const notes = app.dataSource.getRepository(Note)
    await notes.save({ text: 'one' })
    await set(`retired_at = ${Date.now()}`)
    await pass(LEASE + 50, 10)
    await notes.save({ text: 'two' })
    expect(new Set(await idsOf()).size).toBe(2)
    const fresh = await app.restart()
    expect(await fresh.dataSource.getRepository(Note).find()).toMatchObject([
      { text: 'one' },
      { text: 'two' },
    ])
  })

  test('ends for a key that was destroyed, in memory as well', async () => {
    const notes = app.dataSource.getRepository(Note)
    await notes.save({ text: 'one' })
    await set(`destroyed_at = ${Date.now()}, encrypted_data_key = NULL`)
    await pass(LEASE + 50, 10)
    await notes.save({ text: 'two' })
    expect(await failure(notes.find())).toMatchObject({ code: 'FORGOTTEN' })
    expect(await notes.findOneBy({ id: 2 })).toMatchObject({ text: 'two' })
  })

  test('is renewed for all keys with one query after a pause, and KMS is not asked', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'one' })
    await app.dataSource.getRepository(Other).save({ text: 'one' })
    // The process does nothing for so long that it looks at no rows any more.
    await pass(3 * LEASE, LEASE)
    // Whoever looked at them then has its answer: statements about the key table are sent one after the other.
    await keyTables.get(app.dataSource)?.exists()
    await pass(2 * LEASE + 1)
    app.kms.calls.reset()
    statements.ofKeyTable.length = 0
    await Promise.all([
      app.dataSource.getRepository(Note).insert({ text: 'two' }),
      app.dataSource.getRepository(Other).insert({ text: 'two' }),
    ])
    // For both keys together.
    expect(statements.ofKeyTable).toEqual([expect.stringMatching(/ IN \([^(),]+,[^(),]+\)/)])
    expect(app.kms.calls.length).toBe(0)
    expect(new Set(await idsOf()).size).toBe(1)
  })

  test('is nothing to one that wrote long ago, on the same connection', async () => {
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.manager.insert(Note, { text: 'one' })
    await set(`retired_at = ${Date.now()}`)
    await pass(3 * LEASE, 10)
    await queryRunner.startTransaction()
    await queryRunner.manager.insert(Note, { text: 'two' })
    await pass(LEASE / 2, 10)
    await queryRunner.commitTransaction()
    await queryRunner.release()
    expect(new Set(await idsOf()).size).toBe(2)
  })

  test('a fresh process looks all data keys of a page up with one query', async () => {
    for (let index = 0; index < 5; index++) {
      const { dataSource } = await app.restart({ dataKeys: { maxAge: 100, lease: 60_000 } })
      await dataSource.getRepository(Note).save({ text: String(index) })
      await pass(110)
    }
    const { dataSource, encryption } = await app.restart()
    statements.ofKeyTable.length = 0
    expect(await dataSource.getRepository(Note).find()).toHaveLength(5)
    expect(statements.ofKeyTable).toHaveLength(1)
    expect(encryption.metrics().kmsCalls.Decrypt).toBe(new Set(await idsOf()).size)
  })
})

/** SQLite has one writer: who forgets waits for its transaction. */
describeDatabases(
  'A writer that is held up for longer than the lease',
  (db) => {
    let app: TestApplication
    let holdUp: ((sql: string) => Promise<void> | undefined) | undefined
    const subscriber: EntitySubscriberInterface = {
      beforeQuery: ({ query }) => holdUp?.(query),
    }

    beforeEach(async () => {
      stopClock()
      app = await startApplication(db(), [Note, Envelope, Letter], options)
      app.dataSource.subscribers.push(subscriber)
      await app.dataSource.getRepository(Note).save({ text: 'before' })
    })
    afterEach(async () => {
      holdUp = undefined
      await app.stop()
      startClock()
    })

    const forget = async (): Promise<void> => {
      await db().rawQuery(`UPDATE kms_data_key SET retired_at = ${Date.now()}`)
      await pass(LEASE + 100, 10)
      await db().rawQuery(`UPDATE kms_data_key SET destroyed_at = ${Date.now()}, encrypted_data_key = NULL`)
    }
    const heldUpAt = (text: RegExp): void => {
      holdUp = (sql) => {
        if (!text.test(sql)) return undefined
        holdUp = undefined
        return forget()
      }
    }

    test.each([
      ['before its statement is sent', /^INSERT INTO .note/],
      ['before its COMMIT is sent', /^COMMIT/],
    ])('%s is told that the value is forgotten', async (_, text) => {
      heldUpAt(text)
      const save = app.dataSource.getRepository(Note).save({ text: 'too late' })
      expect(await failure(save)).toMatchObject({ code: 'FORGOTTEN' })
    })

    test('by another table, while its values are encrypted already, is told so', async () => {
      await app.dataSource.manager.save(Letter, { envelope: { weight: 1 }, text: 'before' })
      heldUpAt(/^INSERT INTO .envelope/)
      const save = app.dataSource.manager.save(Letter, { envelope: { weight: 2 }, text: 'too late' })
      expect(await failure(save)).toMatchObject({ code: 'FORGOTTEN' })
      expect(await db().rawQuery('SELECT id FROM letter')).toHaveLength(1)
    })

    test('in a transaction of its own is rolled back', async () => {
      const write = app.dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'too late' })
        await forget()
      })
      expect(await failure(write)).toMatchObject({ code: 'FORGOTTEN' })
      expect(await db().rawQuery('SELECT id FROM note')).toHaveLength(1)
    })

    test('while nobody forgets writes its value', async () => {
      holdUp = (sql) => (/^(INSERT|COMMIT)/.test(sql) ? pass(LEASE + 50, 10) : undefined)
      await app.dataSource.getRepository(Note).save({ text: 'slow' })
      const { dataSource } = await app.restart()
      expect(await dataSource.getRepository(Note).find()).toMatchObject([
        { text: 'before' },
        { text: 'slow' },
      ])
    })
  },
  { databases: ['mariadb', 'postgres'] },
)
