import { type QueryRunner } from 'typeorm'
import { type StoredKeys } from '../../cipher/data-keys/stored-keys'
import { type Dialect } from '../../dialects'
import { type EmptyingGuard } from '../key-table/emptying'
import { KeyWatch } from '../key-table/key-watch'
import { type ResultOpener } from '../read/result-opener'
import { type Connection } from '../row/located-update'
import { type RowColumns } from '../row/row-columns'
import { type Completeness } from '../search/completeness'
import { type StatementGuard } from '../statement-guard'
import { type Statements } from '../statement/statements'
import { SealedAhead } from '../write/sealed-ahead'
import { OpenTransaction } from './open-transaction'
import { Order } from './order'
import { type Query } from './unguarded-query'

/** What is made of a DataSource's metadata; nothing of it where no column is encrypted. */
export interface Workings {
  readonly results: ResultOpener
  readonly statements: Statements
  readonly guard: StatementGuard
  readonly rows: RowColumns
  readonly completeness: Completeness
  readonly dialect: Pick<Dialect, 'isInTransaction'>
}

/** Where new values are sealed under stored data keys. */
export interface StoredSealing {
  readonly keys: StoredKeys
  readonly emptying: EmptyingGuard
}

/** What the statements of one query runner share on their way to the database. */
export class Door {
  readonly queryRunner: QueryRunner
  /** Sends a statement as it is. */
  readonly query: Query
  readonly order = new Order()
  readonly sealing: StoredSealing | undefined
  readonly watch: KeyWatch | undefined
  /** True while TypeORM empties the whole database. */
  isClearing = false
  readonly #workings: () => Workings | undefined
  #transaction: OpenTransaction | undefined

  constructor(
    queryRunner: QueryRunner,
    query: Query,
    workings: () => Workings | undefined,
    sealing: StoredSealing | undefined,
  ) {
    this.queryRunner = queryRunner
    this.query = query
    this.sealing = sealing
    this.watch = sealing && new KeyWatch(sealing.keys)
    this.#workings = workings
  }

  /** What was announced for its next statements; for most runners, which send one statement, there never is anything. */
  get announced(): SealedAhead | undefined {
    return SealedAhead.announcedFor(this.queryRunner)
  }

  get ahead(): SealedAhead {
    return SealedAhead.of(this.queryRunner)
  }

  get workings(): Workings | undefined {
    return this.#workings()
  }

  /** Of a database that may end it before TypeORM does. */
  get transaction(): OpenTransaction | undefined {
    const { queryRunner, query } = this
    if (!queryRunner.isTransactionActive) return undefined
    const dialect = this.workings?.dialect
    if (!dialect?.isInTransaction) return undefined
    return (this.#transaction ??= new OpenTransaction(
      async () => (await dialect.isInTransaction?.({ query })) === true,
    ))
  }

  /** For statements of the library's own, in the same transaction. */
  connection(rows: RowColumns): Connection {
    return rows.connection(this.queryRunner, this.query)
  }
}
