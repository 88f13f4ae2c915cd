import { conditionsIn, conditionsOf } from './conditions'
import { groupingsIn } from './groupings'
import { type TableIndex } from './names'
import { placeholderSpans, repeatedPlaceholders } from './placeholders'
import {
  aliasText,
  columnsOfTable,
  isOwnName,
  type ListItem,
  type NameUse,
  type Query,
  type Scope,
  sourcesOf,
  tableOf,
} from './scope'
import {
  type Assignment,
  type CatalogueColumn,
  type CatalogueTable,
  type ColumnSource,
  type ColumnUse,
  type Comparison,
  type Condition,
  type Insert,
  type NamedTable,
  type Place,
  type Statement,
} from './statement'
import { type StatementReader } from './statement-reader'
import { type Tokens } from './tokens'

/** Says what the names stand for, when the whole statement was read. */
export function resolve(reader: StatementReader, tokens: Tokens, index: TableIndex): Statement {
  return new Resolver(reader, tokens, index).statement()
}

class Resolver {
  readonly #uses: ColumnUse[] = []
  readonly #encrypted: readonly CatalogueTable[]
  readonly #conditions = new Map<Scope, readonly ConditionsOfRow[]>()
  /** By the list of items. */
  readonly #lists = new Map<object, RowColumns>()
  /** The query that a scope is a branch of. */
  readonly #queries = new Map<Scope, Query>()

  constructor(
    private readonly reader: StatementReader,
    private readonly tokens: Tokens,
    private readonly index: TableIndex,
  ) {
    const tables = reader.scopes.flatMap((scope) => scope.tables.map(({ table }) => table))
    this.#encrypted = [...new Set(tables)].filter((table) => table !== undefined).filter(hasEncrypted)
    for (const query of [...reader.queries, reader.result])
      // One in parentheses is a branch of the outer query, which comes first.
      for (const branch of query.branches) if (!this.#queries.has(branch)) this.#queries.set(branch, query)
  }

  statement(): Statement {
    const { reader, index } = this
    if (this.#encrypted.length > 0) {
      this.#distrust()
      for (const use of reader.uses) this.#place(use)
      for (const scope of reader.scopes) this.#positions(scope)
      for (const scope of reader.scopes) this.#naturalJoins(scope)
    }
    return {
      kind: reader.verb,
      tables: reader.scopes.flatMap(namedTables),
      results: reader.result.columns(index).map(({ name, sources }) => ({
        name: name?.text,
        sources,
      })),
      inserts: reader.inserts.map((insert): Insert => {
        const { table, columns, runs, isFromQuery, hasColumnList, conflict, mayBeIgnored } = insert
        const inserted = columns.map((use) => ({
          name: use.path.at(-1)?.text ?? '',
          column: this.#target(use),
          end: use.end,
        }))
        return {
          table: table.table,
          columns: inserted,
          runs,
          isFromQuery,
          hasColumnList,
          conflict,
          mayBeIgnored,
        }
      }),
      assignments: reader.assignments.map(({ use, value, start, end }): Assignment => {
        const isStorable = use.into?.isStorable ?? true
        return {
          name: use.path.at(-1)?.text ?? '',
          column: this.#target(use),
          value: isStorable || value.kind === 'integer' ? value : { kind: 'expression' },
          start,
          end,
          nameStart: use.nameStart,
          nameEnd: use.end,
        }
      }),
      updated: reader.verb === 'update' && reader.updates.length === 1 ? reader.updates[0] : undefined,
      groupings: groupingsIn({
        scopes: reader.scopes,
        uses: this.#uses,
        queryOf: (scope) => this.#queries.get(scope),
        index,
      }),
      comparisons: this.#comparisons(),
      conditions: conditionsOf(reader.result, index),
      parameters: this.tokens.highestNumber + 1,
      repeated: repeatedPlaceholders(this.tokens),
      uses: this.#uses.sort((a, b) => a.start - b.start),
      unreadable: undefined,
    }
  }

  /** A column of the same name that belongs to another table is not the column itself. */
  #distrust(): void {
    for (const { use, source } of this.reader.assignments) {
      if (!source) continue
      const column = this.#target(use)
      const sources = sourcesOf(source, this.index)
      if (!column?.isEncrypted && !sources.some((each) => each.column.isEncrypted)) continue
      if (sources.length > 0 && sources.every((each) => each.column === column)) {
        const table = tableOf(source)
        if (!table || table.isExcluded || this.#isTargetTable(use, table)) continue
      }
      source.role = 'operand'
      if (use.into) use.into.isStorable = false
    }
  }

  #isTargetTable(use: NameUse, table: ReturnType<typeof tableOf>): boolean {
    const own = use.path.length > 1 ? tableOf(use) : use.scope.tables[0]
    return own === table
  }

