import { InsertReader } from './insert-reader'
import { Query, type Scope } from './scope'
import { type Clause, type Span, type StatementKind, type Updated } from './statement'
import { Kind } from './tokens'

/** Reads a whole statement. What it has no rule for ends it with `Unreadable`. */
export class StatementReader extends InsertReader {
  /** Of each UPDATE; `undefined` if more than its condition says which rows it changes. */
  readonly updates: (Updated | undefined)[] = []
  /** What the rows of the statement are made of. */
  result = new Query()
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

  protected nestedStatement(parent: Scope): Query {
    let scope = parent
    if (this.word() === 'WITH') {
      scope = this.newScope(parent)
      this.ctes(scope)
    }
    return this.#isWriting() ? this.#writing(scope) : this.query(scope)
  }

  #isWriting(): boolean {
    return ['INSERT', 'REPLACE', 'UPDATE', 'DELETE'].includes(this.word())
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
    const query = new Query()
    query.branches.push(scope)
    if (this.takeWord('INSERT', 'REPLACE')) this.readInsert(scope)
    else if (this.takeWord('UPDATE')) this.#update(scope)
    else {
      this.expectWord('DELETE')
      this.#delete(scope)
    }
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

  #update(scope: Scope): void {
    this.conflictWord()
    while (this.takeWord('LOW_PRIORITY', 'IGNORE')) continue
    const { start } = this
    this.from(scope)
    const table: Span = [start, this.end]
    this.#writesToTable(scope)
    this.expectWord('SET')
    this.readAssignments({ scope, clause: 'set' })
    if (this.takeWord('FROM')) this.from(scope)
    const condition = this.#restOfWriting(scope)
    this.updates.push(condition && scope.tables.length === 1 ? { table, condition } : undefined)
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
