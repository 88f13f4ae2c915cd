import { CallReader, type Context, type Expression } from './call-reader'
import { type Compared, Facts, isEquality } from './facts'
import { type Name } from './names'
import { type NameUse, type Query, type Role, type Scope } from './scope'
import { Kind } from './tokens'
import * as words from './words'

/** An operand, and what stood before it. */
interface Operand extends Expression {
  /** It begins a condition: nothing binds it to what is before. */
  readonly isFirst: boolean
}

/** State of one expression: operands and operators take turns. */
interface Reading {
  context: Context
  operands: number
  last: Operand | undefined
  /** Of the last operand and the one before, if they are compared. */
  comparison: Compared<NameUse> | undefined
  operator: string
  isNegated: boolean
  isFirst: boolean
  openBetweens: number
  openCases: number
  hasInterval: boolean
  readonly facts: Facts<NameUse>
  /** Of the condition between two connectives: its operands, and whether a word such as NOT stands in front. */
  operandsOfPart: number
  hasPrefix: boolean
  /** How many comparisons there were before it. */
  comparedBefore: number
}

/** Reads expressions: finds the names of columns in them, and what is done with each. */
export abstract class ExpressionReader extends CallReader {
  readonly uses: NameUse[] = []
  readonly compared: Compared<NameUse>[] = []

  /** Reads what may follow a query in parentheses: set operations, ORDER BY and the like. */
  protected abstract restOfQuery(query: Query, outer: Scope | undefined): void

  /** Reads up to a comma, a closing parenthesis, or a word that begins another clause. */
  protected expression(context: Context): Expression {
    const start = this.start
    const reading: Reading = {
      context,
      operands: 0,
      last: undefined,
      comparison: undefined,
      operator: '',
      isNegated: false,
      isFirst: true,
      openBetweens: 0,
      openCases: 0,
      hasInterval: false,
      facts: new Facts(),
      operandsOfPart: 0,
      hasPrefix: false,
      comparedBefore: this.compared.length,
    }
    const first = this.at
    for (;;) {
      const operand = this.#operand(reading)
      if (operand) this.#took(reading, operand)
      if (!this.#operator(reading)) break
    }
    this.#endPart(reading)
    if (this.at === first) this.fail()
    const facts = reading.facts.end()
    const single = reading.operands === 1 && reading.last?.start === start ? reading.last : undefined
    return single?.end === this.end ? { ...single, facts } : { start, end: this.end, facts }
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

  #took(reading: Reading, operand: Operand): void {
    const { last, operator } = reading
    reading.operands++
    reading.operandsOfPart++
    reading.last = operand
    if (!last || !words.COMPARISONS.has(operator.replace(/ (?:ANY|SOME|ALL)$/, ''))) return
    if (operand.use) operand.use.isCompared = true
    if (operand.query) operand.query.purpose = 'compared'
    if (last.use?.role === 'unchanged-test' && operand.use) operand.use.role = 'unchanged-test'
    const { use } = last
    const [column, other] = use ? [use, operand] : [operand.use, last]
    const { placeholders = [], integers = [] } = other
    if (!last.isFirst || !column || column.isStar || placeholders.length + integers.length === 0) return
    const { isNegated } = reading
    reading.comparison = {
      use: column,
      operator,
      isNegated,
      placeholders,
      integers,
      start: last.start,
      end: operand.end,
      isBent: false,
    }
  }

  /** A condition ends: at a connective, or with the expression. */
  #endPart(reading: Reading): void {
    const { comparison, last, hasPrefix, operandsOfPart } = reading
    if (comparison?.integers.length === 0) this.compared.push(comparison)
    const isPlain =
      !hasPrefix && (comparison !== undefined || (operandsOfPart === 1 && last?.isFirst === true))
    if (!isPlain || reading.facts.isUnclear)
      for (const each of this.compared.slice(reading.comparedBefore)) each.isBent = true
    else if (!comparison) reading.facts.add(last?.facts ?? [])
    else if (isEquality(comparison)) reading.facts.add([comparison])
    reading.comparedBefore = this.compared.length
    reading.comparison = undefined
    reading.operandsOfPart = 0
    reading.hasPrefix = false
  }

