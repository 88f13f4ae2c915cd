import { type Span } from './statement'

/** A comparison of a column with placeholders, before it is known what the column is. */
export interface Compared<Use> {
  readonly use: Use
  readonly operator: string
  readonly isNegated: boolean
  readonly placeholders: readonly number[]
  /** Where whole numbers stand instead. */
  readonly integers: readonly Span[]
  readonly start: number
  readonly end: number
  /** It is under NOT, or else part of something larger than AND and OR. */
  isBent: boolean
}

/** What is true of a row for which a condition is true: that a column equals one of some parameters. */
export type Fact<Use> = Compared<Use> | AnyOf<Use>

/** At least one of the lists is true as a whole. */
export interface AnyOf<Use> {
  readonly any: readonly (readonly Fact<Use>[])[]
}

const EQUALITIES: ReadonlySet<string> = new Set(['=', '==', 'IN', '= ANY', '= SOME'])

/** True for `column = ?`, `column IN (?, …)` and `column = ANY (?)`. */
export function isEquality({
  operator,
  isNegated,
}: Pick<Compared<unknown>, 'operator' | 'isNegated'>): boolean {
  return !isNegated && EQUALITIES.has(operator)
}

/** Collects the facts of a condition while it is read: parts with AND between them, and OR between those. */
export class Facts<Use> {
  readonly #alternatives: Fact<Use>[][] = []
  #all: Fact<Use>[] = []
  /** NOT, XOR, CASE: nothing follows from the parts any more. */
  isUnclear = false

  /** A part ends: what is true if it is. */
  add(facts: readonly Fact<Use>[]): void {
    for (const fact of facts) this.#all.push(fact)
  }

  /** An OR ends the parts before it. */
  or(): void {
    this.#alternatives.push(this.#all)
    this.#all = []
  }

  /** What is true if the whole condition is. */
  end(): readonly Fact<Use>[] {
    if (this.isUnclear) return []
    if (this.#alternatives.length === 0) return this.#all
    const any = [...this.#alternatives, this.#all]
    return any.every((each) => each.length > 0) ? [{ any }] : []
  }
}
