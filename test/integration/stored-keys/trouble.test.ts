import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { createDatabase, describeDatabases, NEEDS_SERVER } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { relayTo } from '../../support/relay'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @Column({ default: '' }) label!: string
  @KmsEncrypted() text!: string
}

jest.setTimeout(120_000)

/** What a database with a network and several writers does to a transaction in which a data key is made. */
describeDatabases(
  'A stored data key',
  (db) => {
    let app: TestApplication

    beforeEach(async () => {
      app = await startApplication(db(), [Note], { dataKeys: 'stored' })
    })
    afterEach(() => app.stop())

    const note = (label: string): Partial<Note> => ({ label, text: `the text of ${label}` })

    /** What is there opens in a fresh process. Returns its labels. */
    async function committed(): Promise<string[]> {
      const { dataSource } = await app.restart()
      const notes = await dataSource.getRepository(Note).find({ order: { id: 'ASC' } })
      for (const { label, text } of notes) expect(text).toBe(`the text of ${label}`)
      return notes.map(({ label }) => label)
    }

    test("that a deadlock's victim made is gone with all that the victim wrote and goes on to write", async () => {
      await db().rawQuery("INSERT INTO note (label, text) VALUES ('a', ''), ('b', '')")
      const lock = (id: number): string => `UPDATE note SET label = label WHERE id = ${id}`
      const apps = [await app.restart(), await app.restart()]
      const runners = apps.map(({ dataSource }) => dataSource.createQueryRunner())
      for (const runner of runners) await runner.startTransaction()
      await Promise.all(runners.map((runner, n) => runner.query(lock(n === 0 ? 1 : 2))))
      await Promise.all(runners.map((runner, n) => runner.manager.insert(Note, note(`before ${n}`))))
      const victims = await Promise.all(
        runners.map((runner, n) =>
          runner.query(lock(n === 0 ? 2 : 1)).then(
            () => false,
            () => true,
          ),
        ),
      )
      expect(victims).toContain(true)
      for (const [n, runner] of runners.entries()) {
        await runner.manager.insert(Note, note(`after ${n}`)).catch((error: unknown) => {
          expect(error).toMatchObject({
            name: db().name === 'mariadb' ? 'TransactionLostError' : 'QueryFailedError',
          })
        })
        await runner.commitTransaction().catch(() => runner.rollbackTransaction())
        await runner.release()
      }
      await db().rawQuery("DELETE FROM note WHERE label IN ('a', 'b')")
      const survivor = victims.indexOf(false)
      const kept = survivor < 0 ? [] : [`before ${survivor}`, `after ${survivor}`]
      expect(await committed()).toEqual(kept)
    })

    test.each(['before', 'after'] as const)(
      'that was made in a transaction whose connection breaks %s the COMMIT arrives opens what is there',
      async (moment) => {
        const { relay, options } = await relayTo(db())
        const { dataSource } = await app.restart({}, options)
        relay.cutOn('COMMIT', moment)
        await failure(dataSource.transaction((manager) => manager.save(Note, note('torn'))))
        await dataSource.manager.save(Note, note('afterwards'))
        const labels = await committed()
        expect(labels).toContain('afterwards')
        if (moment === 'before') expect(labels).not.toContain('torn')
        await dataSource.destroy()
        await relay.close()
      },
    )

    test('is looked up on the primary, where a replica has the value and lags behind with the key', async () => {
      const replica = await createDatabase(db().name)
      const behind = new DataSource({
        ...app.encryption.configure(replica.options),
        entities: [Note],
        synchronize: true,
      })
      await (await behind.initialize()).destroy()
      await app.dataSource.manager.save(Note, note('replicated'))
      const [row] = await db().rawQuery('SELECT * FROM note')
      await replica.rawQuery('INSERT INTO note (id, label, text) VALUES (1, ?, ?)', [
        row!['label'],
        row!['text'],
      ])
      const { dataSource } = await app.restart({}, {
        replication: { master: db().options, slaves: [replica.options] },
      } as Partial<DataSourceOptions>)
      await db().rawQuery('DELETE FROM note')
      expect(await dataSource.manager.find(Note)).toMatchObject([note('replicated')])
      await dataSource.destroy()
      await replica.drop()
    })
  },
  { databases: ['mariadb', 'postgres'], without: NEEDS_SERVER },
)

/** The two have nothing in common but the database and the context. */
@Entity('card')
class Card {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ context: { app: 'bank' } }) number!: string
}

@Entity('card_holder')
class Holder {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ context: { app: 'bank' } }) name!: string
}

describeDatabases('Two DataSources that share a key table', (db) => {
  test('share its data keys, and neither touches it when it synchronizes', async () => {
    const app = await startApplication(db(), [Card], { dataKeys: 'stored' })
    await app.dataSource.getRepository(Card).save({ number: '4242' })
    const { dataSource: other, encryption } = await app.restart({}, { entities: [Holder], synchronize: true })
    await other.getRepository(Holder).save({ name: 'Ada' })
    expect(await db().rawQuery('SELECT id FROM kms_data_key')).toHaveLength(1)
    expect(encryption.metrics().kmsCalls).toMatchObject({ GenerateDataKey: 0, Decrypt: 1 })
    await app.dataSource.synchronize()
    const fresh = await app.restart({}, { entities: [Card, Holder] })
    expect(await fresh.dataSource.getRepository(Card).find()).toMatchObject([{ number: '4242' }])
    expect(await fresh.dataSource.getRepository(Holder).find()).toMatchObject([{ name: 'Ada' }])
    await app.stop()
  })

  test('on its first need at the same time make values that all open', async () => {
    const app = await startApplication(db(), [Card], { dataKeys: 'stored' })
    const others = [await app.restart(), await app.restart(), await app.restart()]
    await Promise.all(others.map(({ dataSource }) => dataSource.getRepository(Card).insert({ number: '1' })))
    const fresh = await app.restart()
    expect(await fresh.dataSource.getRepository(Card).find()).toMatchObject(
      others.map(() => ({ number: '1' })),
    )
    await app.stop()
  })
})
