import { type Context, type Expression } from './call-reader'
import { type Compared, Facts, isEquality } from './facts'
import { type NameUse } from './scope'
import * as words from './words'

/** An operand, and what stood before it. */
export interface Operand extends Expression {
  /** It begins a condition: nothing binds it to what is before. */
  readonly isFirst: boolean
}

/**
 * What is known of one expression while it is read, operands and operators in turn: which columns are compared with
 * what, and what holds for every row that it is true of. It knows no tokens; the reader tells it what it took.
 */
export class ConditionReading {
  last: Operand | undefined
  operator = ''
  isNegated = false
  /** What comes next begins a condition. */
  isFirst = true
  openCases = 0
  hasInterval = false
  /** What comes next is not compared as it is: a sign, `~` or NOT stands between it and the operator. */
  isAltered = false
  /** Of the condition between two connectives: a word such as NOT stands in front. */
  hasPrefix = false
  readonly facts = new Facts<NameUse>()
  /** Of the last operand and the one before, if they are compared. */
  #comparison: Compared<NameUse> | undefined
  #openBetweens = 0
  readonly #compared: Compared<NameUse>[]
  /** How many comparisons there were before the condition. */
  #comparedBefore: number

  /** `compared`: where the comparisons of the whole statement are put. */
  constructor(
    readonly context: Context,
    compared: Compared<NameUse>[],
  ) {
    this.#compared = compared
    this.#comparedBefore = compared.length
  }

  took(operand: Operand): void {
    const { last, operator, isNegated, isAltered } = this
    this.isAltered = false
    this.last = operand
    if (!last || !words.COMPARISONS.has(operator.replace(/ (?:ANY|SOME|ALL)$/, ''))) return
    if (operand.use) operand.use.isCompared = true
    if (operand.query) operand.query.purpose = 'compared'
    if (last.use?.role === 'unchanged-test' && operand.use) operand.use.role = 'unchanged-test'
    const { use } = last
    const [column, other] = use ? [use, operand] : [operand.use, last]
    const { placeholders = [], integers = [] } = other
    if (!last.isFirst || !column || column.isStar || placeholders.length + integers.length === 0) return
    // The sign of a whole number is part of it.
    if (isAltered && (column !== use || integers.length === 0)) return
    this.#comparison = {
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

  tookOperator(operator: string, isNegated: boolean): void {
    const { last } = this
    const isBetweens = operator === 'AND' && this.#openBetweens > 0
    if (operator === 'BETWEEN') this.#openBetweens++
    if (isBetweens) this.#openBetweens--
    this.isFirst = words.CONNECTIVES.has(operator) && !isBetweens
    if (this.isFirst) this.#connect(operator)
    else this.#comparison = undefined
    this.operator = isBetweens ? 'BETWEEN' : operator
    this.isNegated = isNegated
    if (last?.use?.role === 'unchanged-test' && operator !== 'IS' && !this.isFirst) last.use.role = 'operand'
    if (last?.use && words.COMPARISONS.has(operator)) last.use.isCompared = true
    if (last?.query && words.COMPARISONS.has(operator)) last.query.purpose = 'compared'
  }

  /** WHEN, THEN, ELSE or END of a CASE. */
  tookCaseWord(word: string): void {
    this.endPart()
    this.operator = ''
    this.isNegated = false
    this.isFirst = true
    this.last = undefined
    if (word === 'END') this.openCases--
  }

  /** Something is done with the last operand: it is no longer what it was, and no longer plainly compared. */
  changed(): void {
    this.last = undefined
    this.#comparison = undefined
  }

  /** A condition ends: at a connective, or with the expression. */
  endPart(): void {
    const comparison = this.#comparison
    const { last, facts } = this
    if (comparison?.integers.length === 0) this.#compared.push(comparison)
    const isPlain = !this.hasPrefix && (comparison !== undefined || last?.isFirst === true)
    if (!isPlain || facts.isUnclear)
      for (const each of this.#compared.slice(this.#comparedBefore)) each.isBent = true
    else if (!comparison) facts.add(last?.facts ?? [])
    else if (isEquality(comparison)) facts.add([comparison])
    this.#comparedBefore = this.#compared.length
    this.#comparison = undefined
    this.hasPrefix = false
  }

  #connect(connective: string): void {
    this.endPart()
    if (connective === 'OR') this.facts.or()
    if (connective === 'XOR') this.facts.isUnclear = true
  }
}
