import { AssignmentReader } from './assignment-reader'
import { type Name } from './names'
import { extend } from './row-runs'
import { type NameUse, type Scope, type ScopeTable } from './scope'
import { type AssignedValue, type Conflict, type RowRun, type Span } from './statement'
import { Kind } from './tokens'

/** An INSERT, before it is known what its columns are. */
export interface ReadInsert {
  readonly table: ScopeTable
  readonly columns: readonly NameUse[]
  readonly hasColumnList: boolean
  readonly runs: RowRun[]
  isFromQuery: boolean
  /** What is done with a row that is there already; `undefined` if there is no UPDATE for it. */
  conflict: Conflict | undefined
  /** A row that is there already may be left as it is. */
  mayBeIgnored: boolean
}

/** Reads an INSERT, with what it does with a row that is there already. */
export abstract class InsertReader extends AssignmentReader {
  readonly inserts: ReadInsert[] = []

  /** True if a row that is there already is left as it is. */
  protected conflictWord(): boolean {
    if (!this.takeWord('OR')) return false
    const isIgnore = this.word() === 'IGNORE'
    this.expectWord('ROLLBACK', 'ABORT', 'REPLACE', 'FAIL', 'IGNORE')
    return isIgnore
  }

  protected readInsert(scope: Scope): void {
    let mayBeIgnored = this.conflictWord()
    for (
      let word = this.word();
      this.takeWord('LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE');
      word = this.word()
    )
      mayBeIgnored ||= word === 'IGNORE'
    this.takeWord('INTO')
    const table = this.#target(scope)
    const hasColumnList = this.symbol() === '(' && !this.startsQuery()
    const columns = hasColumnList ? this.#columnList(scope) : []
    const insert: ReadInsert = {
      table,
      columns,
      hasColumnList,
      runs: [],
      isFromQuery: false,
      conflict: undefined,
      mayBeIgnored,
    }
    this.inserts.push(insert)
    if (this.takeWord('OVERRIDING')) {
      this.expectWord('SYSTEM', 'USER')
      this.expectWord('VALUE')
    }
    if (this.takeWord('VALUES', 'VALUE')) this.#rows(scope, insert)
    else if (this.takeWord('SET')) this.readAssignments({ scope, clause: 'set' })
    else if (!this.takeWords('DEFAULT', 'VALUES')) {
      insert.isFromQuery = true
      const query = this.query(scope.parent)
      query.purpose = 'inserted'
    }
    this.#insertedRow(scope, insert)
    while (this.word() === 'ON') this.#onConflict(scope, insert)
  }

