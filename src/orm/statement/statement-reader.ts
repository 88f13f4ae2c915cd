import { type Context, type Expression } from './call-reader'
import { type Name } from './names'
import { QueryReader } from './query-reader'
import { extend } from './row-runs'
import { type NameUse, Query, type Scope, type ScopeTable, type Target } from './scope'
import {
  type AssignedValue,
  type Clause,
  type Conflict,
  type RowRun,
  type Span,
  type StatementKind,
  type Updated,
} from './statement'
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

/** An assignment, before it is known what its column is. */
export interface ReadAssignment {
  readonly use: NameUse
  /** The column that it is set to, if it is one of the same name. */
  readonly source: NameUse | undefined
  readonly value: AssignedValue
  readonly start: number
  readonly end: number
}

const EXPRESSION: AssignedValue = { kind: 'expression' }

/** Reads a whole statement. What it has no rule for ends it with `Unreadable`. */
export class StatementReader extends QueryReader {
  readonly inserts: ReadInsert[] = []
  readonly assignments: ReadAssignment[] = []
  /** Of each UPDATE; `undefined` if more than its condition says which rows it changes. */
  readonly updates: (Updated | undefined)[] = []
  /** What the rows of the statement are made of. */
  result: Query | undefined
  verb: StatementKind = 'other'

  /** True if an alias by itself is a row of its table. */
  get hasWholeRows(): boolean {
    return this.rules.hasWholeRows
  }

  read(): void {
    const outer = this.newScope(undefined)
    this.#statement(outer)
    while (this.takeSymbol(';')) continue
    if (!this.isAtEnd) this.fail()
  }

  protected nestedStatement(scope: Scope): Query {
    return this.startsQuery() || !this.#isWriting() ? this.query(scope) : this.#writing(scope)
  }

  #isWriting(): boolean {
    return ['INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'WITH'].includes(this.word())
  }

