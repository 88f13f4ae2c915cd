import { type LexicalRules } from '../../dialects/lexical-rules'
import { ExpressionReader } from './expression'
import { type Name, type TableIndex } from './names'
import { type Scope, type ScopeTable } from './scope'
import { Kind, type Tokens } from './tokens'
import * as words from './words'

/** Reads FROM: tables, joins, derived tables, functions that give rows. */
export abstract class TableReader extends ExpressionReader {
  constructor(
    tokens: Tokens,
    rules: LexicalRules,
    protected readonly index: TableIndex,
  ) {
    super(tokens, rules)
  }

  /** Tables and joins. */
  protected from(scope: Scope): void {
    this.#tableFactor(scope)
    for (;;) {
      if (this.takeSymbol(',')) {
        this.#tableFactor(scope)
        continue
      }
      const start = this.at
      if (this.takeWord('NATURAL')) scope.hasNaturalJoin = true
      this.takeWord('INNER', 'CROSS', 'LEFT', 'RIGHT', 'FULL')
      this.takeWord('OUTER')
      if (this.takeWord('STRAIGHT_JOIN') || this.takeWord('JOIN')) this.#tableFactor(scope)
      else if (this.at !== start) this.fail()
      else if (this.word() === 'ON' && ['CONFLICT', 'DUPLICATE'].includes(this.word(1))) return
      else if (this.takeWord('ON')) this.expression({ scope, clause: 'where' })
      else if (this.word() === 'USING' && this.symbol(1) === '(') this.#using(scope)
      else return
    }
  }

  #using(scope: Scope): void {
    this.at += 2
    do {
      const { start } = this
      const name = this.takeName()
      this.addUse({ scope, clause: 'where' }, [name], false, start)
    } while (this.takeSymbol(','))
    this.expectSymbol(')')
    if (this.takeWord('AS')) this.takeName()
  }

  #tableFactor(scope: Scope): void {
    this.takeWord('ONLY')
    // Before a query or a function; elsewhere it is a name.
    const isLateral =
      this.word() === 'LATERAL' &&
      (this.symbol(1) === '(' || (this.isName(1) && '(.'.includes(this.symbol(2) || ' ')))
    if (isLateral) this.at++
    if (this.symbol() !== '(') {
      this.namedTable(scope)
      return
    }
    this.nested(() => {
      this.at++
      if (this.startsQuery()) {
        // Only a lateral query sees what stands beside it.
        const query = this.subquery(isLateral ? scope : scope.parent, 'rows')
        const { alias, columnNames } = this.#alias()
        scope.tables.push({ alias, path: undefined, table: undefined, query, columnNames })
        return
      }
      this.from(scope)
      this.expectSymbol(')')
      this.#alias()
    })
  }

  protected namedTable(scope: Scope): void {
    const path = this.takePath()
    if (this.symbol() === '(' && path.at(-1)) {
      // A function that gives rows.
      this.at--
      this.expression({ scope, clause: 'select' })
      if (this.takeWord('WITH')) this.expectWord('ORDINALITY')
      const { alias, columnNames } = this.#alias()
      scope.tables.push({
        alias: alias ?? path.at(-1),
        path: undefined,
        table: undefined,
        query: undefined,
        columnNames,
      })
      return
    }
    this.takeSymbol('*')
    if (this.word() === 'PARTITION' && this.symbol(1) === '(') {
      this.at++
      this.takeNames()
    }
    if (this.takeWords('FOR', 'SYSTEM_TIME')) {
      this.takeWords('AS', 'OF')
      if (!this.takeWord('ALL')) {
        this.takeWord('BETWEEN', 'FROM')
        this.expression({ scope, clause: 'select' })
        if (this.takeWord('TO')) this.expression({ scope, clause: 'select' })
      }
    }
    const { alias, columnNames } = this.#alias()
    this.#hints(scope)
    scope.tables.push(this.tableFor(scope, path, alias, columnNames))
  }

  /** A table by its name: that of a common table expression, or of the catalogue, or one that is not known. */
  protected tableFor(
    scope: Scope,
    path: readonly Name[],
    alias: Name | undefined,
    columnNames: readonly Name[] = [],
  ): ScopeTable {
    const name = path.length === 1 ? path[0] : undefined
    const query = name && scope.cte(name)
    const table = query ? undefined : this.index.find(path)
    // SQLite lets a query name itself without RECURSIVE.
    const itself = query || table || !name ? undefined : scope.cte(name, true)
    return { alias, path, table, query: query ?? itself, columnNames }
  }

  #alias(): { alias: Name | undefined; columnNames: readonly Name[] } {
    if (!this.takeWord('AS')) {
      const isAlias = this.kind() === Kind.Word ? !words.NO_ALIAS.has(this.word()) : this.isName()
      if (!isAlias) return { alias: undefined, columnNames: [] }
    }
    // PostgreSQL's `AS (a int, b text)` for functions.
    const alias = this.symbol() === '(' ? undefined : this.takeName()
    if (this.symbol() !== '(') return { alias, columnNames: [] }
    if (this.isName(1) && (this.symbol(2) === ',' || this.symbol(2) === ')')) {
      return { alias, columnNames: this.takeNames() }
    }
    this.skipParentheses()
    return { alias, columnNames: [] }
  }

  #hints(scope: Scope): void {
    for (;;) {
      if (this.takeWord('USE', 'FORCE', 'IGNORE')) {
        this.expectWord('INDEX', 'KEY')
        if (this.takeWord('FOR')) while (this.takeWord('JOIN', 'ORDER', 'GROUP', 'BY')) continue
        this.takeNames()
        while (this.takeSymbol(',')) this.takeNames()
      } else if (this.takeWords('NOT', 'INDEXED')) continue
      else if (this.takeWords('INDEXED', 'BY')) this.takeName()
      else if (this.takeWord('TABLESAMPLE')) {
        this.expression({ scope, clause: 'select' })
        if (this.takeWord('REPEATABLE')) this.skipParentheses()
      } else return
    }
  }
}
