import { CallReader, type Context, type Expression } from './call-reader'
import { ConditionReading, type Operand } from './condition-reading'
import { type Compared } from './facts'
import { type Name } from './names'
import { type NameUse, type Query, type Role, type Scope } from './scope'
import { Kind } from './tokens'
import * as words from './words'

/** Reads expressions: finds the names of columns in them, and what is done with each. */
export abstract class ExpressionReader extends CallReader {
  readonly uses: NameUse[] = []
  readonly compared: Compared<NameUse>[] = []

  /** Reads what may follow a query in parentheses: set operations, ORDER BY and the like. */
  protected abstract restOfQuery(query: Query, outer: Scope | undefined): void

  /** Reads up to a comma, a closing parenthesis, or a word that begins another clause. */
  protected expression(context: Context): Expression {
    const start = this.start
    const reading = new ConditionReading(context, this.compared)
    const first = this.at
    for (;;) {
      const operand = this.#operand(reading)
      if (operand) reading.took(operand)
      if (!this.#operator(reading)) break
    }
    reading.endPart()
    if (this.at === first) this.fail()
    const facts = reading.facts.end()
    const { last } = reading
    const isSingle = last?.start === start && last.end === this.end
    return isSingle ? { ...last, facts } : { start, end: this.end, facts }
  }

  /** `a, b` up to what cannot belong to it. */
  protected expressions(context: Context): Expression[] {
    const all: Expression[] = []
    do all.push(this.#placeholder() ?? this.expression(context))
    while (this.takeSymbol(','))
    return all
  }

  /** A placeholder alone in a list, as there may be thousands. */
  #placeholder(): Expression | undefined {
    if (this.kind() !== Kind.Placeholder) return undefined
    const next = this.symbol(1)
    if (next !== ',' && next !== ')') return undefined
    const { start } = this
    const number = this.tokens.number(this.at++)
    return { placeholders: [number], start, end: this.end }
  }

  protected addUse(
    context: Context,
    path: readonly Name[],
    isStar: boolean,
    start: number,
    role: Role = 'operand',
  ): NameUse {
    const use: NameUse = {
      scope: context.scope,
      clause: context.clause,
      path,
      isStar,
      start,
      end: this.end,
      nameStart: isStar ? start : this.tokens.start(this.at - 1),
      called: context.called,
      aggregate: context.aggregate,
      role,
      isCompared: false,
      isWholeItem: false,
      isCounted: false,
      isUnplaced: false,
      into: undefined,
    }
    this.uses.push(use)
    return use
  }

  /** `undefined` where there is none: the expression ends there, or has an operator only. */
  #operand(reading: ConditionReading): Operand | undefined {
    const { context } = reading
    let { isFirst } = reading
    /** Where the minus in front of a number stands. */
    let minus: number | undefined
    let hasSign = false
    for (;;) {
      const start = this.start
      const at = (rest: Partial<Expression>): Operand => ({ ...rest, start, end: this.end, isFirst })
      const kind = this.kind()
      if (kind === Kind.End) return undefined
      if (kind === Kind.Placeholder) {
        const number = this.tokens.number(this.at++)
        return at({ placeholders: [number] })
      }
      if (kind === Kind.Number) {
        const written = this.tokens.written(this.at++)
        const from = minus ?? start
        const isPlain = !hasSign || minus !== undefined
        const integers = isPlain && /^\d+$/.test(written) ? { integers: [[from, this.end] as const] } : {}
        const operand = at({ number: Number(written), ...integers })
        return minus === undefined ? operand : { ...operand, start: minus, isFirst: reading.isFirst }
      }
      if (kind === Kind.Text && !(this.rules.hasTextNames && this.#isQualifier())) {
        this.at++
        return at({})
      }
      if (kind === Kind.Symbol) {
        const symbol = this.symbol()
        if (symbol === '(') return { ...this.#parenthesised(context), start, isFirst }
        if (symbol === '*') {
          this.at++
          return at({ use: this.addUse(context, [], true, start) })
        }
        if (symbol === '[') {
          this.#subscript(context)
          return at({})
        }
        if (symbol === ')' || symbol === ',' || symbol === ']' || symbol === ';') return undefined
        if (symbol === '\\') this.fail()
        // A sign, or another operator in front of its operand.
        minus = symbol === '-' && !hasSign && this.kind(1) === Kind.Number ? start : undefined
        hasSign = true
        this.at++
        isFirst = false
        reading.isAltered = true
        continue
      }
      if (kind === Kind.Word) {
        const prefix = this.#prefix(reading)
        if (prefix === 'operand') return at({})
        if (prefix === 'prefix') {
          reading.hasPrefix ||= !reading.operator.includes(' ')
          isFirst = reading.isFirst
          continue
        }
        const word = this.word()
        if (words.CONSTANTS.has(word) && this.symbol(1) !== '.') {
          this.at++
          if (this.symbol() !== '(') return at({ constant: word })
          // `DEFAULT(c)` of MySQL is a value of another column.
          this.call(context, word)
          return at({})
        }
      }
      return { ...this.#named(context), start, isFirst }
    }
  }

  #isQualifier(): boolean {
    return this.symbol(1) === '.'
  }

  /** Takes a word of SQL that stands in front of an operand, if it is one there. */
  #prefix(reading: ConditionReading): 'prefix' | 'operand' | undefined {
    const word = this.word()
    if (word === 'CASE' && this.#hasOperandAt(1, true)) {
      reading.openCases++
      reading.facts.isUnclear = true
      this.at++
      if (this.takeWord('WHEN')) reading.isFirst = true
      return 'prefix'
    }
    if (words.TYPES.has(word)) {
      // `TIMESTAMP WITH TIME ZONE '…'`
      const text = this.word(1) === 'WITH' || this.word(1) === 'WITHOUT' ? 4 : 1
      if (this.kind(text) === Kind.Text) {
        this.at += text + 1
        return 'operand'
      }
    }
    if (word.startsWith('_') && this.kind(1) === Kind.Text && this.rules.hasVariables) {
      this.at += 2
      return 'operand'
    }
    if (!words.PREFIXES.has(word)) return undefined
    if (word === 'ARRAY' && this.symbol(1) === '[') {
      this.at++
      return 'prefix'
    }
    if (!this.#hasOperandAt(1, false)) return undefined
    const isCall = this.symbol(1) === '('
    if (word === 'INTERVAL') {
      reading.hasInterval = true
      if (isCall) return undefined
    }
    if (word === 'DISTINCT' || word === 'BINARY') reading.isFirst = false
    if (word === 'NOT' && !reading.isFirst) reading.isAltered = true
    if ((word === 'ANY' || word === 'SOME' || word === 'ALL') && isCall) reading.operator += ` ${word}`
    if (word === 'EXISTS' && isCall) {
      this.at += 2
      if (!this.startsQuery()) this.fail()
      this.nested(() => this.subquery(reading.context.scope, 'rows'))
      return 'operand'
    }
    this.at++
    return 'prefix'
  }

  /** True if an operand stands there, and so the word before is no name. */
  #hasOperandAt(ahead: number, withWhen: boolean): boolean {
    const kind = this.kind(ahead)
    if (kind === Kind.Symbol) return '(-+[~'.includes(this.symbol(ahead))
    if (kind !== Kind.Word) return kind !== Kind.End
    const word = this.word(ahead)
    if (word === 'WHEN') return withWhen
    if (word === 'NOT' && !withWhen) return !words.OPERATORS.has(this.word(ahead + 1))
    return !words.OPERATORS.has(word) && !words.CLAUSES.has(word)
  }

  /** `(a)`, `(a, b)`, `(SELECT …)` */
  #parenthesised(context: Context): Omit<Operand, 'start' | 'isFirst'> {
    return this.nested(() => {
      this.at++
      // `VALUES (c)` is a function in MySQL's assignments.
      const isValues = this.word() === 'VALUES' && context.clause === 'set'
      if (this.symbol() !== '(' && !isValues && this.startsQuery()) {
        const query = this.subquery(context.scope, 'value')
        return { query, end: this.end }
      }
      if (this.takeSymbol(')')) return { end: this.end }
      const all = this.expressions(context)
      const [first] = all
      if (first?.query && all.length === 1) this.restOfQuery(first.query, context.scope)
      this.expectSymbol(')')
      if (all.length === 1 && first) return { ...first, end: this.end }
      const placeholders = all.every((each) => each.placeholders)
        ? all.flatMap((each) => each.placeholders ?? [])
        : undefined
      const integers = all.every((each) => each.integers)
        ? all.flatMap((each) => each.integers ?? [])
        : undefined
      return {
        ...(placeholders ? { placeholders } : {}),
        ...(integers ? { integers } : {}),
        end: this.end,
      }
    })
  }