  /** The table that is written to, with its alias. */
  #target(scope: Scope): ScopeTable {
    this.takeWord('ONLY')
    const path = this.takePath()
    this.takeSymbol('*')
    if (this.word() === 'PARTITION' && this.symbol(1) === '(') {
      this.at++
      this.takeNames()
    }
    const isAlias = this.takeWord('AS') || this.kind() === Kind.Name
    // Never a common table expression.
    const table: ScopeTable = {
      alias: isAlias ? this.takeName() : undefined,
      path,
      table: this.index.find(path),
      query: undefined,
      columnNames: [],
    }
    scope.tables.push(table)
    return table
  }

  #columnList(scope: Scope): NameUse[] {
    const columns: NameUse[] = []
    this.expectSymbol('(')
    while (!this.takeSymbol(')')) {
      const { start } = this
      columns.push(this.addUse({ scope, clause: 'values' }, this.takePath(), false, start, 'target'))
      if (this.symbol() !== ')') this.expectSymbol(',')
    }
    return columns
  }

  #rows(scope: Scope, { runs, columns, table }: ReadInsert): void {
    const watched = columns.flatMap((use, place) => {
      const name = use.path.at(-1)
      const column = name && table.table && this.index.column(table.table, name)
      return column?.isSearched === true || column?.isLocated === true ? [place] : []
    })
    do {
      this.takeWord('ROW')
      const ends = new Map(watched.map((place) => [place, []]))
      const cells = this.#row(scope, columns, ends)
      const last = runs.at(-1)
      const extended = last && extend(last, cells)
      if (!extended) runs.push({ rows: 1, cells, stride: 0, ends })
      else {
        runs[runs.length - 1] = extended
        for (const [place, all] of extended.ends) (all as number[]).push(...(ends.get(place) ?? []))
      }
    } while (this.takeSymbol(','))
  }

  #row(scope: Scope, columns: readonly NameUse[], watched: ReadonlyMap<number, number[]>): AssignedValue[] {
    const cells: AssignedValue[] = []
    this.expectSymbol('(')
    while (!this.takeSymbol(')')) {
      const use = columns[cells.length]
      const cell = this.#cell(scope, use)
      watched.get(cells.length)?.push(this.end)
      cells.push(cell)
      if (this.symbol() !== ')') this.expectSymbol(',')
    }
    return cells
  }

  #cell(scope: Scope, use: NameUse | undefined): AssignedValue {
    // Almost every cell is a placeholder.
    if (this.kind() === Kind.Placeholder && (this.symbol(1) === ',' || this.symbol(1) === ')')) {
      return { kind: 'placeholder', index: this.tokens.number(this.at++) }
    }
    return this.readValue({ scope, clause: 'values' }, use)
  }

  /** `AS new (a, b)` of MySQL: the row that was to be inserted. */
  #insertedRow(scope: Scope, { table, columns, hasColumnList }: ReadInsert): void {
    if (!this.takeWord('AS')) return
    const alias = this.takeName()
    const names = this.symbol() === '(' ? this.takeNames() : []
    // They are those of the column list, in its order.
    const inTable = table.table?.columns.map((column) => {
      const place = columns.findIndex((use) => use.path.at(-1)?.key === this.index.key(column.name))
      return names[place] ?? { text: column.name, key: this.index.key(column.name) }
    })
    const columnNames = hasColumnList && names.length > 0 ? (inTable ?? names) : names
    scope.tables.push({ ...table, alias, columnNames, isExcluded: true })
  }

  #onConflict(scope: Scope, insert: ReadInsert): void {
    const { table } = insert
    if (this.takeWords('ON', 'DUPLICATE', 'KEY', 'UPDATE')) {
      insert.conflict = { columns: undefined, spans: [] }
      this.readAssignments({ scope, clause: 'set' })
      return
    }
    if (!this.takeWords('ON', 'CONFLICT')) this.fail()
    let conflict: Conflict = { columns: undefined, spans: [] }
    if (this.takeWords('ON', 'CONSTRAINT')) this.takeName()
    else if (this.symbol() === '(') {
      this.at++
      conflict = this.#plainNames()
      this.expressions({ scope, clause: 'where' })
      this.expectSymbol(')')
      if (this.takeWord('WHERE')) this.expression({ scope, clause: 'where' })
    }
    this.expectWord('DO')
    if (this.takeWord('NOTHING')) {
      insert.mayBeIgnored = true
      return
    }
    insert.conflict = conflict
    this.expectWord('UPDATE')
    this.expectWord('SET')
    const excluded: Name = { text: 'excluded', key: 'excluded' }
    scope.tables.push({ ...table, alias: excluded, columnNames: [], isExcluded: true })
    this.readAssignments({ scope, clause: 'set' })
    if (this.takeWord('WHERE')) this.expression({ scope, clause: 'where' })
  }

  /** The names up to the next `)`, if there is nothing but names. Nothing is taken. */
  #plainNames(): Conflict {
    const columns: string[] = []
    const spans: Span[] = []
    for (let at = this.at; ; at += 2) {
      if (!this.isName(at - this.at)) return { columns: undefined, spans: [] }
      columns.push(this.nameAt(at).text)
      spans.push([this.tokens.start(at), this.tokens.end(at)])
      const next = this.symbol(at + 1 - this.at)
      if (next === ')') return { columns, spans }
      if (next !== ',') return { columns: undefined, spans: [] }
    }
  }
}
