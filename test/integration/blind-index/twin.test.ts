import fc from 'fast-check'
import { DataSource } from 'typeorm'
import { createDatabase, describeDatabases, type TestDatabase } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { anyStep, firstRows, type World } from './twin-queries'
import { encryptedTwin, plainTwin } from './twins'

/** Random steps on each database, of which three in four are queries. `TWIN_STEPS=14000` makes 10,000 of them. */
const STEPS = Number(process.env['TWIN_STEPS'] ?? 120)
const SEED = Number(process.env['TWIN_SEED'] ?? 20_261_125)
/** Steps after which the application is started anew, with no key in memory. */
const COLD_EVERY = 50

describeDatabases('A search by blind indexes and one on plain columns', (db) => {
  let otherDatabase: TestDatabase
  let app: TestApplication
  let plain: World
  const entities = encryptedTwin()

  beforeAll(async () => {
    otherDatabase = await createDatabase(db().name)
    app = await startApplication(db(), [entities.Person, entities.Letter], withIndexKey)
    const plainEntities = plainTwin(db().name)
    const dataSource = new DataSource({
      ...otherDatabase.options,
      entities: [plainEntities.Person, plainEntities.Letter] as never[],
      synchronize: true,
    })
    plain = { dataSource: await dataSource.initialize(), entities: plainEntities }
    const { people, letters } = firstRows(SEED)
    for (const world of [plain, { dataSource: app.dataSource, entities }]) {
      await world.dataSource.manager.insert(world.entities.Person, people)
      await world.dataSource.manager.save(world.entities.Letter, letters)
    }
  })
  afterAll(async () => {
    await app.stop()
    await plain.dataSource.destroy()
    await otherDatabase.drop()
  })

  it(
    'give the same rows, counts and pages',
    async () => {
      const steps = fc.sample(anyStep, { seed: SEED, numRuns: STEPS })
      let encrypted: World = { dataSource: app.dataSource, entities }
      let found = 0
      for (const [at, step] of steps.entries()) {
        if (at > 0 && at % COLD_EVERY === 0) {
          if (encrypted.dataSource !== app.dataSource) await encrypted.dataSource.destroy()
          encrypted = { dataSource: (await app.restart()).dataSource, entities }
        }
        const [ours, theirs] = [
          await step.run(encrypted.dataSource.manager, encrypted.entities),
          await step.run(plain.dataSource.manager, plain.entities),
        ]
        expect({ at, step: step.text, result: ours }).toEqual({ at, step: step.text, result: theirs })
        if (JSON.stringify(ours ?? []).replace(/[[\]0,]/g, '') !== '') found++
      }
      // The steps find something.
      expect(found).toBeGreaterThan(STEPS / 3)
    },
    60_000 + STEPS * 1_000,
  )
})
