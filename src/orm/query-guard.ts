import { type QueryRunner } from 'typeorm'
import { type StoredKeys } from '../cipher/data-keys/stored-keys'
import { type EmptyingGuard } from './key-table/emptying'
import { KeyWatch } from './key-table/key-watch'
import { type ResultOpener } from './read/result-opener'
import { LocatedUpdate } from './row/located-update'
import { type RowColumns } from './row/row-columns'
import { type Completeness } from './search/completeness'
import { answer, type Answered, checkRows, prepareSearch, withoutSearched } from './search/sending'
import { nameViolations } from './search/unique-violation'
import { type StatementGuard } from './statement-guard'
import { type Statement } from './statement/statement'
import { guarded, type Query } from './unguarded-query'
import { type SentStatement } from './write/parameter-rows'
import { hasPending, sealAll } from './write/parameters'
import { SealedAhead } from './write/sealed-ahead'

/** TypeORM's statements that end a transaction, or a part of one. */
const END_OF_TRANSACTION = /^(COMMIT|ROLLBACK|RELEASE)\b/

/**
 * Makes a query runner encrypt the values of its statements and decrypt the rows of its results. Every statement
 * of TypeORM goes through `QueryRunner.query`, with listeners on or off, and it can wait there for KMS: a
 * statement is not sent before all its values are ciphertext.
 *
 * Only this one instance is changed. Raw queries of the application pass as they are.
 */
export function guardQueryRunner(
  queryRunner: QueryRunner,
  results: () => ResultOpener | undefined,
  statements: () => StatementGuard | undefined,
  read: (sql: string) => Statement | undefined,
  rows: () => RowColumns | undefined,
  keyTable: { readonly keys: StoredKeys; readonly emptying: EmptyingGuard } | undefined,
  completeness: () => Completeness,
): QueryRunner {
  if (guarded.has(queryRunner)) return queryRunner
  // TypeORM types parameters and results as any; its third argument asks for a QueryResult instead of raw rows,
  // which is how its own query builders call.
  const query = queryRunner.query.bind(queryRunner) as Query
  guarded.set(queryRunner, query)
  const inOrder = new Order()
  const ahead = SealedAhead.of(queryRunner)
  const keys = keyTable?.keys
  const watch = keys && new KeyWatch(keys)
  let isClearing = false
  const guardedQuery = async (sql: string, parameters?: unknown, structured = false): Promise<unknown> => {
    // Before anything is awaited.
    const opener = structured ? results() : undefined
    const isOpened = opener?.isForEntities()
    const search = structured ? statements()?.check(sql, parameters) : undefined
    const pending = hasPending(search ? withoutSearched(search, parameters) : parameters)
    if (!ahead.isEmpty && END_OF_TRANSACTION.test(sql)) ahead.clear()
    const mark = pending ? keys?.mark() : undefined
    let answered: Answered | undefined
    let update: LocatedUpdate | undefined
    const seal = (): unknown => {
      const bound = structured ? rows() : undefined
      if (bound?.areUsed) statements()?.checkRows(sql, (table) => bound.uniqueKeys(table))
      // What follows sees the statement as if the application had written it with the indexes.
      answered = search && answer(search, sql, parameters)
      const text = answered?.sql ?? sql
      const values = answered?.parameters ?? parameters
      if (!pending) return values
      const sent = (): SentStatement => ({
        statement: read(text),
        sql: text,
        parameters: values as unknown[],
      })
      update = bound?.areUsed ? LocatedUpdate.of(sent(), bound.connection(queryRunner, query)) : undefined
      return update ? update.seal(ahead) : sealAll(values as unknown[], sent, ahead)
    }
    // Its table was made since the DataSource was initialised.
    const unchecked = structured && rows()?.areChecked === false && rows()?.isUncheckedIn(read(sql))
    const preparation =
      search && prepareSearch(search, sql, parameters, completeness(), (text) => query(text))
    const ready = unchecked
      ? rows()
          ?.check({ query })
          .then(() => preparation)
      : preparation
    let sealed: unknown = ready ? ready.then(seal) : seal()
    if (sealed instanceof Promise || inOrder.isWaiting) sealed = await inOrder.next(sealed)
    const isEmptying =
      keyTable?.emptying.concerns(sql) === true &&
      !isClearing &&
      (await keyTable.emptying.check(sql, queryRunner, query))
    const send = (): Promise<unknown> => {
      const text = update?.sql ?? answered?.sql ?? sql
      const sent = watch
        ? watch.send(sql, mark, () => query(text, sealed, structured))
        : query(text, sealed, structured)
      return search ? nameViolations(search, sent) : sent
    }
    const answering = send()
    ahead.workLater()
    let result = await answering
    while (update?.hasMissed(result) === true) {
      sealed = await inOrder.next(update.seal(ahead))
      result = await send()
    }
    if (isEmptying) keys?.clear()
    if (isOpened && search && answered) await checkRows(search.checks, answered, rowsOf(result))
    const opening = isOpened
      ? opener?.open(sql, rowsOf(result), () => rows()?.connection(queryRunner, query))
      : undefined
    if (opening) await opening
    return result
  }
  const stream = queryRunner.stream.bind(queryRunner)
  const guardedStream: QueryRunner['stream'] = async (sql, parameters, ...rest) => {
    const plan = statements()?.check(sql, parameters)
    if (!plan) {
      hasPending(parameters)
      return stream(sql, parameters, ...rest)
    }
    await prepareSearch(plan, sql, parameters, completeness(), (text) => query(text))
    const answered = answer(plan, sql, parameters ?? [])
    hasPending(answered.parameters)
    return stream(answered.sql, [...answered.parameters], ...rest)
  }
  // All tables go, the values with the keys.
  const clearDatabase = queryRunner.clearDatabase.bind(queryRunner)
  const guardedClear: QueryRunner['clearDatabase'] = async (...database) => {
    isClearing = true
    try {
      await clearDatabase(...database)
    } finally {
      isClearing = false
      keys?.clear()
    }
  }
  const release = queryRunner.release.bind(queryRunner)
  const guardedRelease: QueryRunner['release'] = () => {
    ahead.clear()
    return release()
  }
  return Object.assign(queryRunner, {
    query: guardedQuery,
    stream: guardedStream,
    release: guardedRelease,
    clearDatabase: guardedClear,
  })
}

/**
 * Keeps the statements of a query runner in the order in which TypeORM issued them. It sends those of one save side
 * by side, and when one fails, a ROLLBACK: which must not overtake a statement that waits for KMS, because that
 * would then be sent outside of the transaction.
 */
class Order {
  #last: Promise<unknown> | undefined

  get isWaiting(): boolean {
    return this.#last !== undefined
  }

  /** Waits for what a statement waits for, and until all statements before it could be sent. */
  async next<T>(ready: T | Promise<T>): Promise<T> {
    const turn = Promise.allSettled([ready, this.#last])
    this.#last = turn
    const [outcome] = await turn
    if (this.#last === turn) this.#last = undefined
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  }
}

/** The rows of a `QueryResult`: `records` where the driver fills it, else `raw`, which for PostgreSQL may be a pair. */
function rowsOf(result: unknown): Record<string, unknown>[] {
  const { records, raw } = result as { records?: unknown; raw?: unknown }
  const rows: unknown = Array.isArray(records) && records.length > 0 ? records : raw
  return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
}
