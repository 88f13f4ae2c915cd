/** Parameters that are known only when the statement is sent, as many as it then takes. */
export interface Inserted {
  /** The number of the parameter of the original that they stand behind. */
  readonly behind: number
  readonly values: readonly unknown[]
}

/**
 * The parameters of a rewritten statement: those of the original, and new ones. Where placeholders have no numbers, a
 * new one stands right behind a certain one of the original; else it gets the next number.
 */
export class ParameterPlan<Added> {
  readonly #added: { readonly behind: number; readonly what: Added }[] = []
  readonly #areNumbered: boolean
  /** The numbers of the added ones in the order in which they stand. */
  #order: readonly number[] | undefined

  constructor(
    private readonly count: number,
    private readonly placeholder: (position: number) => string,
  ) {
    this.#areNumbered = placeholder(1) !== placeholder(2)
  }

  /** Adds a parameter. Returns its placeholder, which has to stand right behind that of `behind`. */
  add(behind: number, what: Added): string {
    this.#added.push({ behind, what })
    return this.placeholder(this.count + this.#added.length)
  }

  /** What is made of each added one, in the order of `add`. */
  made<Made>(make: (what: Added) => Made): Made[] {
    return this.#added.map(({ what }) => make(what))
  }

  /** The placeholder of the parameter with this number among those of all `Inserted`. */
  insertedPlaceholder(at: number): string {
    return this.placeholder(this.count + this.#added.length + at + 1)
  }

  /** All parameters: of those of the original, of the added ones in the order of `add`, and what is inserted. */
  place(
    parameters: readonly unknown[],
    added: readonly unknown[],
    inserted: readonly Inserted[] = [],
  ): unknown[] {
    if (this.#areNumbered)
      return [...parameters.slice(0, this.count), ...added, ...inserted.flatMap(({ values }) => values)]
    if (added.length + inserted.length === 0) return [...parameters]
    const order = (this.#order ??= [...this.#added.keys()].sort((a, b) => this.#behind(a) - this.#behind(b)))
    const others = inserted.toSorted((a, b) => a.behind - b.behind)
    const placed: unknown[] = []
    let [next, other] = [0, 0]
    for (let at = 0; at < parameters.length; at++) {
      placed.push(parameters[at])
      for (let each = order[next]; each !== undefined && this.#behind(each) <= at; each = order[++next])
        placed.push(added[each])
      for (let each = others[other]; each !== undefined && each.behind <= at; each = others[++other])
        placed.push(...each.values)
    }
    return placed
  }

  #behind(at: number): number {
    return this.#added[at]?.behind ?? 0
  }
}
