import 'reflect-metadata'
import fc from 'fast-check'
import { DataSource, QueryFailedError } from 'typeorm'
import { createDatabase, describeDatabases, type TestDatabase, typeormVersion } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { boundColumn, defineEntities, encryptedColumn, plainColumn, type SecretColumn } from './entities'
import { type Operation, operation, run } from './operations'
import { comparable, World } from './world'

/** How many operations to run on each database: see docs/model-test.md. */
const OPERATIONS = Number(process.env['MODEL_OPERATIONS'] ?? 160)
const SEED = Number(process.env['MODEL_SEED'] ?? 20_261_123)
/** Sequences that share a seed; the next ones have the next seed. */
const SEQUENCES = 12
const LONGEST_SEQUENCE = 40

/** Few values under a data key and few data keys in memory, so that keys come and go within a sequence. */
const cache = { maxValues: 50, maxKeys: 4 }

/** Data keys that are stored come and go as well, and are looked after all the time. */
const stored = { cache, dataKeys: { maxAge: 1_000, lease: 200 } }

/** Bound values: two random combinations of rows, tenants and kinds of data keys. */
const modes: [string, Partial<KmsEncryptionOptions>, SecretColumn, number, number][] = [
  ['data keys inline', { cache }, encryptedColumn, OPERATIONS, SEQUENCES],
  ['data keys stored', stored, encryptedColumn, OPERATIONS / 4, SEQUENCES / 4],
  ['data keys inline, and bound values', { cache }, boundColumn(SEED), OPERATIONS / 4, SEQUENCES / 4],
  ['data keys stored, and bound values', stored, boundColumn(SEED + 1), OPERATIONS / 4, SEQUENCES / 4],
].filter(([mode]) => (mode as string).includes(process.env['MODEL_MODE'] ?? '')) as never

describe.each(modes)('with %s', (mode, options, secretColumn, wanted, numRuns) => {
  const isBound = mode.includes('bound')
  describeDatabases('an application with encrypted columns and one with plain columns', (db) => {
    let otherDatabase: TestDatabase
    let application: TestApplication
    let plain: World
    let encrypted: World
    /** Sequences that ended with a refusal. */
    let refused = 0

    beforeAll(async () => {
      const { name } = db()
      otherDatabase = await createDatabase(name)
      const encryptedEntities = defineEntities(secretColumn)
      const plainEntities = defineEntities(plainColumn(name))
      const fast = name === 'sqlite' ? { prepareDatabase: doNotWaitForTheDisk } : {}
      application = await startApplication(db(), Object.values(encryptedEntities), options, fast)
      const dataSource = new DataSource({
        ...otherDatabase.options,
        ...fast,
        entities: Object.values(plainEntities),
        synchronize: true,
      })
      await dataSource.initialize()
      plain = new World(otherDatabase, dataSource, plainEntities, isBound)
      encrypted = new World(db(), application.dataSource, encryptedEntities, isBound)
      for (const world of [plain, encrypted]) Object.values(world.entities).forEach(useDataSource(world))
    })

    afterAll(async () => {
      await application.stop()
      await plain.dataSource.destroy()
      await otherDatabase.drop()
    })

    it(
      'agree after each operation',
      async () => {
        const started = performance.now()
        let done = 0
        let reported = 0
        for (let seed = SEED; done < wanted; seed++) {
          await fc.assert(
            fc.asyncProperty(
              fc.array(operation, { minLength: 1, maxLength: LONGEST_SEQUENCE, size: 'max' }),
              async (operations) => {
                done += await runSequence(operations)
                application.kms.calls.reset()
              },
            ),
            { seed, numRuns },
          )
          if (done - reported >= 5_000 || (done >= wanted && wanted >= 5_000)) {
            reported = done
            const seconds = Math.round((performance.now() - started) / 1_000)
            process.stderr.write(
              `${db().name}, TypeORM ${typeormVersion}: ${done} operations in ${seconds} s, ${refused} refusals, last seed ${seed}\n`,
            )
          }
        }
      },
      300_000 + wanted * 100,
    )

    /** Returns the number of operations. */
    async function runSequence(operations: readonly Operation[]): Promise<number> {
      await Promise.all([plain.reset(), encrypted.reset()])
      let count = 0
      let before: unknown
      for (const operation of operations) {
        const running = isBound ? undefined : outcome(operation, plain)
        const found = await outcome(operation, encrypted)
        if (isBound && found.isRefused === true) {
          refused++
          // What is not at hand is not guessed. From here on ids may differ.
          if (!mayBePartlyDone(operation)) expect((await encrypted.look()).rows).toEqual(before ?? NO_ROWS)
          return count
        }
        const expected = await (running ?? outcome(operation, plain))
        expect(found).toEqual(expected)
        if (isBound && expected.ends !== 'well') await plain.alignIds(encrypted)
        const [expectedState, foundState] = await Promise.all([plain.look(), encrypted.look()])
        // expect() alone is slow on what is nearly always equal.
        if (JSON.stringify(foundState) !== JSON.stringify(expectedState))
          expect(foundState).toEqual(expectedState)
        before = foundState.rows
        count += operation.kind === 'transaction' ? operation.steps.length : 1
      }
      return count
    }
  })
})

const NO_ROWS = comparable({ accounts: [], notes: [] })

function doNotWaitForTheDisk(file: { pragma(source: string): unknown }): void {
  file.pragma('synchronous = OFF')
}

function useDataSource({ dataSource }: World) {
  return (Class: unknown): void => {
    if (typeof Class === 'function' && 'useDataSource' in Class)
      (Class as { useDataSource(dataSource: DataSource): void }).useDataSource(dataSource)
  }
}

/** Without a transaction, what was written before a refusal stays. */
function mayBePartlyDone(operation: Operation): boolean {
  return operation.kind === 'save' && operation.options.transaction === false
}

interface Outcome {
  operation: string
  ends: string
  code?: unknown
  isRefused?: true
}

/** How an operation ends: the error's class and the database's code. */
async function outcome(operation: Operation, world: World): Promise<Outcome> {
  try {
    await run(operation, world)
    return { operation: operation.kind, ends: 'well' }
  } catch (error) {
    const refusal = (error as { code?: unknown }).code === 'ROW_UNKNOWN' ? { isRefused: true as const } : {}
    const { code } = error instanceof QueryFailedError ? (error.driverError as { code?: unknown }) : {}
    return {
      operation: operation.kind,
      ends: (error as Error).constructor.name,
      code: comparable(code),
      ...refusal,
    }
  }
}
