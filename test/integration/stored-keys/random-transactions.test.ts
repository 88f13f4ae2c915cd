import fc from 'fast-check'
import { Column, Entity, PrimaryGeneratedColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { boundColumns } from '../../../src/orm/bound-columns'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { runs } from '../../support/thorough'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @Column({ unique: true }) label!: string
  @KmsEncrypted() text!: string
}

/** What happens in a transaction. `other`: another process writes at the same time. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('insert', 'save', 'update') },
  { weight: 4, arbitrary: fc.constantFrom('begin', 'commit', 'roll back') },
  { weight: 3, arbitrary: fc.constantFrom('fail', 'raw ROLLBACK', 'lose the keys', 'other') },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
/** Sorts before all others, so that MySQL's locks on it hold up none of them. */
const TAKEN = 'a label that is taken'

const transaction = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  isCommitted: fc.boolean(),
})

/**
 * Whatever becomes of the transactions in which data keys are made: what was committed opens in a process that has none
 * of them in memory, and nothing is refused for which there is no reason.
 */
describeDatabases('Values that are written in random transactions', (db) => {
  let app: TestApplication
  let other: TestApplication['dataSource']
  let labels = 0

  beforeAll(async () => {
    app = await startApplication(db(), [Note], { dataKeys: 'stored' })
    other = (await app.restart()).dataSource
  })
  afterAll(() => app.stop())

  const note = (): { label: string; text: string } => {
    const label = `label ${++labels}`
    return { label, text: textOf(label) }
  }
  const textOf = (label: string): string => `the text of ${label}`
  const forgetKeys = ({ dataSource }: Pick<TestApplication, 'dataSource'>): void => {
    for (const { cipher } of boundColumns(dataSource.getMetadata(Note))) cipher.storedKeys?.clear()
  }

  /** What is written beside the transaction is part of it. */
  const hasOneSession = (): boolean => db().name === 'sqlite' || db().standIn === 'pglite'

  /** Runs the steps, and returns the labels of rows that must be there afterwards. */
  async function run({ steps, isCommitted }: { steps: Step[]; isCommitted: boolean }): Promise<string[]> {
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    const kept: string[] = []
    /** Of the transaction and its savepoints. */
    let open: string[][] = [[]]
    const state = { isRaw: false, isAborted: false }
    const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work()
        return true
      } catch (error) {
        // The database's own: the library has no reason to refuse anything. In a transaction that failed, its only
        // session does not answer the library either.
        const { name } = error as Error
        if (!(state.isAborted && hasOneSession() && name === 'KeyTableUnavailableError'))
          expect(name).toMatch(/^(QueryFailed|TransactionNotStarted)/)
        // PostgreSQL takes nothing more then, and makes a ROLLBACK of the COMMIT.
        if (db().name === 'postgres') state.isAborted = true
        return false
      }
    }
    const write = async (work: (made: Partial<Note>) => Promise<unknown>): Promise<void> => {
      const made = note()
      if (await attempt(() => work(made))) (state.isRaw ? kept : open.at(-1)!).push(made.label)
    }
    const perform: Record<Step, () => Promise<unknown>> = {
      insert: () => write((made) => queryRunner.manager.insert(Note, made)),
      save: () => write((made) => queryRunner.manager.save(Note, made)),
      update: () =>
        write(async (made) => {
          const { label } = made
          await queryRunner.manager.insert(Note, { label: label!, text: 'before' })
          await queryRunner.manager.update(Note, { label: label! }, { text: made.text! })
        }),
      begin: async () => {
        if (!state.isRaw && (await attempt(() => queryRunner.startTransaction()))) open.push([])
      },
      commit: async () => {
        if (open.length === 1) return
        const inner = open.pop()!
        if (await attempt(() => queryRunner.commitTransaction())) open.at(-1)!.push(...inner)
      },
      'roll back': async () => {
        if (open.length === 1) return
        open.pop()
        if (await attempt(() => queryRunner.rollbackTransaction())) state.isAborted = false
      },
      fail: () => attempt(() => queryRunner.manager.insert(Note, { label: TAKEN, text: textOf(TAKEN) })),
      'raw ROLLBACK': async () => {
        if (state.isRaw) return
        await queryRunner.query('ROLLBACK')
        open = [[]]
        state.isRaw = true
        state.isAborted = false
      },
      'lose the keys': async () => {
        forgetKeys(app)
        const sql = `UPDATE kms_data_key SET retired_at = ${Date.now()}`
        await (hasOneSession() ? attempt(() => queryRunner.query(sql)) : db().rawQuery(sql))
      },
      other: async () => {
        // SQLite has one writer.
        if (hasOneSession() && !state.isRaw) return
        const made = note()
        await other.manager.save(Note, made)
        kept.push(made.label)
      },
    }
    for (const each of steps) await perform[each]()
    while (open.length > 1) await perform.commit()
    const isDone = await attempt(() =>
      isCommitted && !state.isAborted ? queryRunner.commitTransaction() : queryRunner.rollbackTransaction(),
    )
    if (isDone && isCommitted && !state.isRaw && !state.isAborted) kept.push(...open[0]!)
    await end(queryRunner)
    return kept
  }

  /** TypeORM goes on to believe in a transaction, and savepoints, that a raw ROLLBACK has ended. */
  async function end(queryRunner: QueryRunner): Promise<void> {
    if (queryRunner.isTransactionActive) {
      await queryRunner.query('BEGIN')
      for (let depth = 1; depth < 13; depth++) await queryRunner.query(`SAVEPOINT typeorm_${depth}`)
    }
    while (queryRunner.isTransactionActive) await queryRunner.rollbackTransaction()
    await queryRunner.release()
  }

  async function expectAllOpen(kept: readonly string[]): Promise<void> {
    forgetKeys({ dataSource: other })
    const notes = await other.manager.find(Note)
    for (const { label, text } of notes) expect(text).toBe(textOf(label))
    const there = new Set(notes.map(({ label }) => label))
    expect(kept.filter((label) => !there.has(label))).toEqual([])
  }

  test('open afterwards, as far as they were committed', async () => {
    await app.dataSource.manager.save(Note, { label: TAKEN, text: textOf(TAKEN) })
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 3 }), async (transactions) => {
        const kept: string[] = []
        // With one connection, they follow each other; else they are beside each other as well.
        for (const each of transactions) kept.push(...(await run(each)))
        if (!hasOneSession()) kept.push(...(await Promise.all(transactions.map((each) => run(each)))).flat())
        await expectAllOpen(kept)
      }),
      { numRuns: runs(12, 400), seed: 20_261_125, endOnFailure: true },
    )
  }, 600_000)
})