  /** Something is done with the last operand: it is no longer what it was, and no longer plainly compared. */
  #changed(reading: Reading): void {
    reading.last = undefined
    reading.comparison = undefined
  }

  /** `undefined` where there is none: the expression ends there, or has an operator only. */
  #operand(reading: Reading): Operand | undefined {
    const { context } = reading
    let { isFirst } = reading
    /** Where the minus in front of a number stands. */
    let minus: number | undefined
    let signs = 0
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
        const isPlain = signs === 0 || minus !== undefined
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
        if (symbol === ')' || symbol === ',' || symbol === ']' || symbol === ';' || symbol === '.')
          return undefined
        if (symbol === '\\') this.fail()
        // A sign, or another operator in front of its operand.
        minus = symbol === '-' && signs === 0 && this.kind(1) === Kind.Number ? start : undefined
        signs++
        this.at++
        isFirst = false
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
    return this.symbol(1) === '.' && (this.isName(2) || this.symbol(2) === '*')
  }

  /** Takes a word of SQL that stands in front of an operand, if it is one there. */
  #prefix(reading: Reading): 'prefix' | 'operand' | undefined {
    const word = this.word()
    if (word === 'CASE' && this.#hasOperandAt(1, true)) {
      reading.openCases++
      reading.facts.isUnclear = true
      this.at++
      if (this.takeWord('WHEN')) reading.isFirst = true
      return 'prefix'
    }
    if (words.TYPES.has(word)) {
      const hasZone = this.word(2) === 'TIME' && (this.word(1) === 'WITH' || this.word(1) === 'WITHOUT')
      const text = hasZone ? 4 : 1
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
    if (isCall && (word === 'ROW' || word === 'ARRAY' || word === 'INTERVAL')) {
      reading.hasInterval ||= word === 'INTERVAL'
      if (word === 'INTERVAL') return undefined
    }
    if (word === 'INTERVAL') reading.hasInterval = true
    if (word === 'DISTINCT' || word === 'BINARY') reading.isFirst = false
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
  #operator(reading: Reading): boolean {
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
          this.#changed(reading)
        } else if (symbol === '.') {
          // A field of a row in parentheses.
          this.at++
          if (!this.takeSymbol('*')) this.takeName()
          this.#changed(reading)
        } else if (symbol === '(') {
          this.nested(() => this.#parenthesised(context))
          this.#changed(reading)
        } else {
          this.at++
          this.#tookOperator(reading, symbol, false)
          return true
        }
        continue
      }
      // Texts behind each other are one; behind a name, in MySQL, a text is its alias.
      if (kind === Kind.Text) {
        if (reading.last?.use && context.clause === 'select' && context.called === undefined) return false
        this.at++
        this.#changed(reading)
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
        this.#changed(reading)
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
        this.#tookOperator(reading, word, reading.isNegated)
        return true
      } else if (words.CLAUSES.has(word)) return false
      else if (word === 'OPERATOR' && this.symbol(1) === '(') {
        this.at++
        this.skipParentheses()
        this.#tookOperator(reading, '=', false)
        return true
      } else if (reading.hasInterval) {
        this.at++
        this.#changed(reading)
      } else if (this.#isAlias(context)) return false
      else this.#strayName(reading)
    }
  }

  /** True if a name that follows an operand can be its alias. */
  #isAlias({ clause, called }: Context): boolean {
    const mayBeAlias = clause === 'select' || clause === 'returning'
    return mayBeAlias && called === undefined && this.symbol(1) !== '.'
  }

  /** A name that follows an operand and is nothing that the reader knows. */
  #strayName(reading: Reading): void {
    const start = this.start
    const path = this.takePath()
    this.addUse(reading.context, path, false, start).isUnplaced = true
    this.#changed(reading)
  }

  #caseWord(reading: Reading, word: string): boolean {
    if (word !== 'WHEN' && word !== 'THEN' && word !== 'ELSE' && word !== 'END') return false
    this.#endPart(reading)
    this.at++
    reading.operator = ''
    reading.isNegated = false
    reading.isFirst = true
    reading.operands++
    reading.last = undefined
    if (word === 'END') reading.openCases--
    return true
  }

  /** IS NULL and its kin. Returns true if an operand follows. */
  #is(reading: Reading): boolean {
    const { last } = reading
    const isWord = this.word() === 'IS'
    this.at++
    const isNegated = isWord && this.takeWord('NOT')
    if (!isWord || this.takeWord('NULL')) {
      if (last?.use?.role === 'operand' && last.isFirst && !last.use.isStar) last.use.role = 'null-test'
      reading.operands++
      this.#changed(reading)
      return false
    }
    if (this.takeWord('TRUE', 'FALSE', 'UNKNOWN', 'NORMALIZED', 'JSON', 'DOCUMENT')) {
      reading.operands++
      this.#changed(reading)
      return false
    }
    const isDistinct = this.takeWords('DISTINCT', 'FROM')
    if (isDistinct && last?.use && last.isFirst) this.#unchangedTest(last.use)
    this.#tookOperator(reading, 'IS', isNegated)
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

  #tookOperator(reading: Reading, operator: string, isNegated: boolean): void {
    const { last } = reading
    const isBetweens = operator === 'AND' && reading.openBetweens > 0
    if (operator === 'BETWEEN') reading.openBetweens++
    if (isBetweens) reading.openBetweens--
    reading.isFirst = words.CONNECTIVES.has(operator) && !isBetweens
    if (reading.isFirst) this.#connect(reading, operator)
    else reading.comparison = undefined
    reading.operator = isBetweens ? 'BETWEEN' : operator
    reading.isNegated = isNegated
    if (last?.use?.role === 'unchanged-test' && operator !== 'IS' && !reading.isFirst)
      last.use.role = 'operand'
    if (last?.use && words.COMPARISONS.has(operator)) last.use.isCompared = true
    if (last?.query && words.COMPARISONS.has(operator)) last.query.purpose = 'compared'
  }

  #connect(reading: Reading, connective: string): void {
    this.#endPart(reading)
    if (connective === 'OR') reading.facts.or()
    if (connective === 'XOR') reading.facts.isUnclear = true
  }

  /** `::type(n)[]` */
  #cast(reading: Reading): void {
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
    reading.operands++
    reading.operandsOfPart++
    reading.comparison = undefined
    if (reading.last?.placeholders && !reading.last.use) {
      reading.last = { ...reading.last, end: this.end }
    } else reading.last = undefined
  }
}
