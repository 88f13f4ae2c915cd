import { type Span } from './statement'
import { Cursor } from './cursor'
import { type Fact } from './facts'
import { type Clause, type NameUse, type Purpose, type Query, type Scope } from './scope'
import { Kind } from './tokens'
import * as words from './words'

/** Where an expression stands. */
export interface Context {
  readonly scope: Scope
  readonly clause: Clause
  /** The function whose argument it is, and the aggregate around it, upper-case. */
  readonly called?: string
  readonly aggregate?: string | undefined
}

/** What an expression is, if it is one thing and nothing else. */
export interface Expression {
  readonly use?: NameUse
  readonly query?: Query
  readonly placeholders?: readonly number[]
  readonly constant?: string
  readonly number?: number
  /** Where a whole number stands, or each of several in parentheses: TypeORM writes numbers into the text on SQLite. */
  readonly integers?: readonly Span[]
  /** What is true of the row if the expression is. */
  readonly facts?: readonly Fact<NameUse>[]
  readonly start: number
  readonly end: number
}

/** What is followed by types, paths and the like, where no column can stand. */
const BEFORE_TYPES = 'AS RETURNING WITH WITHOUT ON DEFAULT NULLS COLUMNS PATH'.split(' ')

/** Reads what is called: the arguments of functions, and windows. */
export abstract class CallReader extends Cursor {
  /** Reads a query behind its opening parenthesis, up to the closing one. */
  protected abstract subquery(scope: Scope | undefined, purpose: Purpose): Query

  /** Reads up to a comma, a closing parenthesis, or a word that begins another clause. */
  protected abstract expression(context: Context): Expression

  /** `a, b` up to what cannot belong to it. */
  protected abstract expressions(context: Context): Expression[]

  /** `a, b DESC NULLS LAST` */
  protected orderedExpressions(context: Context): void {
    do {
      this.expression(context)
      this.takeWord('ASC', 'DESC')
      if (this.takeWord('USING')) this.at++
      if (this.takeWord('NULLS')) this.expectWord('FIRST', 'LAST')
    } while (this.takeSymbol(','))
  }

  /** True if a query begins here. */
  protected startsQuery(): boolean {
    let ahead = 0
    while (this.symbol(ahead) === '(' && ahead < 200) ahead++
    const word = this.word(ahead)
    if (word === 'SELECT' || word === 'WITH') return true
    if (word === 'VALUES') return this.symbol(ahead + 1) === '(' || this.word(ahead + 1) === 'ROW'
    return word === 'TABLE' && this.isName(ahead + 1)
  }

  /** The arguments of a function, with what may stand among them, and OVER, FILTER and WITHIN GROUP behind. */
  protected call(outer: Context, called: string): void {
    const aggregate = outer.aggregate ?? (words.AGGREGATES.has(called) ? called : undefined)
    const context: Context = { ...outer, called, aggregate }
    this.nested(() => {
      this.at++
      if (this.takeSymbol(')')) return
      if (words.UNIT_FIRST.has(called) && (this.symbol(1) === ',' || this.word(1) === 'FROM')) this.at += 2
      if (this.word() === 'SELECT' || this.word() === 'WITH') {
        this.subquery(outer.scope, 'compared')
        return
      }
      const isDistinct = this.takeWord('DISTINCT')
      const first = this.expression(context)
      if (called === 'COUNT' && this.symbol() === ')' && first.use) {
        if (isDistinct) first.use.role = 'counted-distinct'
        else first.use.isCounted = true
      }
      this.#arguments(context)
    })
    this.#behindCall(outer, called)
  }

  /** What follows the first argument, up to the parenthesis. */
  #arguments(context: Context): void {
    for (;;) {
      if (this.takeSymbol(')')) return
      if (context.called === 'CONVERT' && this.takeSymbol(',')) this.#skipType()
      else if (this.takeSymbol(',')) this.expression(context)
      else if (this.takeWord('FROM', 'FOR', 'PLACING', 'IN', 'SEPARATOR', 'LIMIT', 'OFFSET'))
        this.expression(context)
      else if (this.takeWords('ORDER', 'BY')) this.orderedExpressions({ ...context, clause: 'order' })
      else if (this.takeWord('USING')) this.at++
      else if (this.takeWord(...BEFORE_TYPES)) this.#skipType()
      else this.fail()
    }
  }

  /** A type in CAST, which no column can be part of: up to the end of the argument. */
  #skipType(): void {
    while (this.symbol() !== ')' && this.symbol() !== ',') {
      if (this.isAtEnd) this.fail()
      if (this.symbol() === '(') this.skipParentheses()
      else this.at++
    }
  }

  #behindCall(context: Context, called: string): void {
    for (;;) {
      if (this.word() === 'FILTER' && this.symbol(1) === '(' && this.word(2) === 'WHERE') {
        this.at += 3
        this.nested(() => this.expression({ ...context, clause: 'where' }))
        this.expectSymbol(')')
      } else if (this.takeWords('WITHIN', 'GROUP')) {
        this.expectSymbol('(')
        if (!this.takeWords('ORDER', 'BY')) this.fail()
        this.orderedExpressions({ ...context, clause: 'order', called })
        this.expectSymbol(')')
      } else if (this.takeWords('IGNORE', 'NULLS') || this.takeWords('RESPECT', 'NULLS')) continue
      else if (this.word() === 'AGAINST' && this.symbol(1) === '(') {
        this.at += 2
        this.expression({ ...context, called })
        while (!this.takeSymbol(')')) {
          if (this.isAtEnd) this.fail()
          this.at++
        }
      } else if (this.word() === 'OVER' && (this.symbol(1) === '(' || this.isName(1))) {
        this.at++
        if (this.symbol() === '(') this.window(context.scope)
        else this.at++
      } else return
    }
  }

  /** `(name PARTITION BY … ORDER BY … ROWS …)` */
  protected window(scope: Scope): void {
    this.expectSymbol('(')
    const context: Context = { scope, clause: 'window' }
    this.nested(() => {
      if (this.isName() && !['PARTITION', 'ORDER', 'ROWS', 'RANGE', 'GROUPS'].includes(this.word())) this.at++
      if (this.takeWords('PARTITION', 'BY')) this.expressions(context)
      if (this.takeWords('ORDER', 'BY')) this.orderedExpressions({ scope, clause: 'order' })
      while (!this.takeSymbol(')')) {
        // A frame: numbers and words.
        if (this.isAtEnd || this.kind() === Kind.Name) this.fail()
        if (this.symbol() === '(') this.skipParentheses()
        else this.at++
      }
    })
  }
}
