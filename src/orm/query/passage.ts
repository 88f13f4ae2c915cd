import { type Mark } from '../../cipher/data-keys/stored-keys'
import { type QueryUse } from '../read/raw-queries'
import { type GeneratedKeys, generatedKeys } from '../row/generated-keys'
import { LocatedUpdate } from '../row/located-update'
import { FoundRows, refuseUncompared, refuseUnopened } from '../search/found-rows'
import { withoutGiven } from '../search/given-value'
import { type Answered } from '../search/hashes'
import { answer, prepareSearch, withoutSearched } from '../search/sending'
import { type Completeness } from '../search/completeness'
import { MergedRows } from '../search/merged-rows'
import { type Matches } from '../search/narrowed-rows'
import { type SearchPlan } from '../search/search-plan'
import { nameViolations } from '../search/unique-violation'
import { rowsOfUpdate } from '../statement/rows-of-update'
import { type SentStatement } from '../write/parameter-rows'
import { hasPending, sealAll } from '../write/parameters'
import { type SealedAhead } from '../write/sealed-ahead'
import { type Door, type Workings } from './door'
import { type EndOfTransaction, endOfTransaction } from './end-of-transaction'
import { type PlaceInTransaction } from './open-transaction'

/** How often rows are looked at that others change in between. */
const MAX_ATTEMPTS = 8

/** One for all: there is a passage for every statement. */
const NONE: readonly MergedRows[] = []

/** What is known of a statement when it is sent. */
interface Sending {
  readonly use: QueryUse
  readonly mark: Mark | undefined
  readonly end: EndOfTransaction | undefined
  /** What must learn of the end of the transaction. */
  readonly seen: Completeness | undefined
}

/**
 * The way of one statement through the door: it is examined before anything is awaited, prepared, sealed in its turn,
 * kept from emptying the key table, sent, and its rows are opened. Each step does nothing where it has nothing to do,
 * which is most of the time: this runs for every statement.
 */
export class Passage {
  readonly #door: Door
  readonly #sql: string
  #parameters: unknown
  /** True for TypeORM's own builders, which ask for a `QueryResult`. What the application sends itself is not read. */
  readonly #structured: boolean
  readonly #workings: Workings | undefined
  /** What was announced for it and the next ones. */
  readonly #announced: SealedAhead | undefined
  #search: SearchPlan | undefined
  /** Of a search by few bits. */
  #matches: Matches | undefined
  /** Of an update of some of the columns that are indexed together. */
  #merged: readonly MergedRows[] = NONE
  #isPending = false
  /** The statement as if the application had written it with the indexes. */
  #answered: Answered | undefined
  #update: LocatedUpdate | undefined
  #made: GeneratedKeys | undefined

  constructor(door: Door, sql: string, parameters: unknown, structured: boolean) {
    this.#door = door
    this.#sql = sql
    this.#parameters = parameters
    this.#structured = structured
    this.#workings = door.workings
    this.#announced = door.announced
  }

  /** Rejects for a statement that must not be sent. */
  pass(): Promise<unknown> {
    let place: PlaceInTransaction | undefined
    let passed: Promise<unknown>
    try {
      const use = this.#examine()
      place = this.#door.transaction?.enter(this.#sql)
      passed = this.#isPlain
        ? this.#door.query(this.#sql, this.#parameters, this.#structured)
        : this.#pass(use, place?.clear)
    } catch (error) {
      const failure = error as Error
      passed = Promise.reject(failure)
    }
    return place ? place.end(passed) : passed
  }

