import { type LexicalRules } from '../../dialects/lexical-rules'
import { type Catalogue, type CatalogueColumn, type CatalogueTable } from './statement'

/** A name as it was written, and in the form in which equal names are equal. */
export interface Name {
  readonly text: string
  readonly key: string
}

type Rules = Pick<LexicalRules, 'caseOfNames' | 'longestName'>

export function nameOf(text: string, isQuoted: boolean, { caseOfNames, longestName }: Rules): Name {
  const cut = text.length * 3 > longestName && Buffer.byteLength(text) > longestName
  const whole = cut
    ? Buffer.from(text)
        .subarray(0, longestName)
        .toString()
        .replace(/\uFFFD$/, '')
    : text
  // PostgreSQL folds the letters of ASCII only, where a character may have several bytes.
  const isFolded = caseOfNames === 'lower' && !isQuoted
  const name = isFolded ? whole.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : whole
  return { text: name, key: caseOfNames === 'none' ? name.toLowerCase() : name }
}

/** The tables of a catalogue, as statements name them. */
export class TableIndex {
  readonly #tables = new Map<string, CatalogueTable[]>()
  readonly #columns = new Map<CatalogueTable, ReadonlyMap<string, CatalogueColumn>>()
  readonly #defaults: ReadonlySet<string>

  constructor(
    { tables, defaults }: Catalogue,
    private readonly rules: Rules,
  ) {
    this.#defaults = new Set(defaults.map((name) => this.key(name)))
    for (const table of tables) {
      const key = this.key(table.path.at(-1) ?? '')
      this.#tables.set(key, [...(this.#tables.get(key) ?? []), table])
      this.#columns.set(table, new Map(table.columns.map((column) => [this.key(column.name), column])))
    }
  }

  /** The table behind a name with what qualifies it. */
  find(path: readonly Name[]): CatalogueTable | undefined {
    const name = path.at(-1)
    const tables = name && this.#tables.get(name.key)
    if (!tables) return undefined
    const exact = tables.filter((table) => table.path.at(-1) === name.text)
    const qualifier = path.at(-2)
    return this.#pick(exact, qualifier) ?? this.#pick(tables, qualifier)
  }

  column(table: CatalogueTable, name: Name): CatalogueColumn | undefined {
    return this.#columns.get(table)?.get(name.key)
  }

  #pick(tables: readonly CatalogueTable[], qualifier: Name | undefined): CatalogueTable | undefined {
    const isHere = (table: CatalogueTable): boolean => {
      const own = this.#qualifier(table)
      return own === undefined || this.#defaults.has(own)
    }
    if (!qualifier) {
      // A search path may lead anywhere: where no table is declared for the bare name, it may be the encrypted one.
      return tables.find(isHere) ?? tables.find(({ columns }) => columns.some((each) => each.isEncrypted))
    }
    const same = tables.find((table) => this.#qualifier(table) === qualifier.key)
    const isDefault = this.#defaults.size === 0 || this.#defaults.has(qualifier.key)
    return same ?? (isDefault ? tables.find(isHere) : undefined)
  }

  #qualifier({ path }: CatalogueTable): string | undefined {
    const own = path.at(-2)
    return own === undefined ? undefined : this.key(own)
  }

  /** In the form in which equal names are equal. */
  key(name: string): string {
    return nameOf(name, true, this.rules).key
  }
}
