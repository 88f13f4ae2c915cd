import { type BlindIndex } from './blind-index'

/** A parameter that is the index of another one's value. */
interface Added {
  readonly from: number
  readonly index: BlindIndex
}

/**
 * The parameters of a rewritten statement: those of the original, some of them replaced by their index, and new ones.
 * Where placeholders have no numbers, a new one stands right behind that of the value; else it gets the next number.
 */
export class ParameterPlan {
  /** What a condition compares: the parameter becomes its index. */
  readonly replaced = new Map<number, BlindIndex>()
  readonly #added: Added[] = []

  constructor(
    private readonly count: number,
    /** Of PostgreSQL: `$1`. */
    private readonly areNumbered: boolean,
    private readonly placeholder: (position: number) => string,
  ) {}

  /** Adds the index of a parameter's value. Returns its placeholder, which has to stand right behind the value's. */
  add(from: number, index: BlindIndex): string {
    this.#added.push({ from, index })
    return this.placeholder(this.count + this.#added.length)
  }

  get added(): readonly Added[] {
    return this.#added
  }

  /** All parameters, of those of the original with the replaced ones in place, and the indexes in the order of `add`. */
  place(parameters: readonly unknown[], indexes: readonly unknown[]): unknown[] {
    if (this.areNumbered) return [...parameters.slice(0, this.count), ...indexes]
    if (indexes.length === 0) return [...parameters]
    const behind = new Map<number, unknown[]>()
    for (const [at, { from }] of this.#added.entries()) {
      const all = behind.get(from)
      if (all) all.push(indexes[at])
      else behind.set(from, [indexes[at]])
    }
    return parameters.flatMap((value, at): unknown[] => [value, ...(behind.get(at) ?? [])])
  }
}
