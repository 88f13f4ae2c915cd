import { type DataSource, type QueryRunner } from 'typeorm'
import { dialectOf } from '../../dialects'
import { type Queries } from '../../dialects/dialect'
import { type RowColumn } from '../../dialects/row-column'
import { InvalidOptionError } from '../../errors'
import { type CatalogueTable, type Statement } from '../statement/statement'
import { type ColumnMetadata } from '../typeorm-types'
import { BindableColumn, bindableColumn } from './bindable-column'
import { type Connection } from './located-update'
import { escapedPath } from '../../dialects/escaped-path'

/** Who wants to bind to a column, for errors. */
interface User {
  readonly entity: string
  readonly property: string
  readonly option: string
}

/** A column, and who is the first to bind to it. */
interface Used {
  readonly column: BindableColumn
  readonly user: User
}

/**
 * The columns of a DataSource that encrypted values are bound to or keyed by. The database is asked for their types,
 * collations and whatever may change them: a value that is bound to what changes by itself would be lost.
 */
export class RowColumns {
  readonly #dataSource: DataSource
  readonly #isEncrypted: (column: ColumnMetadata) => boolean
  readonly #known = new Map<ColumnMetadata, Used>()
  /** Columns that are not checked yet, by the path of their table. */
  readonly #unchecked = new Map<string, Used[]>()
  /** By the path of the table. */
  readonly #uniqueKeys = new Map<string, readonly (readonly string[])[]>()
  #areMade = false
  /** Columns that are declared as uuid. Where the database has no such type they are texts for it. */
  readonly #uuids: WeakSet<ColumnMetadata>

  constructor(
    dataSource: DataSource,
    isEncrypted: (column: ColumnMetadata) => boolean,
    uuids: WeakSet<ColumnMetadata>,
  ) {
    this.#dataSource = dataSource
    this.#isEncrypted = isEncrypted
    this.#uuids = uuids
  }

  /** The column of a property. Throws `InvalidOptionError` for one that cannot be bound to. */
  of(encrypted: ColumnMetadata, property: string, option: string): BindableColumn {
    const metadata = bindableColumn(encrypted, property, option, this.#isEncrypted)
    const known = this.#known.get(metadata)
    if (known) return known.column
    const { entityMetadata, propertyPath } = encrypted
    const column = new BindableColumn(property, metadata)
    const used = { column, user: { entity: entityMetadata.name, property: propertyPath, option } }
    this.#known.set(metadata, used)
    const path = metadata.entityMetadata.tablePath
    const unchecked = this.#unchecked.get(path)
    if (unchecked) unchecked.push(used)
    else this.#unchecked.set(path, [used])
    return column
  }

  /** The tables, or one of them, may have been changed: their columns are to be checked again. */
  forget(path?: string): void {
    const changed = [...this.#known.values()].filter(({ column }) => {
      const own = column.metadata.entityMetadata.tablePath
      return path === undefined || own === path
    })
    for (const used of changed) {
      const own = used.column.metadata.entityMetadata.tablePath
      const unchecked = this.#unchecked.get(own) ?? []
      if (!unchecked.includes(used)) this.#unchecked.set(own, [...unchecked, used])
    }
  }

  /** True if all columns are checked: then nobody need ask. */
  get areChecked(): boolean {
    return this.#unchecked.size === 0
  }

  /** True if a statement needs columns that are not checked yet. */
  isUncheckedIn(statement: Statement | undefined): boolean {
    return statement?.tables.some(({ table }) => this.#unchecked.has(table.path.join('.'))) === true
  }

  /** The unique keys of a table that is checked. */
  uniqueKeys({ path }: CatalogueTable): readonly (readonly string[])[] {
    return this.#uniqueKeys.get(path.join('.')) ?? []
  }

  /** True if values are bound to a column of any table. */
  get areUsed(): boolean {
    return this.#known.size > 0
  }

  /** True if values are bound to keys that the database makes. */
  get areMade(): boolean {
    return this.#areMade
  }

  /** How to send statements of ours over a query runner. `query` is its own, unguarded. */
  connection(runner: Pick<QueryRunner, 'isTransactionActive'>, query: Connection['query']): Connection {
    const { driver, options } = this.#dataSource
    return {
      dialect: dialectOf(options),
      escape: driver.escape.bind(driver),
      isInTransaction: runner.isTransactionActive,
      query,
    }
  }

  /** Checks the columns of all tables that are there. Throws `InvalidOptionError`. */
  async check(queryRunner: Queries): Promise<void> {
    const dialect = dialectOf(this.#dataSource.options)
    const { driver } = this.#dataSource
    const escape = driver.escape.bind(driver)
    for (const [path, columns] of [...this.#unchecked]) {
      const sql = escapedPath(path, escape)
      const names = columns.map(({ column }) => column.name)
      const found = await dialect.rowColumns(queryRunner, { path, sql, escape }, names)
      if (names.some((name) => !found.has(name))) continue
      this.#uniqueKeys.set(path, await dialect.uniqueKeys(queryRunner, { path, sql, escape }))
      for (const { column, user } of columns) {
        const facts = found.get(column.name)
        if (facts) this.#accept(column, facts, user)
      }
      this.#unchecked.delete(path)
    }
  }

  #accept(column: BindableColumn, facts: RowColumn, { entity, property, option }: User): void {
    const refuse = (reason: string): never => {
      throw new InvalidOptionError(
        `${option} names ${column.property}, and its column in the database ${reason}`,
        {
          entity,
          property,
        },
      )
    }
    if (facts.isNullable) {
      refuse('is nullable: a row without it could hold anyone’s value. Make it NOT NULL.')
    }
    if (facts.changedBy !== undefined) {
      refuse(
        `is changed by ${facts.changedBy}: the values would not open any more. Bind to a column that only the application writes.`,
      )
    }
    const form = this.#isUuid(column.metadata) ? ({ kind: 'uuid' } as const) : facts.form
    if (typeof form === 'string') {
      return refuse(
        `(${facts.type}) ${form} Values can be bound to integers, uuids, booleans of PostgreSQL, bytes of variable length and exactly compared texts.`,
      )
    }
    const { made } = facts
    if (this.#isMadeByDatabase(column.metadata)) {
      if (made?.kind === 'inserted' && !made.isUndone) {
        refuse(
          "gets its values from the database with the INSERT, and the table has no transactions, in which the value could be stored afterwards. Convert it (ENGINE=InnoDB), or have the application make the ids: @PrimaryColumn('uuid') with id = randomUUID().",
        )
      }
      column.made = made
      this.#areMade ||= made !== undefined
    }
    column.form = form
  }

  /** TypeORM makes uuids itself where the database does not. */
  #isMadeByDatabase({ isGenerated, generationStrategy }: ColumnMetadata): boolean {
    if (!isGenerated) return false
    return generationStrategy !== 'uuid' || this.#dataSource.driver.isUUIDGenerationSupported()
  }

  /** A uuid is written in one way, whatever text holds it. */
  #isUuid(column: ColumnMetadata): boolean {
    if (this.#uuids.has(column) || column.generationStrategy === 'uuid') return true
    return column.referencedColumn !== undefined && this.#isUuid(column.referencedColumn)
  }
}
