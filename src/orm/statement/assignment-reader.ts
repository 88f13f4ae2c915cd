import { type Context, type Expression } from './call-reader'
import { QueryReader } from './query-reader'
import { type NameUse, type Target } from './scope'
import { type AssignedValue } from './statement'
import { Kind } from './tokens'

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

/** Reads what is put into columns: values, and the assignments of an UPDATE. */
export abstract class AssignmentReader extends QueryReader {
  readonly assignments: ReadAssignment[] = []

  /** What is put into a column. */
  protected readValue(context: Context, target: NameUse | undefined): AssignedValue {
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

  protected readAssignments(context: Context): void {
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
    return this.readValue(context, target)
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
      this.#assign(use, start, this.readValue(context, use))
    }
    this.expectSymbol(')')
  }

  #assign(use: NameUse, start: number, value: AssignedValue): void {
    const last = value.kind === 'itself' ? this.uses.at(-1) : undefined
    this.assignments.push({ use, source: last === use ? undefined : last, value, start, end: this.end })
  }
}
