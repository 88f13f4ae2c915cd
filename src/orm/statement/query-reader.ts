import { type Context, type Expression } from './call-reader'
import { TableReader } from './table-reader'
import { type Name } from './names'
import { type Item, type ListItem, type NameUse, type Purpose, Query, Scope } from './scope'
import { Kind } from './tokens'
import * as words from './words'

/** Reads SELECT, and what may stand in its place: VALUES, set operations, common table expressions. */
export abstract class QueryReader extends TableReader {
  readonly scopes: Scope[] = []

  /** A statement inside of a common table expression. */
  protected abstract nestedStatement(scope: Scope): Query

  protected subquery(scope: Scope | undefined, purpose: Purpose): Query {
    const query = this.query(scope)
    query.purpose = purpose
    this.expectSymbol(')')
    return query
  }

  protected newScope(parent: Scope | undefined): Scope {
    const scope = new Scope(parent, this.start)
    this.scopes.push(scope)
    return scope
  }

  /** `WITH` … `SELECT` … `UNION` … `ORDER BY` … `LIMIT` … */
  protected query(parent: Scope | undefined): Query {
    const query = new Query()
    let outer = parent
    if (this.word() === 'WITH') {
      outer = this.newScope(parent)
      this.ctes(outer)
    }
    this.#branch(query, outer)
    this.restOfQuery(query, outer)
    return query
  }

  protected restOfQuery(query: Query, outer: Scope | undefined): void {
    while (words.SET_OPERATIONS.has(this.word())) {
      const isUnion = this.word() === 'UNION'
      this.at++
      const isAll = this.takeWord('ALL')
      if (!isAll) this.takeWord('DISTINCT')
      if (!isAll || !isUnion) query.comparesRows = true
      this.#branch(query, outer)
    }
    const [first] = query.branches
    if (first) this.#tail(first)
  }

  /** `WITH a AS (…), b (x, y) AS MATERIALIZED (…)` */
  protected ctes(scope: Scope): void {
    this.expectWord('WITH')
    const isRecursive = this.takeWord('RECURSIVE')
    do {
      const name = this.takeName()
      const columnNames = this.symbol() === '(' ? this.takeNames() : []
      this.expectWord('AS')
      if (this.takeWord('NOT')) this.expectWord('MATERIALIZED')
      else this.takeWord('MATERIALIZED')
      this.expectSymbol('(')
      const placeholder = new Query()
      placeholder.isUnfinished = !isRecursive
      scope.ctes.set(name.key, placeholder)
      const query = this.nested(() => this.nestedStatement(scope))
      this.expectSymbol(')')
      placeholder.branches.push(...query.branches)
      placeholder.comparesRows = query.comparesRows
      placeholder.columnNames = columnNames
      placeholder.isUnfinished = false
      this.queryReplaced(query, placeholder)
    } while (this.takeSymbol(','))
  }

  /** Queries whose rows or columns need a look. */
  readonly queries: Query[] = []

  protected queryReplaced(old: Query, replacement: Query): void {
    const at = this.queries.indexOf(old)
    if (at >= 0) this.queries[at] = replacement
  }

  #branch(query: Query, outer: Scope | undefined): void {
    if (!this.queries.includes(query)) this.queries.push(query)
    if (this.symbol() === '(') {
      this.nested(() => {
        this.at++
        const inner = this.query(outer)
        this.expectSymbol(')')
        query.branches.push(...inner.branches)
        query.comparesRows ||= inner.comparesRows
      })
      return
    }
    const scope = this.newScope(outer)
    query.branches.push(scope)
    if (this.takeWord('VALUES')) this.#values(scope)
    else if (this.takeWord('TABLE')) {
      scope.items.push({ name: undefined, use: this.#bareStar(scope), query: undefined })
      this.namedTable(scope)
    } else this.#select(scope)
  }

  /** `TABLE`, which stands for a star. */
  #bareStar(scope: Scope): NameUse {
    const use = this.addUse({ scope, clause: 'select' }, [], true, this.tokens.start(this.at - 1))
    use.role = 'item'
    return use
  }

