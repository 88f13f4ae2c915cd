import { type DataSource, type EntityManager, type EntityTarget } from 'typeorm'
import { type TestDatabase } from '../../support/databases'
import { databaseNames, standInFor } from '../../support/selection'
import { type AccountShape, type Entities, type NoteShape } from './entities'

/** How many entities are kept in memory. */
const KEPT = 8

/** An application with accounts: its database, and the entities that it holds in memory. */
export class World {
  readonly Account: EntityTarget<AccountShape>
  readonly Note: EntityTarget<NoteShape>
  /** Entities in memory, the oldest first. */
  held: AccountShape[] = []
  /** Ids of the rows, as of the last look. */
  ids: number[] = []
  /** That of the transaction under way, else the DataSource's. */
  manager: EntityManager

  constructor(
    readonly database: TestDatabase,
    readonly dataSource: DataSource,
    readonly entities: Entities,
    /** Values are bound to ids that the database makes: upserts are refused, and not tried. */
    readonly isBound = false,
  ) {
    this.Account = entities.Account
    this.Note = entities.Note
    this.manager = dataSource.manager
  }

  get inTransaction(): boolean {
    return this.manager !== this.dataSource.manager
  }

  hold(...accounts: AccountShape[]): void {
    this.held = [...this.held, ...accounts.filter((account) => !this.held.includes(account))].slice(-KEPT)
  }

  /** An empty database, ids from 1, nothing in memory. */
  async reset(): Promise<void> {
    this.held = []
    this.ids = []
    for (const sql of RESET[this.database.name]) await this.dataSource.query(sql)
  }

  /** The next ids are those of another world: PostgreSQL is asked for keys before an INSERT that then fails. */
  async alignIds(other: World): Promise<void> {
    if (this.database.name !== 'postgres') return
    for (const sequence of ['account_id_seq', 'note_id_seq']) {
      const [next] = await other.dataSource.query<[{ value: string; called: boolean }]>(
        `SELECT last_value AS value, is_called AS called FROM ${sequence}`,
      )
      await this.dataSource.query(`SELECT setval('${sequence}', $1, $2)`, [next.value, next.called])
    }
  }

  /** Everything there is, in a form that can be compared: the rows as TypeORM reads them, and what is in memory. */
  async look(): Promise<{ rows: unknown; held: unknown }> {
    const accounts = await this.dataSource.manager.find(this.Account, {
      withDeleted: true,
      order: { id: 'ASC' },
    })
    const notes = await this.dataSource.manager.find(this.Note, { order: { id: 'ASC' } })
    this.ids = accounts.map(({ id }) => id!)
    return { rows: comparable({ accounts, notes }), held: comparable(this.held) }
  }
}

const RESET = {
  mariadb: [
    'DELETE FROM note',
    'DELETE FROM account',
    'ALTER TABLE note AUTO_INCREMENT = 1',
    'ALTER TABLE account AUTO_INCREMENT = 1',
  ],
  postgres: ['TRUNCATE note, account RESTART IDENTITY'],
  sqlite: ['DELETE FROM note', 'DELETE FROM account', 'DELETE FROM sqlite_sequence'],
}

/** sql.js and PGlite deliver Uint8Arrays for columns that are not encrypted. */
const isBytes = (value: unknown): value is Uint8Array =>
  databaseNames.some(standInFor) ? value instanceof Uint8Array : Buffer.isBuffer(value)

/** Class, own properties in their order and values of a tree, as arrays and text. Times of deletion differ. */
export function comparable(value: unknown, parents: readonly unknown[] = []): unknown {
  if (isBytes(value)) return `Buffer ${Buffer.from(value).toString('hex')}`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no Date' : `Date ${value.toISOString()}`
  if (typeof value === 'string') return `"${value}"`
  if (typeof value !== 'object' || value === null) {
    return Object.is(value, -0) ? 'number -0' : `${typeof value} ${String(value)}`
  }
  if (parents.includes(value)) return 'a parent'
  const within = [...parents, value]
  if (Array.isArray(value)) return value.map((member) => comparable(member, within))
  const properties = Object.entries(value).map(([name, member]) => [
    name,
    name === 'deletedAt' && member instanceof Date ? 'a Date' : comparable(member, within),
  ])
  return [value.constructor.name, ...properties]
}
