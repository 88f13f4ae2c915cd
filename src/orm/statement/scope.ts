import { type Fact } from './facts'
import { type Name, type TableIndex } from './names'
import { type CatalogueTable, type ColumnSource, type Span } from './statement'

/** Where in a statement an expression stands. */
export type Clause =
  | 'select'
  | 'returning'
  | 'where'
  | 'having'
  | 'group'
  | 'distinct-on'
  | 'order'
  | 'window'
  | 'set'
  | 'values'
  | 'other'

/** What is done with a column, as far as the place itself tells. */
export type Role =
  'operand' | 'item' | 'target' | 'null-test' | 'counted' | 'counted-distinct' | 'unchanged-test' | 'itself'

/** A name, or a chain of names with dots between them, where a column can stand. */
export interface NameUse {
  readonly scope: Scope
  readonly clause: Clause
  /** The names; empty for a bare `*`. */
  readonly path: readonly Name[]
  /** `*` or `t.*`. */
  readonly isStar: boolean
  readonly start: number
  readonly end: number
  /** Of the last name. */
  readonly nameStart: number
  readonly called: string | undefined
  readonly aggregate: string | undefined
  role: Role
  isCompared: boolean
  /** Alone in an item of ORDER BY or GROUP BY: then it may be a result name first of all. */
  isWholeItem: boolean
  /** An argument of a plain COUNT, alone. */
  isCounted: boolean
  /** Where the reader has no rule for a name. */
  isUnplaced: boolean
  /** Assignments and inserted columns: what it goes into. */
  into: Target | undefined
}

/** A column that something is put into. */
export interface Target {
  readonly use: NameUse
  isStorable: boolean
}

/** An item of SELECT or RETURNING. */
export interface Item {
  /** The result name, if it is written or that of a column. */
  readonly name: Name | undefined
  /** If it is a column, or a star, and nothing else. */
  readonly use: NameUse | undefined
  /** The name is written behind it. */
  readonly hasAlias?: boolean
  /** If it is a subquery and nothing else. */
  readonly query: Query | undefined
}

/** An item of GROUP BY, ORDER BY or DISTINCT ON. */
export interface ListItem {
  readonly use: NameUse | undefined
  /** `ORDER BY 2` */
  readonly position: number | undefined
  readonly start: number
  readonly end: number
}

/** A table in FROM, or the one that is written to. */
export interface ScopeTable {
  readonly alias: Name | undefined
  readonly path: readonly Name[] | undefined
  readonly table: CatalogueTable | undefined
  readonly query: Query | undefined
  /** Names that an alias gives to the columns. */
  readonly columnNames: readonly Name[]
  /** `EXCLUDED`: not found without its name. */
  readonly isExcluded?: true
}

/** What a query is for: whether its columns are a result, or are compared. */
export type Purpose = 'result' | 'rows' | 'value' | 'compared' | 'inserted'

/** A SELECT, or what has RETURNING or its own tables. */
export class Scope {
  readonly tables: ScopeTable[] = []
  readonly items: Item[] = []
  readonly groups: ListItem[] = []
  readonly orders: ListItem[] = []
  readonly distinctOn: ListItem[] = []
  readonly ctes = new Map<string, Query>()
  isDistinct = false
  /** Where DISTINCT stands. */
  distinct: Span | undefined
  /** Behind FROM and WHERE. */
  end = 0
  hasNaturalJoin = false
  /** `SELECT … INTO`: the rows go elsewhere. */
  isStored = false
  /** What WHERE says of each row. */
  facts: readonly Fact<NameUse>[] = []

  constructor(
    readonly parent: Scope | undefined,
    readonly start: number,
  ) {}

  /** One that is still being read is not seen from inside of it, unless it is asked for. */
  cte(name: Name, alsoUnfinished = false): Query | undefined {
    const own = this.ctes.get(name.key)
    return own && (alsoUnfinished || !own.isUnfinished) ? own : this.parent?.cte(name, alsoUnfinished)
  }
}

/** A query of one or more branches, or a statement with RETURNING in a common table expression. */
export class Query {
  readonly branches: Scope[] = []
  /** True if a set operation compares the rows: all but UNION ALL. */
  comparesRows = false
  purpose: Purpose = 'rows'
  columnNames: readonly Name[] = []
  /** While a common table expression is read that does not say RECURSIVE. */
  isUnfinished = false
  #columns: OutputColumn[] | undefined
  #isBeingRead = false