  #target(use: NameUse): CatalogueColumn | undefined {
    return sourcesOf(use, this.index)[0]?.column
  }

  #place(use: NameUse): void {
    const { index } = this
    if (use.isStar) {
      this.#placeStar(use)
      return
    }
    const sources = this.#sourcesOf(use).filter(({ column }) => column.isEncrypted)
    for (const source of sources) this.#add(use, source, this.#placeOf(use, source))
    if (sources.length > 0) return
    const name = use.path.at(-1)
    if (!name) return
    if (use.path.length > 1 && !tableOf(use)) this.#placeUnresolved(use)
    else if (use.path.length === 1 && this.reader.hasWholeRows && sourcesOf(use, index).length === 0)
      this.#placeWholeRow(use)
  }

  /** The rows of a set operation are sorted by its columns, which all branches have a part in. */
  #sourcesOf(use: NameUse): readonly ColumnSource[] {
    const query = use.clause === 'order' && use.isWholeItem ? this.#queries.get(use.scope) : undefined
    if (query && query.branches.length > 1 && use.path.length === 1) {
      const column = query.columns(this.index).find(({ name }) => name?.key === use.path[0]?.key)
      if (column) return column.sources
    }
    return sourcesOf(use, this.index)
  }

  /** The qualifier is not known: it may be that the reader did not understand FROM. */
  #placeUnresolved(use: NameUse): void {
    const name = use.path.at(-1)
    for (const table of this.#encrypted) {
      const column = name && this.index.column(table, name)
      if (column?.isEncrypted) this.#add(use, { table, column, row: '' }, 'unplaced')
    }
  }

  /** `u` for a row of `u`, as in PostgreSQL's `row_to_json(u)`. */
  #placeWholeRow(use: NameUse): void {
    const table = tableOf({ ...use, isStar: true })
    if (!table || use.isCounted) return
    const source = columnsOfTable(table, this.index)
      .flatMap(({ sources }) => sources)
      .find(({ column }) => column.isEncrypted)
    if (source) this.#add(use, source, 'computed')
  }

  #placeStar(use: NameUse): void {
    if (use.isCounted) return
    const qualified = tableOf(use)
    const tables = use.path.length > 0 ? (qualified ? [qualified] : []) : use.scope.tables
    // `*` may stand for multiplication that begins an operand in no language: it is COUNT(*) or an item.
    for (const table of tables) {
      if (table.isExcluded) continue
      for (const source of columnsOfTable(table, this.index).flatMap(({ sources }) => sources)) {
        if (source.column.isEncrypted) this.#add(use, source, this.#placeOf(use, source))
      }
    }
  }

  #placeOf(use: NameUse, source: ColumnSource): Place {
    const { role, into } = use
    if (use.isUnplaced) return 'unplaced'
    if (role === 'target') return into && !into.isStorable ? 'raw-value' : 'target'
    if (role === 'null-test' || role === 'unchanged-test' || role === 'itself') return role
    if (role === 'counted-distinct' && use.clause === 'select') return role
    if (role === 'item') return this.#placeOfItem(use, source)
    if (use.isCounted && use.called === 'COUNT') return 'counted'
    if (use.aggregate !== undefined && use.aggregate !== 'COUNT') return 'aggregated'
    if (use.clause === 'order') return this.#placeInList(use, source, use.scope.orders, 'ordered')
    if (use.aggregate !== undefined) return 'aggregated'
    if (use.clause === 'group') return this.#placeInList(use, source, use.scope.groups, 'grouped')
    if (use.clause === 'distinct-on') return this.#placeInList(use, source, use.scope.distinctOn, 'grouped')
    if (use.clause === 'window') return 'grouped'
    if (use.isCompared || use.clause === 'where' || use.clause === 'having') return 'searched'
    if (into && this.#target(into.use)?.isEncrypted) return 'raw-value'
    return 'computed'
  }

  #placeOfItem(use: NameUse, source: ColumnSource): Place {
    const query = this.#queries.get(use.scope)
    const purpose = query?.purpose ?? 'rows'
    if (purpose === 'compared') return 'searched'
    if (purpose === 'value') return 'computed'
    if (purpose === 'inserted' || use.scope.isStored) return 'raw-value'
    const isCompared = use.scope.isDistinct || query?.comparesRows === true
    if (!isCompared) return 'selected'
    if (query?.comparesRows === true && !query.isOfOneTable(this.index)) return 'grouped'
    const { items } = use.scope
    const selected = (): RowColumns => byRow(items.flatMap((item) => this.#columnsOfItem(item.use)))
    return hasWholeKey(source, this.#columnsIn(items, selected)) ? 'grouped-by-key' : 'grouped'
  }

  #columnsOfItem(use: NameUse | undefined): readonly ColumnSource[] {
    if (!use) return []
    if (!use.isStar) return sourcesOf(use, this.index)
    const table = tableOf(use)
    const tables = use.path.length > 0 ? (table ? [table] : []) : use.scope.tables
    return tables.flatMap((each) => columnsOfTable(each, this.index).flatMap(({ sources }) => sources))
  }

  #placeInList(use: NameUse, source: ColumnSource, list: readonly ListItem[], place: Place): Place {
    if (place === 'ordered' || !use.isWholeItem) return use.isCompared ? 'searched' : place
    return hasWholeKey(source, this.#listed(use.scope, list)) ? 'grouped-by-key' : place
  }

  #listed(scope: Scope, list: readonly ListItem[]): RowColumns {
    return this.#columnsIn(list, () => byRow(list.flatMap((item) => this.#columnsOfListItem(scope, item))))
  }

  /** What a list holds, which is asked for each name in it. */
  #columnsIn(list: object, find: () => RowColumns): RowColumns {
    let columns = this.#lists.get(list)
    if (!columns) this.#lists.set(list, (columns = find()))
    return columns
  }

  #columnsOfListItem(scope: Scope, { use, position }: ListItem): readonly ColumnSource[] {
    if (use) return sourcesOf(use, this.index)
    return position === undefined ? [] : this.#columnsOfItem(scope.items[position - 1]?.use)
  }

  /** `ORDER BY 2` */
  #positions(scope: Scope): void {
    const lists: [readonly ListItem[], Place][] = [
      [scope.orders, 'ordered'],
      [scope.groups, 'grouped'],
      [scope.distinctOn, 'grouped'],
    ]
    for (const [list, place] of lists) {
      for (const item of list) {
        if (item.position !== undefined) this.#position(scope, item, item.position, list, place)
      }
    }
  }

  #position(scope: Scope, item: ListItem, position: number, list: readonly ListItem[], place: Place): void {
    const query = this.#queries.get(scope)
    const columns = query?.columns(this.index)[position - 1]?.sources ?? []
    for (const source of columns.filter(({ column }) => column.isEncrypted)) {
      const isRight = place === 'grouped' && hasWholeKey(source, this.#listed(scope, list))
      this.#push(source, isRight ? 'grouped-by-key' : place, undefined, item.start, item.end)
    }
  }

  /** NATURAL JOIN compares what has the same name on both sides. */
  #naturalJoins(scope: Scope): void {
    if (!scope.hasNaturalJoin) return
    for (const table of scope.tables) {
      for (const { name, sources } of columnsOfTable(table, this.index)) {
        const source = sources.find(({ column }) => column.isEncrypted)
        if (!source || !name) continue
        const isShared = scope.tables.some((other) => {
          if (other === table) return false
          const columns = columnsOfTable(other, this.index)
          return columns.length === 0 || columns.some((column) => column.name?.key === name.key)
        })
        if (isShared) this.#push(source, 'searched', undefined, scope.start, scope.start)
      }
    }
  }

  #comparisons(): Comparison[] {
    return this.reader.compared.flatMap(({ use, operator, isNegated, placeholders, start, end, isBent }) => {
      const sources = sourcesOf(use, this.index).filter(({ column }) => column.isEncrypted)
      return sources.map((source) => ({
        source,
        operator,
        isNegated,
        placeholders,
        spans: placeholderSpans(this.tokens, start, end),
        start,
        end,
        columnStart: use.start,
        columnEnd: use.end,
        nameStart: use.nameStart,
        isDirect: this.#isDirect(use, source),
        isBent,
        beside: this.#beside(use.scope, source),
      }))
    })
  }

  /** What else holds for the rows that a comparison finds. In a long condition each comparison asks for the same. */
  #beside(scope: Scope, { row, table }: ColumnSource): readonly Condition[] {
    const known = this.#conditions.get(scope) ?? []
    let ofRow = known.find((each) => each.table === table && each.row === row)
    if (!ofRow) {
      const conditions = conditionsIn(scope.facts, this.index).filter(
        ({ source }) => source.row === row && source.table === table,
      )
      ofRow = { table, row, conditions }
      this.#conditions.set(scope, [...known, ofRow])
    }
    return ofRow.conditions
  }

  #isDirect(use: NameUse, source: ColumnSource): boolean {
    if (use.clause === 'having' || use.clause === 'order' || use.clause === 'group') return false
    return isOwnName(use, source, this.index)
  }

  #add(use: NameUse, source: ColumnSource, place: Place): void {
    const name = { nameStart: use.nameStart, isDirect: isOwnName(use, source, this.index) }
    this.#push(source, place, use.aggregate ?? use.called, use.start, use.end, name)
  }

  #push(
    source: ColumnSource,
    place: Place,
    called: string | undefined,
    start: number,
    end: number,
    name = { nameStart: start, isDirect: false },
  ): void {
    const isRaw = this.tokens.raw.some(([from, to]) => from <= start && end <= to)
    this.#uses.push({ source, place, called, start, end, isRaw, ...name })
  }
}

function namedTables({ tables }: Scope): NamedTable[] {
  return tables.flatMap((each) => {
    const { table, isExcluded } = each
    return table && !isExcluded ? [{ table, alias: aliasText(each) }] : []
  })
}

function hasEncrypted({ columns }: CatalogueTable): boolean {
  return columns.some(({ isEncrypted }) => isEncrypted)
}

interface ConditionsOfRow {
  readonly table: CatalogueTable
  readonly row: string
  readonly conditions: readonly Condition[]
}

/** Columns by the row of which they are. */
type RowColumns = ReadonlyMap<string, ReadonlySet<CatalogueColumn>>

function byRow(sources: readonly ColumnSource[]): RowColumns {
  const rows = new Map<string, Set<CatalogueColumn>>()
  for (const { row, column } of sources) {
    const columns = rows.get(row)
    if (columns) columns.add(column)
    else rows.set(row, new Set([column]))
  }
  return rows
}

/** True if the primary key of the source's row is among the columns: then each row stays one of its own. */
function hasWholeKey({ table, row }: ColumnSource, columns: RowColumns): boolean {
  const key = table.columns.filter(({ isPrimary }) => isPrimary)
  return key.length > 0 && key.every((part) => columns.get(row)?.has(part) === true)
}