  #values(scope: Scope): void {
    do {
      this.takeWord('ROW')
      this.expectSymbol('(')
      if (!this.takeSymbol(')')) {
        this.nested(() => this.expressions({ scope, clause: 'other' }))
        this.expectSymbol(')')
      }
    } while (this.takeSymbol(','))
  }

  #select(scope: Scope): void {
    this.expectWord('SELECT')
    this.#modifiers(scope)
    if (this.word() !== 'FROM') {
      do this.item({ scope, clause: 'select' })
      while (this.takeSymbol(','))
    }
    this.#into(scope)
    if (this.takeWord('FROM')) this.from(scope)
    if (this.takeWord('WHERE')) this.where(scope)
    scope.end = this.end
    if (this.takeWords('GROUP', 'BY')) this.#groupBy(scope)
    if (this.takeWord('HAVING')) this.expression({ scope, clause: 'having' })
    if (this.takeWord('WINDOW')) {
      do {
        this.takeName()
        this.expectWord('AS')
        this.window(scope)
      } while (this.takeSymbol(','))
    }
  }

  /** The condition that each row of a scope fulfils. */
  protected where(scope: Scope): void {
    scope.facts = this.expression({ scope, clause: 'where' }).facts ?? []
  }

  #modifiers(scope: Scope): void {
    for (;;) {
      const word = this.word()
      // A column may be called so, too.
      if (!['ALL', 'DISTINCT'].includes(word) && !words.SELECT_MODIFIERS.has(word)) return
      const next = this.symbol(1)
      if (next === ',' || next === '.' || next === '=' || this.word(1) === 'FROM' || this.word(1) === 'AS')
        return
      const at = { start: this.start, end: this.tokens.end(this.at) }
      this.at++
      if (word === 'DISTINCTROW') scope.isDistinct = true
      const { start, end } = at
      if (word !== 'DISTINCT') continue
      if (this.word() === 'ON' && this.symbol(1) === '(') {
        this.at += 2
        scope.distinctOn.push(...this.#listItems(scope, 'distinct-on', () => undefined))
        this.expectSymbol(')')
      } else {
        scope.isDistinct = true
        scope.distinct = [start, end]
      }
    }
  }

  /** An item of SELECT or RETURNING, with its result name. */
  protected item(context: Context): void {
    const { scope } = context
    const expression = this.expression(context)
    const { use } = expression
    let name: Name | undefined
    if (this.takeWord('AS')) name = this.#resultName()
    else if (this.kind() === Kind.Name || this.kind() === Kind.Text) name = this.#resultName()
    else if (this.kind() === Kind.Word && !words.CLAUSES.has(this.word()) && this.word() !== '')
      name = this.takeName()
    if (use) use.role = 'item'
    const hasAlias = name !== undefined
    name ??= use && !use.isStar ? use.path.at(-1) : undefined
    scope.items.push({ name, use, query: expression.query, hasAlias } satisfies Item)
    if (expression.query && expression.query.purpose === 'value') expression.query.purpose = 'rows'
  }

  #resultName(): Name {
    return this.kind() === Kind.Text ? this.nameAt(this.at++) : this.takeName()
  }

  /** `INTO @x`, `INTO OUTFILE 'x'` of MySQL, `INTO t` of PostgreSQL. */
  #into(scope: Scope): void {
    if (!this.takeWord('INTO')) return
    scope.isStored = true
    while (!this.isAtEnd && this.word() !== 'FROM' && this.symbol() !== ')' && this.symbol() !== ';')
      this.at++
  }

  #groupBy(scope: Scope): void {
    if (!this.takeWord('ALL')) this.takeWord('DISTINCT')
    scope.groups.push(
      ...this.#listItems(scope, 'group', () => {
        if (this.takeWords('WITH', 'ROLLUP')) return
        this.takeWord('ASC', 'DESC')
      }),
    )
  }

  #listItems(scope: Scope, clause: Context['clause'], behind: () => void): ListItem[] {
    const items: ListItem[] = []
    do {
      const expression = this.expression({ scope, clause })
      items.push(listItem(expression))
      behind()
    } while (this.takeSymbol(','))
    return items
  }

  #orderBy(scope: Scope): void {
    const context: Context = { scope, clause: 'order' }
    do {
      const expression = this.expression(context)
      scope.orders.push(listItem(expression))
      this.takeWord('ASC', 'DESC')
      if (this.takeWord('USING')) this.at++
      if (this.takeWord('NULLS')) this.expectWord('FIRST', 'LAST')
    } while (this.takeSymbol(','))
    this.takeWords('WITH', 'ROLLUP')
  }

  /** What follows the branches of a query, and the writing statements of MySQL and SQLite. */
  #tail(scope: Scope): void {
    this.orderAndLimit(scope)
    for (;;) {
      if (this.takeWords('FETCH')) {
        while (!this.takeWord('ONLY', 'TIES')) {
          if (this.isAtEnd) this.fail()
          this.at++
        }
      } else if (this.takeWord('FOR')) this.#locking()
      else if (this.takeWords('LOCK', 'IN', 'SHARE', 'MODE')) continue
      else if (this.word() === 'INTO') this.#into(scope)
      else return
    }
  }

  protected orderAndLimit(scope: Scope): void {
    const context: Context = { scope, clause: 'other' }
    if (this.takeWords('ORDER', 'BY')) this.#orderBy(scope)
    for (;;) {
      if (this.takeWord('LIMIT')) {
        if (this.takeWord('ALL')) continue
        this.expression(context)
        if (this.takeSymbol(',')) this.expression(context)
      } else if (this.takeWord('OFFSET')) {
        this.expression(context)
        this.takeWord('ROW', 'ROWS')
      } else return
    }
  }

  #locking(): void {
    if (this.takeWords('NO', 'KEY')) this.expectWord('UPDATE')
    else if (this.takeWords('KEY')) this.expectWord('SHARE')
    else this.expectWord('UPDATE', 'SHARE')
    if (this.takeWord('OF')) {
      do this.takePath()
      while (this.takeSymbol(','))
    }
    while (this.takeWord('NOWAIT', 'SKIP', 'LOCKED')) continue
    if (this.takeWord('WAIT')) this.at++
  }
}

function listItem({ use, number, start, end }: Expression): ListItem {
  if (use) use.isWholeItem = true
  const isPosition = number !== undefined && Number.isInteger(number)
  return { use, position: isPosition ? number : undefined, start, end }
}