  #subscript(context: Context): void {
    this.nested(() => {
      this.at++
      while (!this.takeSymbol(']')) {
        if (this.isAtEnd) this.fail()
        if (this.takeSymbol(',') || this.takeSymbol(':')) continue
        this.expression(context)
      }
    })
  }

  /** A column, a function, or `t.*`. */
  #named(context: Context): Omit<Operand, 'start' | 'isFirst'> {
    const start = this.start
    if (!this.isName()) this.fail()
    const path = this.takePath()
    if (this.symbol() === '.' && this.symbol(1) === '*') {
      this.at += 2
      return { use: this.addUse(context, path, true, start), end: this.end }
    }
    if (this.symbol() === '(') {
      this.call(context, path.at(-1)?.text.toUpperCase() ?? '')
      return { end: this.end }
    }
    if (this.rules.hasTypedTexts && this.kind() === Kind.Text) return { end: this.end }
    return { use: this.addUse(context, path, false, start), end: this.end }
  }

  /** Takes what stands behind an operand. Returns true if another operand follows. */
  #operator(reading: ConditionReading): boolean {
    const { context } = reading
    for (;;) {
      const kind = this.kind()
      if (kind === Kind.End) return false
      if (kind === Kind.Symbol) {
        const symbol = this.symbol()
        if (symbol === ')' || symbol === ',' || symbol === ']' || symbol === ';') return false
        if (symbol === '::') this.#cast(reading)
        else if (symbol === '[') {
          this.#subscript(context)
          reading.changed()
        } else if (symbol === '.') {
          // A field of a row in parentheses.
          this.at++
          if (!this.takeSymbol('*')) this.takeName()
          reading.changed()
        } else if (symbol === '(') {
          this.nested(() => this.#parenthesised(context))
          reading.changed()
        } else {
          this.at++
          reading.tookOperator(symbol, false)
          return true
        }
        continue
      }
      // Texts behind each other are one; behind a name, in MySQL, a text is its alias.
      if (kind === Kind.Text) {
        if (reading.last?.use && context.clause === 'select' && context.called === undefined) return false
        this.at++
        reading.changed()
        continue
      }
      if (kind !== Kind.Word) {
        if (kind !== Kind.Name) this.fail()
        if (this.#isAlias(context)) return false
        this.#strayName(reading)
        continue
      }
      const word = this.word()
      if (reading.openCases > 0 && this.#caseWord(reading, word)) {
        if (word === 'END') continue
        return true
      }
      if (word === 'COLLATE') {
        this.at++
        this.takePath()
        reading.changed()
      } else if (word === 'IS' || word === 'ISNULL' || word === 'NOTNULL') {
        if (this.#is(reading)) return true
      } else if (word === 'NOT' && words.OPERATORS.has(this.word(1))) {
        this.at++
        reading.isNegated = true
      } else if (word === 'COLUMNS' && context.called !== undefined && this.symbol(1) === '(') return false
      else if (word === 'IN' && (context.called === 'POSITION' || context.called === 'MATCH')) return false
      else if (words.OPERATORS.has(word) && word !== 'NOT') {
        this.at++
        if (word === 'SIMILAR') this.takeWord('TO')
        else if (word === 'SOUNDS') this.takeWord('LIKE')
        else if (word === 'MEMBER') this.takeWord('OF')
        else if (word === 'AT') {
          if (!this.takeWords('TIME', 'ZONE') && this.takeWord('LOCAL')) continue
        } else if (word === 'BETWEEN') this.takeWord('SYMMETRIC', 'ASYMMETRIC')
        // SQLite's `IN t`, all rows of a table.
        else if (word === 'IN' && this.isName()) this.fail()
        reading.tookOperator(word, reading.isNegated)
        return true
      } else if (words.CLAUSES.has(word)) return false
      else if (word === 'OPERATOR' && this.symbol(1) === '(') {
        reading.tookOperator(this.#qualifiedOperator(), false)
        return true
      } else if (reading.hasInterval) {
        this.at++
        reading.changed()
      } else if (this.#isAlias(context)) return false
      else this.#strayName(reading)
    }
  }

  /** `OPERATOR(pg_catalog.=)`. What the operators of other schemas do is not known. */
  #qualifiedOperator(): string {
    this.at += 2
    let isKnown = true
    while (this.isName()) {
      isKnown &&= this.takeName().key === 'pg_catalog'
      this.expectSymbol('.')
    }
    const operator = this.symbol()
    this.at++
    this.expectSymbol(')')
    return isKnown ? operator : 'OPERATOR'
  }

  /** True if a name that follows an operand can be its alias. */
  #isAlias({ clause, called }: Context): boolean {
    const mayBeAlias = clause === 'select' || clause === 'returning'
    return mayBeAlias && called === undefined && this.symbol(1) !== '.'
  }

  /** A name that follows an operand and is nothing that the reader knows. */
  #strayName(reading: ConditionReading): void {
    const start = this.start
    const path = this.takePath()
    this.addUse(reading.context, path, false, start).isUnplaced = true
    reading.changed()
  }

  #caseWord(reading: ConditionReading, word: string): boolean {
    if (word !== 'WHEN' && word !== 'THEN' && word !== 'ELSE' && word !== 'END') return false
    this.at++
    reading.tookCaseWord(word)
    return true
  }

  /** IS NULL and its kin. Returns true if an operand follows. */
  #is(reading: ConditionReading): boolean {
    const { last } = reading
    const isWord = this.word() === 'IS'
    this.at++
    const isNegated = isWord && this.takeWord('NOT')
    if (!isWord || this.takeWord('NULL')) {
      if (last?.use?.role === 'operand' && last.isFirst && !last.use.isStar) last.use.role = 'null-test'
      reading.changed()
      return false
    }
    if (this.takeWord('TRUE', 'FALSE', 'UNKNOWN', 'NORMALIZED', 'JSON', 'DOCUMENT')) {
      reading.changed()
      return false
    }
    const isDistinct = this.takeWords('DISTINCT', 'FROM')
    if (isDistinct && last?.use && last.isFirst) this.#unchangedTest(last.use)
    reading.tookOperator('IS', isNegated)
    return true
  }

  /** `t.c IS DISTINCT FROM EXCLUDED.c`: what TypeORM writes for an upsert that skips unchanged rows. */
  #unchangedTest(use: NameUse): void {
    const start = this.at
    if (!this.isName()) return
    const path = this.takePath()
    this.at = start
    const [table, name] = path
    if (path.length !== 2 || table?.key.toLowerCase() !== 'excluded') return
    if (name?.key === use.path.at(-1)?.key) use.role = 'unchanged-test'
  }

  /** `::type(n)[]` */
  #cast(reading: ConditionReading): void {
    this.at++
    this.takePath()
    this.takeWord('PRECISION', 'VARYING')
    if (this.symbol() === '(') this.skipParentheses()
    if ((this.word() === 'WITH' || this.word() === 'WITHOUT') && this.word(1) === 'TIME') this.at += 3
    while (this.symbol() === '[') {
      this.at++
      if (this.kind() === Kind.Number) this.at++
      this.expectSymbol(']')
    }
    reading.changed()
  }
}
