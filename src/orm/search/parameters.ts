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

  get added(): readonly Added[] {
    return this.#added.map(({ what }) => what)
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
    const behind = new Map<number, unknown[]>()
    const put = (at: number, values: readonly unknown[]): void => {
      behind.set(at, [...(behind.get(at) ?? []), ...values])
    }
    for (const [at, each] of this.#added.entries()) put(each.behind, [added[at]])
    for (const each of inserted) put(each.behind, each.values)
    return parameters.flatMap((value, at): unknown[] => [value, ...(behind.get(at) ?? [])])
  }
}