  #statement(outer: Scope): void {
    if (this.word() === 'WITH') this.ctes(outer)
    const word = this.word()
    if (this.#isWriting()) {
      this.verb = word === 'REPLACE' || word === 'INSERT' ? 'insert' : word === 'UPDATE' ? 'update' : 'delete'
      this.result = this.#writing(outer)
    } else if (this.symbol() === '(' || ['SELECT', 'VALUES', 'TABLE'].includes(word)) {
      this.verb = 'select'
      this.result = this.query(outer)
    } else this.fail()
    this.result.purpose = 'result'
  }

  #writing(outer: Scope): Query {
    const scope = this.newScope(outer)
    if (this.word() === 'WITH') this.ctes(scope)
    const query = new Query()
    query.branches.push(scope)
    if (this.takeWord('INSERT', 'REPLACE')) this.#insert(scope)
    else if (this.takeWord('UPDATE')) this.#update(scope)
    else if (this.takeWord('DELETE')) this.#delete(scope)
    else this.fail()
    if (this.takeWord('RETURNING')) {
      if (this.word() === 'WITH' && this.symbol(1) === '(') {
        this.at++
        this.skipParentheses()
      }
      do this.item({ scope, clause: 'returning' })
      while (this.takeSymbol(','))
    }
    return query
  }

  /** True if a row that is there already is left as it is. */
  #conflictWord(): boolean {
    if (!this.takeWord('OR')) return false
    const isIgnore = this.word() === 'IGNORE'
    this.expectWord('ROLLBACK', 'ABORT', 'REPLACE', 'FAIL', 'IGNORE')
    return isIgnore
  }

  #insert(scope: Scope): void {
    let mayBeIgnored = this.#conflictWord()
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
    else if (this.takeWord('SET')) this.#assignments({ scope, clause: 'set' })
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
      if (this.symbol() === '[') this.fail()
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
    return this.#value({ scope, clause: 'values' }, use)
  }

  /** What is put into a column. */
  #value(context: Context, target: NameUse | undefined): AssignedValue {
    const before = this.uses.length
    const expression = this.expression(context)
    const value = this.#valueOf(expression, target)
    if (!target) return value
    const into: Target = { use: target, isStorable: value.kind !== 'expression' && value.kind !== 'integer' }
    target.into ??= into
    if (!into.isStorable) target.into.isStorable = false
    for (const use of this.uses.slice(before)) {
      if (value.kind === 'itself') use.role = 'itself'
      use.into = into
    }
    if (expression.query) expression.query.purpose = 'inserted'
    return value
  }

  #valueOf(
    { placeholders, constant, use, integers }: Expression,
    target: NameUse | undefined,
  ): AssignedValue {
    if (integers?.length === 1) return { kind: 'integer', spans: [...integers] }
    const [index] = placeholders ?? []
    if (index !== undefined && placeholders?.length === 1) return { kind: 'placeholder', index }
    if (constant === 'NULL') return { kind: 'null' }
    if (constant === 'DEFAULT') return { kind: 'default' }
    const isItself = use?.clause === 'set' && !use.isStar && use.path.at(-1)?.key === target?.path.at(-1)?.key
    return isItself ? { kind: 'itself', nameStart: use.nameStart, nameEnd: use.end } : EXPRESSION
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
      insert.conflict = { columns: undefined }
      this.#assignments({ scope, clause: 'set' })
      return
    }
    if (!this.takeWords('ON', 'CONFLICT')) this.fail()
    let columns: string[] | undefined
    if (this.takeWords('ON', 'CONSTRAINT')) this.takeName()
    else if (this.symbol() === '(') {
      this.at++
      columns = this.#plainNames()
      this.expressions({ scope, clause: 'where' })
      this.expectSymbol(')')
      if (this.takeWord('WHERE')) this.expression({ scope, clause: 'where' })
    }
    this.expectWord('DO')
    if (this.takeWord('NOTHING')) {
      insert.mayBeIgnored = true
      return
    }
    insert.conflict = { columns }
    this.expectWord('UPDATE')
    this.expectWord('SET')
    const excluded: Name = { text: 'excluded', key: 'excluded' }
    scope.tables.push({ ...table, alias: excluded, columnNames: [], isExcluded: true })
    this.#assignments({ scope, clause: 'set' })
    if (this.takeWord('WHERE')) this.expression({ scope, clause: 'where' })
  }

  /** The names up to the next `)`, if there is nothing but names. Nothing is taken. */
  #plainNames(): string[] | undefined {
    const names: string[] = []
    for (let ahead = 0; ; ahead += 2) {
      if (!this.isName(ahead)) return undefined
      names.push(this.nameAt(this.at + ahead).text)
      const next = this.symbol(ahead + 1)
      if (next === ')') return names
      if (next !== ',') return undefined
    }
  }

  #assignments(context: Context): void {
    do {
      const { start } = this
      if (this.symbol() === '(') this.#tuple(context)
      else {
        const use = this.addUse(context, this.takePath(), false, start, 'target')
        if (this.symbol() === '[') {
          // An element of an array, which no encrypted column is.
          use.role = 'operand'
          while (this.symbol() !== '=' && !this.isAtEnd) this.at++
        }
        if (!this.takeSymbol('=')) this.expectSymbol(':=')
        this.#assign(use, start, this.#assigned(context, use))
      }
    } while (this.takeSymbol(','))
  }

  #assigned(context: Context, target: NameUse): AssignedValue {
    // `VALUES(c)` of MySQL: what was to be inserted.
    if (this.word() === 'VALUES' && this.symbol(1) === '(' && this.symbol(3) === ')') {
      const name = this.isName(2) ? this.nameAt(this.at + 2) : undefined
      const after = this.symbol(4)
      const ends = after === '' || after === ',' || after === ')' || after === ';'
      if (ends && name?.key === target.path.at(-1)?.key && !this.#hasOperandBehind(4)) {
        const [nameStart, nameEnd] = [this.tokens.start(this.at + 2), this.tokens.end(this.at + 2)]
        this.at += 4
        target.into = { use: target, isStorable: true }
        return { kind: 'itself', nameStart, nameEnd }
      }
    }
    return this.#value(context, target)
  }

  #hasOperandBehind(ahead: number): boolean {
    const word = this.word(ahead)
    return this.kind(ahead) === Kind.Word && word !== 'RETURNING' && word !== 'WHERE' && word !== 'ON'
  }

  /** `(a, b) = (…)`: TypeORM writes none. */
  #tuple(context: Context): void {
    const { start } = this
    const uses: NameUse[] = []
    this.at++
    do {
      const from = this.start
      uses.push(this.addUse(context, this.takePath(), false, from, 'target'))
    } while (this.takeSymbol(','))
    this.expectSymbol(')')
    this.expectSymbol('=')
    this.takeWord('ROW')
    const isRow = this.symbol() === '(' && !this.startsQuery()
    if (!isRow) {
      for (const use of uses) use.into = { use, isStorable: false }
      this.expression(context)
      for (const use of uses) this.#assign(use, start, EXPRESSION)
      return
    }
    this.at++
    for (const [place, use] of uses.entries()) {
      if (place > 0) this.expectSymbol(',')
      this.#assign(use, start, this.#value(context, use))
    }
    this.expectSymbol(')')
  }

  #assign(use: NameUse, start: number, value: AssignedValue): void {
    const last = value.kind === 'itself' ? this.uses.at(-1) : undefined
    this.assignments.push({ use, source: last === use ? undefined : last, value, start, end: this.end })
  }

  #update(scope: Scope): void {
    this.#conflictWord()
    while (this.takeWord('LOW_PRIORITY', 'IGNORE')) continue
    const { start } = this
    this.from(scope)
    const table: Span = [start, this.end]
    this.#writesToTable(scope)
    this.expectWord('SET')
    this.#assignments({ scope, clause: 'set' })
    const hasSources = this.takeWord('FROM')
    if (hasSources) this.from(scope)
    const condition = this.#restOfWriting(scope)
    this.updates.push(condition && !hasSources ? { table, condition } : undefined)
  }

  #delete(scope: Scope): void {
    while (this.takeWord('LOW_PRIORITY', 'QUICK', 'IGNORE')) continue
    if (this.word() !== 'FROM') {
      // `DELETE a, b FROM …` of MySQL.
      do {
        this.takePath()
        if (this.takeSymbol('.')) this.expectSymbol('*')
      } while (this.takeSymbol(','))
    }
    this.expectWord('FROM')
    this.from(scope)
    this.#writesToTable(scope)
    if (this.takeWord('USING')) this.#using(scope)
    this.#restOfWriting(scope)
  }

  /** What is written to is a table, even if a common table expression has its name. */
  #writesToTable({ tables }: Scope): void {
    const [target] = tables
    const table = target?.query && target.path && this.index.find(target.path)
    if (table) tables[0] = { ...target, table, query: undefined }
  }

  /** `DELETE FROM u USING usr u …` of MySQL: the names in front are those of tables behind. */
  #using(scope: Scope): void {
    const targets = scope.tables.splice(0)
    this.from(scope)
    const names = new Set(scope.tables.map(({ alias, path }) => (alias ?? path?.at(-1))?.key))
    scope.tables.unshift(...targets.filter(({ alias, path }) => alias ?? !names.has(path?.at(-1)?.key)))
  }

  /** Returns the condition, if it alone says which rows are meant. */
  #restOfWriting(scope: Scope): Clause | undefined {
    let condition: Clause | undefined
    if (this.takeWord('WHERE')) {
      if (this.takeWords('CURRENT', 'OF')) this.takeName()
      else condition = this.#condition(scope)
    }
    const { at } = this
    this.orderAndLimit(scope)
    return this.at === at ? condition : undefined
  }

  #condition(scope: Scope): Clause {
    const { at, start } = this
    this.where(scope)
    const placeholders: Clause['placeholders'][number][] = []
    for (let token = at; token < this.at; token++) {
      if (this.tokens.kind(token) !== Kind.Placeholder) continue
      const span: Span = [this.tokens.start(token), this.tokens.end(token)]
      placeholders.push({ index: this.tokens.number(token), span })
    }
    return { span: [start, this.end], placeholders }
  }
}