  /** What the columns are called and stand for. */
  columns(index: TableIndex): readonly OutputColumn[] {
    if (this.#columns) return this.#columns
    // A recursive query stands for itself in its second branch, and is what its first one says.
    if (this.#isBeingRead) return []
    this.#isBeingRead = true
    const [first = [], ...others] = this.branches.map((branch) => outputColumns(branch, index))
    this.#isBeingRead = false
    return (this.#columns = first.map(({ name, sources }, place) => ({
      name: this.columnNames[place] ?? name,
      sources: [...sources, ...others.flatMap((columns) => columns[place]?.sources ?? [])],
    })))
  }

  /**
   * True if each branch has in one place what another one has there, as far as it is encrypted or a primary key: then rows
   * of two branches are equal if they are one row.
   */
  isOfOneTable(index: TableIndex): boolean {
    // Then it is not known what stands in which place.
    if (this.#isOpen(index)) return false
    const [first = [], ...others] = this.branches.map((branch) => outputColumns(branch, index))
    return others.every((columns) => {
      const places = Array(Math.max(first.length, columns.length)).keys()
      return [...places].every((place) =>
        isSameColumn(first[place]?.sources ?? [], columns[place]?.sources ?? []),
      )
    })
  }

  /** True if a star stands for columns that are not known. */
  #isOpen(index: TableIndex): boolean {
    if (this.#isBeingRead) return false
    this.#isBeingRead = true
    const open = this.branches.some(({ items, tables }) =>
      items.some(({ use }) => {
        if (!use?.isStar) return false
        const table = tableOf(use)
        const all = use.path.length > 0 ? [table] : tables
        return all.some((each) => !each?.table && (!each?.query || each.query.#isOpen(index)))
      }),
    )
    this.#isBeingRead = false
    return open
  }
}

/** True if both are one column, or nothing is told by it which row it is of. */
function isSameColumn(some: readonly ColumnSource[], others: readonly ColumnSource[]): boolean {
  const columns = new Set([...some, ...others].map(({ column }) => column))
  if (some.length === 1 && others.length === 1 && columns.size === 1) return true
  return ![...columns].some(({ isEncrypted, isPrimary }) => isEncrypted || isPrimary)
}

export interface OutputColumn {
  readonly name: Name | undefined
  readonly sources: readonly ColumnSource[]
}

/** What an alias is called in the names of rows. */
export function aliasText({ alias, path }: ScopeTable): string {
  return alias?.text ?? path?.at(-1)?.text ?? ''
}

const known = new WeakMap<ScopeTable, OutputColumn[]>()

/** All that is known of a table's columns. To be asked when the statement was read to its end. */
export function columnsOfTable(table: ScopeTable, index: TableIndex): OutputColumn[] {
  const columns = known.get(table) ?? readColumns(table, index)
  known.set(table, columns)
  return columns
}

function readColumns(table: ScopeTable, index: TableIndex): OutputColumn[] {
  const row = aliasText(table)
  const declared = table.table
  if (declared) {
    return declared.columns.map((column, place) => ({
      name: table.columnNames[place] ?? { text: column.name, key: index.key(column.name) },
      sources: [{ table: declared, column, row }],
    }))
  }
  return (table.query?.columns(index) ?? []).map(({ name, sources }, place) => ({
    name: table.columnNames[place] ?? name,
    sources: sources.map((source) => ({ ...source, row: `${row}/${source.row}`, isDerived: true as const })),
  }))
}

/** The table of a scope that a qualifier stands for. An alias hides the table's own name. */
export function tableOf(use: Pick<NameUse, 'scope' | 'path' | 'isStar'>): ScopeTable | undefined {
  const qualifier = use.isStar ? use.path : use.path.slice(0, -1)
  const last = qualifier.at(-1)
  if (!last) return undefined
  for (let scope: Scope | undefined = use.scope; scope; scope = scope.parent) {
    const matching = scope.tables.filter(({ alias, path }) =>
      alias ? qualifier.length === 1 && alias.key === last.key : endsWith(path, qualifier),
    )
    const found =
      matching.find((table) => (table.alias ?? table.path?.at(-1))?.text === last.text) ?? matching[0]
    if (found) return found
  }
  return undefined
}

/** `name` is matched by `name`, and so is `schema.name`; `other.name` is not. */
function endsWith(path: readonly Name[] | undefined, qualifier: readonly Name[]): boolean {
  if (!path) return false
  for (let back = 1; back <= qualifier.length; back++) {
    const written = path.at(-back)
    if (written && written.key !== qualifier.at(-back)?.key) return false
  }
  return true
}

function outputColumns(scope: Scope, index: TableIndex): OutputColumn[] {
  return scope.items.flatMap(({ name, use, query }) => {
    if (use?.isStar) {
      const table = tableOf(use)
      const tables = use.path.length > 0 ? (table ? [table] : []) : scope.tables
      return tables.filter(({ isExcluded }) => !isExcluded).flatMap((each) => columnsOfTable(each, index))
    }
    if (query) return [{ name, sources: subquerySources(query, index) }]
    return [{ name, sources: use ? sourcesOf(use, index) : [] }]
  })
}

/** Each value of a subquery comes from a row of its own. */
function subquerySources(query: Query, index: TableIndex): ColumnSource[] {
  const [first] = query.columns(index)
  return (first?.sources ?? []).map((source) => ({
    ...source,
    isDerived: true as const,
    row: `(${query.branches[0]?.start ?? 0})/${source.row}`,
  }))
}

/** What a name stands for: nothing, if it is a column of a table that is not known. */
export function sourcesOf(use: NameUse, index: TableIndex): readonly ColumnSource[] {
  const name = use.path.at(-1)
  if (!name || use.isStar) return []
  if (use.path.length > 1) {
    const table = tableOf(use)
    return table ? columnOf(table, name, index) : []
  }
  if (use.clause === 'order' && use.isWholeItem) {
    const items = aliased(use.scope, name, index)
    if (items) return items
  }
  for (let scope: Scope | undefined = use.scope; scope; scope = scope.parent) {
    const candidates = scope.tables.filter(
      ({ isExcluded, columnNames }) => !isExcluded || columnNames.length > 0,
    )
    const found = candidates
      .map((table) => findColumn(table, name, index))
      .filter((each) => each !== undefined)
    const asResult =
      use.role !== 'item' && use.role !== 'target' && (found.length === 0 || use.clause !== 'where')
        ? aliased(scope, name, index)
        : undefined
    // What is written to is a column of one table, the first that has it.
    if (use.role === 'target') return found[0]?.sources ?? []
    if (found.length > 0) return [...found.flatMap(({ sources }) => sources), ...(asResult ?? [])]
    if (asResult) return asResult
  }
  return []
}

/** The items with this result name, if there are any. */
function aliased(scope: Scope, name: Name, index: TableIndex): ColumnSource[] | undefined {
  const items = scope.items.filter((item) => item.name?.key === name.key)
  if (items.length === 0) return undefined
  return items.flatMap(({ use, query }) => {
    if (query) return subquerySources(query, index)
    return use && use.path.at(-1) !== undefined ? sourcesOf({ ...use, role: 'item' }, index) : []
  })
}

export function columnOf(table: ScopeTable, name: Name, index: TableIndex): readonly ColumnSource[] {
  return findColumn(table, name, index)?.sources ?? []
}

/** The last of several with one name: at most one can be meant. */
function findColumn(table: ScopeTable, name: Name, index: TableIndex): OutputColumn | undefined {
  const declared = table.table
  if (declared && table.columnNames.length === 0) {
    const column = index.column(declared, name)
    return column && { name, sources: [{ table: declared, column, row: aliasText(table) }] }
  }
  const all = columnsOfTable(table, index).filter((column) => column.name?.key === name.key)
  return all.length > 0 ? { name, sources: all.flatMap(({ sources }) => sources) } : undefined
}

/** True for a name that is the column's own, of its table itself. */
export function isOwnName(use: NameUse, { column, isDerived }: ColumnSource, index: TableIndex): boolean {
  return isDerived !== true && use.path.at(-1)?.key === index.key(column.name)
}
