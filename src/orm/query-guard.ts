import { type QueryRunner } from 'typeorm'
import { type BoundColumn } from './bound-column'
import { type PageOpener } from './page-opener'
import { SealedAhead } from './sealed-ahead'
import { type StatementGuard } from './statement-guard'
import { ComparisonToken, PendingCiphertext } from './tokens'

const guarded = new WeakSet<QueryRunner>()

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
  page: () => PageOpener | undefined,
  statements: () => StatementGuard | undefined,
): QueryRunner {
  if (guarded.has(queryRunner)) return queryRunner
  guarded.add(queryRunner)

  // TypeORM types parameters and results as any; its third argument asks for a QueryResult instead of raw rows,
  // which is how its own query builders call.
  const query = queryRunner.query.bind(queryRunner) as (...args: unknown[]) => Promise<unknown>
  const inOrder = new Order()
  const ahead = SealedAhead.of(queryRunner)
  const guardedQuery = async (sql: string, parameters?: unknown, structured = false): Promise<unknown> => {
    const pending = pendingOf(parameters)
    if (structured) statements()?.check(sql, parameters)
    if (!ahead.isEmpty && END_OF_TRANSACTION.test(sql)) ahead.clear()
    let sealed = pending ? encryptAll(parameters as unknown[], pending, ahead) : parameters
    if (sealed instanceof Promise || inOrder.isWaiting) sealed = await inOrder.next(sealed)
    const answer = query(sql, sealed, structured)
    ahead.workLater()
    const result = await answer
    const opening = structured ? page()?.open(sql, rowsOf(result)) : undefined
    if (opening) await opening
    return result
  }
  const stream = queryRunner.stream.bind(queryRunner)
  const guardedStream: QueryRunner['stream'] = async (sql, parameters, ...rest) => {
    pendingOf(parameters)
    statements()?.check(sql, parameters)
    return stream(sql, parameters, ...rest)
  }
  const release = queryRunner.release.bind(queryRunner)
  const guardedRelease: QueryRunner['release'] = () => {
    ahead.clear()
    return release()
  }
  return Object.assign(queryRunner, { query: guardedQuery, stream: guardedStream, release: guardedRelease })
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

/** The values to encrypt, if there are any. Throws for a value of an encrypted column in a search. */
function pendingOf(parameters: unknown): PendingCiphertext[] | undefined {
  if (!Array.isArray(parameters)) return undefined
  let pending: PendingCiphertext[] | undefined
  for (const value of parameters as unknown[]) {
    if (value instanceof ComparisonToken) throw value.refusal()
    if (value instanceof PendingCiphertext) (pending ??= []).push(value)
    else if (Array.isArray(value)) pendingOf(value)
  }
  return pending
}

/** At once, if the data keys are at hand: TypeORM sends a statement per row, so each step here counts. */
function encryptAll(
  parameters: readonly unknown[],
  pending: readonly PendingCiphertext[],
  ahead: SealedAhead,
): unknown[] | Promise<unknown[]> {
  let prepared: BoundColumn | undefined
  const waiting: Promise<unknown>[] = []
  for (const { column } of pending) {
    const preparation = column === prepared ? undefined : column.prepare()
    if (preparation) waiting.push(preparation)
    prepared = column
  }
  return waiting.length > 0
    ? Promise.all(waiting).then(() => sealAll(parameters, ahead))
    : sealAll(parameters, ahead)
}

function sealAll(parameters: readonly unknown[], ahead: SealedAhead): unknown[] | Promise<unknown[]> {
  const sealed = [...parameters]
  const waiting: Promise<unknown>[] = []
  for (let index = 0; index < sealed.length; index++) {
    const value = sealed[index]
    if (!(value instanceof PendingCiphertext)) continue
    const stored = value.encrypt(ahead)
    if (stored instanceof Promise) waiting.push(stored.then((bytes) => (sealed[index] = bytes)))
    else sealed[index] = stored
  }
  return waiting.length > 0 ? Promise.all(waiting).then(() => sealed) : sealed
}

/** The rows of a `QueryResult`: `records` where the driver fills it, else `raw`, which for PostgreSQL may be a pair. */
function rowsOf(result: unknown): Record<string, unknown>[] {
  const { records, raw } = result as { records?: unknown; raw?: unknown }
  const rows: unknown = Array.isArray(records) && records.length > 0 ? records : raw
  return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
}
