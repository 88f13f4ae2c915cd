import { DataSource, type EntityManager } from 'typeorm'
import { describeDatabases, NEEDS_SERVER } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { type Relay, relayTo } from '../../support/relay'
import { Item, Vault } from '../canary/entities'
import { change, newVault, structuredCopy } from './actions'

type Write = [
  string,
  statements: string[],
  write: (manager: EntityManager) => Promise<{ vaults: Vault[]; act: () => Promise<unknown> }>,
]

const writes: Write[] = [
  [
    'save of a new entity',
    ['INSERT INTO', 'COMMIT'],
    (manager) => {
      const vault = newVault(manager)
      return Promise.resolve({ vaults: [vault], act: () => manager.save(vault) })
    },
  ],
  [
    'save of new and changed entities',
    ['INSERT INTO', 'UPDATE ', 'COMMIT'],
    async (manager) => {
      const vaults = [newVault(manager), change(await manager.save(newVault(manager)))]
      return { vaults, act: () => manager.save(vaults) }
    },
  ],
  [
    'insert',
    ['INSERT INTO'],
    (manager) => {
      const vault = newVault(manager)
      return Promise.resolve({ vaults: [vault], act: () => manager.insert(Vault, vault) })
    },
  ],
  [
    'update',
    ['UPDATE '],
    async (manager) => {
      const vault = change(await manager.save(newVault(manager)))
      const { id, bytes, direct } = vault
      return {
        vaults: [vault],
        act: () => manager.update(Vault, { id }, { bytes, direct, profile: vault.profile }),
      }
    },
  ],
]

describeDatabases(
  'A write that the server fails',
  (db) => {
    let relay: Relay
    let application: TestApplication
    let manager: EntityManager

    beforeAll(async () => {
      const relayed = await relayTo(db())
      relay = relayed.relay
      application = await startApplication(db(), [Vault, Item], {}, relayed.options)
      ;({ manager } = application.dataSource)
    })

    afterAll(async () => {
      await application.stop()
      await relay.close()
    })

    const rows = async (): Promise<string> =>
      JSON.stringify(await db().rawQuery('SELECT * FROM vault ORDER BY id'))

    async function expectReadable(vaults: readonly Vault[]): Promise<void> {
      for (const { label, text, bytes, direct, profile } of vaults) {
        expect(await manager.findOneByOrFail(Vault, { label })).toMatchObject({
          text,
          bytes,
          direct,
          profile,
        })
      }
    }

    describe.each(writes)('%s', (_, statements, write) => {
      test.each(statements)('whose connection is lost at %s can be repeated', async (statement) => {
        const { vaults, act } = await write(manager)
        const [before, rowsBefore] = [structuredCopy(vaults), await rows()]
        relay.cutOn(statement, 'before')
        expect((await failure(act())).message).toMatch(/ECONNRESET|terminated|closed|lost/i)
        // TypeORM has filled in what the database generated before it commits.
        if (statement === 'COMMIT') expect(vaults).toMatchObject(plaintextsOf(before))
        else expect(vaults).toEqual(before)
        expect(await rows()).toEqual(rowsBefore)
        await act()
        await expectReadable(vaults)
      })
    })

    test('and does not answer leaves the entity with its plaintexts, whether or not the row was written', async () => {
      const vault = newVault(manager)
      const before = structuredCopy(vault)
      relay.cutOn('COMMIT', 'after')
      await failure(manager.save(vault))
      expect([vault]).toMatchObject(plaintextsOf([before]))
      const found = await manager.findOneByOrFail(Vault, { label: vault.label })
      expect([found]).toMatchObject(plaintextsOf([before]))
    })

    test('because a lock is not given in time leaves entity and row as they were, and can be repeated', async () => {
      const vault = change(await manager.save(newVault(manager)))
      const [before, rowsBefore] = [structuredCopy(vault), await rows()]
      const impatient =
        db().name === 'mariadb' ? 'SET innodb_lock_wait_timeout = 1' : "SET lock_timeout = '200ms'"
      const holder = await new DataSource({ ...db().options, entities: [] }).initialize()
      const locked = holder.createQueryRunner()
      const queryRunner = application.dataSource.createQueryRunner()
      try {
        await locked.startTransaction()
        await locked.query(`SELECT id FROM vault WHERE id = ${vault.id} FOR UPDATE`)
        await queryRunner.query(impatient)
        const error = await failure(queryRunner.manager.save(vault))
        expect(error.name).toBe('QueryFailedError')
        expect(vault).toEqual(before)
        await locked.rollbackTransaction()
        expect(await rows()).toEqual(rowsBefore)
        await queryRunner.manager.save(vault)
      } finally {
        await locked.release()
        await holder.destroy()
        await queryRunner.query('SELECT 1')
        await queryRunner.release()
      }
      await expectReadable([vault])
    })

    test('by a deadlock leaves the loser as it was, and can be repeated', async () => {
      const [first, second] = [await manager.save(newVault(manager)), await manager.save(newVault(manager))]
      change(first)
      change(second)
      const before = structuredCopy([first, second])
      const { dataSource } = application
      const both = [dataSource.createQueryRunner(), dataSource.createQueryRunner()] as const
      let arrived = 0
      let open: () => void
      const gate = new Promise<void>((resolve) => (open = resolve))
      const crossing = async (index: 0 | 1): Promise<void> => {
        const { manager: inside } = both[index]
        await both[index].startTransaction()
        try {
          const [mine, other] = index === 0 ? [first, second] : [second, first]
          await inside.update(Vault, { id: mine.id }, { direct: mine.direct })
          if (++arrived === 2) open()
          await gate
          await inside.update(Vault, { id: other.id }, { bytes: other.bytes })
          await both[index].commitTransaction()
        } catch (error) {
          await both[index].rollbackTransaction()
          throw error
        }
      }
      const outcomes = await Promise.allSettled([crossing(0), crossing(1)])
      await Promise.all(both.map((queryRunner) => queryRunner.release()))
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect([first, second]).toEqual(before)
      await manager.save([first, second])
      await expectReadable([first, second])
    })
  },
  { databases: ['mariadb', 'postgres'], without: NEEDS_SERVER },
)

function plaintextsOf(vaults: readonly Vault[]): Partial<Vault>[] {
  return vaults.map(({ label, text, bytes, json, direct, profile }) => ({
    label,
    text,
    bytes,
    json,
    direct,
    profile,
  }))
}