  /** True where no step has anything to do: the tables have no encrypted column, and nothing else is on its way. */
  get #isPlain(): boolean {
    const { order, watch, queryRunner } = this.#door
    if (this.#isPending || order.isWaiting || this.#announced?.isEmpty === false) return false
    if (watch?.concerns(this.#sql) === true || this.#mayEmpty()) return false
    if (!this.#workings) return true
    const { statements, completeness } = this.#workings
    return statements.readings(this.#sql) === undefined && !completeness.waitsFor(queryRunner)
  }

  /** Nothing is awaited where the data keys are at hand, and no promise is made but that of the result. */
  #pass(use: QueryUse, clear: PlaceInTransaction['clear']): Promise<unknown> {
    const { order, sealing, watch, queryRunner } = this.#door
    const announces = this.#announced?.isEmpty === false
    // What was announced may be sealed while the database answers any statement, not only the one that stores it.
    const mark = this.#isPending || announces ? sealing?.keys.mark() : undefined
    const completeness = this.#workings?.completeness
    const seen = completeness?.waitsFor(queryRunner) === true ? completeness : undefined
    const end = watch || announces || seen ? endOfTransaction(this.#sql) : undefined
    if (end) this.#announced?.clear()
    const sending: Sending = { use, mark, end, seen }
    const prepared = this.#prepare()
    const sealed: unknown = prepared ? prepared.then(() => this.#seal()) : this.#seal()
    const values = clear && this.#isPending ? whenClear(sealed, clear()) : sealed
    const isAtOnce = !(values instanceof Promise) && !order.isWaiting && !this.#mayEmpty()
    return isAtOnce ? this.#send(values, sending) : this.#sendInTurn(values, sending)
  }

  async #sendInTurn(values: unknown, sending: Sending): Promise<unknown> {
    const { order, sealing } = this.#door
    const ready = values instanceof Promise || order.isWaiting ? await order.next(values) : values
    const isEmptying = this.#mayEmpty() && (await this.#refuseEmptying())
    const result = await this.#send(ready, sending)
    if (isEmptying) sealing?.keys.clear()
    return result
  }

  #send(values: unknown, sending: Sending): Promise<unknown> {
    const { keys } = this.#door.sealing ?? {}
    const answering = this.#query(values, sending)
    if (sending.use !== 'raw' && keys?.size === 0 && this.#workings?.results.holdsValues(this.#sql) === true)
      keys.expect()
    this.#announced?.workLater()
    return this.#isAnswer(sending) ? answering : answering.then((result) => this.#finish(result, sending))
  }

  /** True where nothing is done with what the database answers. */
  #isAnswer({ use, end }: Sending): boolean {
    if (end || this.#update || this.#merged.length > 0) return false
    return use === 'raw' || this.#workings?.results.holdsValues(this.#sql) !== true
  }

  #query(values: unknown, { end, mark }: Sending): Promise<unknown> {
    const { queryRunner, watch } = this.#door
    const made = this.#made
    const text = this.#update?.sql ?? made?.sql ?? this.#answered?.sql ?? this.#sql
    if (!made && !watch && !this.#search) return this.#door.query(text, values, this.#structured)
    const plainly = (): Promise<unknown> => this.#door.query(text, values, this.#structured)
    const query = made ? () => made.send(queryRunner, plainly, this.#door.ahead) : plainly
    const sent = watch ? watch.send({ sql: this.#sql, end, mark }, query) : query()
    return this.#search ? nameViolations(this.#search, sent) : sent
  }

  #finish(result: unknown, sending: Sending): unknown {
    const { use, end, seen } = sending
    if (end) seen?.settle(this.#door.queryRunner, end)
    if (this.#hasMissed(result)) return this.#repeat(sending)
    return this.#opened(result, use)
  }

  /** Others changed what the rows of an update had when they were read. */
  async #repeat(sending: Sending): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.#query(await this.#door.order.next(this.#again(attempt)), sending)
      if (!this.#hasMissed(result)) return this.#opened(result, sending.use)
    }
  }

  #opened(result: unknown, use: QueryUse): unknown {
    const opening = use === 'raw' ? undefined : this.#open(result, use)
    return opening ? opening.then(() => result) : result
  }

  /** Before anything is awaited. What the result is for. */
  #examine(): QueryUse {
    const workings = this.#structured ? this.#workings : undefined
    const use = workings?.results.takeUse() ?? 'raw'
    this.#search = workings?.guard.check(this.#sql, this.#parameters)
    this.#parameters = withoutGiven(this.#search, this.#parameters)
    if (this.#search && use !== 'raw') refuseUncompared(this.#search)
    if (this.#search) refuseUnopened(this.#search)
    this.#isPending = hasPending(
      this.#search ? withoutSearched(this.#search, this.#parameters) : this.#parameters,
    )
    return use
  }

  /** True if others changed what the rows of an update had when they were read. */
  #hasMissed(result: unknown): boolean {
    return this.#update?.hasMissed(result) === true || this.#merged.some((each) => each.hasMissed(result))
  }

  async #again(attempt: number): Promise<unknown> {
    const [merged] = this.#merged
    if (!merged) return this.#update?.seal(this.#door.ahead)
    if (attempt > MAX_ATTEMPTS) throw merged.contended()
    await this.#merge()
    return this.#seal()
  }

  /** What must be known before values are sealed: blind indexes, and tables that were made since `initialize()`. */
  #prepare(): Promise<unknown> | undefined {
    if (!this.#structured || !this.#workings) return undefined
    const { rows, completeness, statements } = this.#workings
    const { query } = this.#door
    const search = this.#search && this.#prepareSearch(this.#search, completeness)
    if (rows.areChecked || !rows.isUncheckedIn(statements.read(this.#sql))) return search
    return rows.check({ query }).then(() => search)
  }

  #prepareSearch(plan: SearchPlan, completeness: Completeness): Promise<unknown> | undefined {
    const prepared = prepareSearch(plan, this.#sql, this.#parameters, completeness, this.#door)
    const matched = prepared?.then((matches) => (this.#matches = matches))
    return plan.partial.length > 0 ? Promise.resolve(matched).then(() => this.#merge()) : matched
  }

  /** Reads what the rows of an update have in columns that are indexed together with what it sets. */
  async #merge(): Promise<void> {
    const { statements, rows, guard, completeness } = this.#workings ?? {}
    const statement = statements?.read(this.#sql)
    if (!statement || !rows || !guard || !completeness) return
    const parameters = this.#parameters as readonly unknown[]
    const connection = this.#door.connection(rows)
    const { dialect, escape, isInTransaction, query } = connection
    const merged: MergedRows[] = []
    for (const write of this.#search?.partial ?? []) {
      const select = async (columns: readonly string[]): Promise<unknown> => {
        const names = columns.map((name) => escape(name))
        const of = rowsOfUpdate(this.#sql, write.updated, parameters, names, (at) => dialect.placeholder(at))
        const plan = guard.check(of.sql, of.parameters)
        const matches = plan && (await prepareSearch(plan, of.sql, of.parameters, completeness, this.#door))
        const answered = plan ? answer(plan, of.sql, of.parameters, { matches }) : of
        const lock = isInTransaction && dialect.locksRows ? ' FOR UPDATE' : ''
        return query(answered.sql + lock, [...answered.parameters])
      }
      merged.push(await MergedRows.read(write, statement, parameters, select, connection))
    }
    this.#merged = merged
  }

  /** The parameters as they are sent: ciphertexts and indexes for what is to be stored, indexes for what is searched. */
  #seal(): unknown {
    const bound = this.#structured && this.#workings?.rows.areUsed ? this.#workings.rows : undefined
    if (bound) this.#workings?.guard.checkRows(this.#sql, (table) => bound.uniqueKeys(table))
    this.#answered =
      this.#search &&
      answer(this.#search, this.#sql, this.#parameters, { matches: this.#matches, merged: this.#merged })
    const parameters = this.#answered?.parameters ?? this.#parameters
    if (!this.#isPending) return parameters
    const ahead = this.#announced ?? this.#door.ahead
    const sql = this.#answered?.sql ?? this.#sql
    const sent = (): SentStatement => ({
      statement: this.#workings?.statements.read(sql),
      sql,
      parameters: parameters as unknown[],
    })
    if (bound?.areMade) {
      this.#made = generatedKeys(sent(), this.#door.connection(bound))
      if (this.#made) return this.#made.seal(ahead)
    }
    this.#update = bound && LocatedUpdate.of(sent(), this.#door.connection(bound), ahead.moved)
    return this.#update ? this.#update.seal(ahead) : sealAll(parameters as unknown[], sent, ahead)
  }

  #mayEmpty(): boolean {
    const { sealing, isClearing } = this.#door
    return sealing?.emptying.concerns(this.#sql) === true && !isClearing
  }

  async #refuseEmptying(): Promise<boolean> {
    const { sealing, query } = this.#door
    return (await sealing?.emptying.check(this.#sql, { query })) === true
  }

  /** Compares what was found with what was searched, and opens the values before TypeORM makes entities of the rows. */
  #open(result: unknown, use: QueryUse): Promise<unknown> | undefined {
    if (!this.#workings) return undefined
    const { results, rows } = this.#workings
    const found = rowsOf(result)
    const inspector =
      this.#search &&
      this.#answered &&
      FoundRows.of(this.#search, this.#answered.searched, this.#parameters as readonly unknown[])
    return results.open(this.#sql, found, () => this.#door.connection(rows), use, inspector)
  }
}

function whenClear(sealed: unknown, clear: Promise<void>): Promise<unknown> {
  if (!(sealed instanceof Promise)) return clear.then(() => sealed)
  return Promise.all([sealed, clear]).then(([values]) => values as unknown)
}

/** The rows of a `QueryResult`: `records` where the driver fills it, else `raw`, which for PostgreSQL may be a pair. */
function rowsOf(result: unknown): Record<string, unknown>[] {
  const { records, raw } = result as { records?: unknown; raw?: unknown }
  const rows: unknown = Array.isArray(records) && records.length > 0 ? records : raw
  return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
}
