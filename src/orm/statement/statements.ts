import { type DataSource } from 'typeorm'
import { dialectOf } from '../../dialects'
import { escapeRegExp } from '../../dialects/escape-regexp'
import { entityCatalogue } from './entity-catalogue'
import { Reader } from './read'
import { Remembered } from './remembered'
import { type CatalogueColumn, type CatalogueTable, type Statement } from './statement'

/** The readings of a statement: one for each way in which its text can be read. */
export type Readings = readonly [Statement, ...Statement[]]

/** Statements that are remembered, and characters of their texts together. */
const MAX_STATEMENTS = 500
const MAX_CHARACTERS = 2_000_000

/**
 * Reads the statements of a DataSource that name a table with encrypted columns; to others it gives no more than a
 * look into a map. What was read is remembered by its text.
 */
export class Statements {
  readonly #reader: Reader
  readonly #encrypted: readonly CatalogueTable[]
  readonly #names: RegExp | undefined
  readonly #known = new Remembered<Readings>(MAX_STATEMENTS, MAX_CHARACTERS)
  /** Statements without such a table. */
  readonly #others = new Remembered<true>(MAX_STATEMENTS, MAX_CHARACTERS)

  /** Takes an initialised DataSource. */
  constructor({ driver, entityMetadatas, options }: DataSource) {
    const dialect = dialectOf(options)
    const catalogue = entityCatalogue(entityMetadatas, dialect.defaultSchemas(driver))
    this.#reader = new Reader(dialect.language(driver), catalogue)
    this.#encrypted = catalogue.tables.filter(({ columns }) => columns.some(({ isEncrypted }) => isEncrypted))
    const names = this.#encrypted.flatMap(({ path }) => path.slice(-1))
    if (names.length > 0) this.#names = anyOf(names)
  }

  /** The statement as it is most likely read, or `undefined` if no table with encrypted columns is in it. */
  read(text: string): Statement | undefined {
    return this.readings(text)?.[0]
  }

  /** The statement in each way in which it may be read, the likeliest first. */
  readings(text: string): Readings | undefined {
    if (!this.#names) return undefined
    // Mostly it is asked for several times, and the next statement is like it.
    const again = this.#known.again(text)
    if (again !== undefined) return again
    // Those are found by their text alone.
    if (this.#others.get(text)) return undefined
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (!this.#names.test(text)) {
      this.#others.set(text, true)
      return undefined
    }
    const readings = this.#reader.read(text)
    this.#known.set(text, readings, () => this.#reader.freeNumbersIn(text))
    return readings
  }

  /** An encrypted column whose name is in the text, with that of its table; wherever they stand. */
  namedIn(text: string): CatalogueColumn | undefined {
    const lower = text.toLowerCase()
    return this.#encrypted
      .filter(({ path }) => lower.includes((path.at(-1) ?? '').toLowerCase()))
      .flatMap(({ columns }) => columns)
      .find(({ name, isEncrypted }) => isEncrypted && lower.includes(name.toLowerCase()))
  }
}

/** Finds one of the names, as SQL can spell it: with its quotes doubled, or in PostgreSQL by code points. */
function anyOf(names: readonly string[]): RegExp {
  const spellings = names.flatMap((name) => [name, name.replaceAll('"', '""').replaceAll('`', '``')])
  const escaped = [...new Set(spellings)].map(escapeRegExp)
  return new RegExp([...escaped, 'U&"'].join('|'), 'i')
}
