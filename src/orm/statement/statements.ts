import { type DataSource } from 'typeorm'
import { dialectOf } from '../../dialects'
import { entityCatalogue } from './entity-catalogue'
import { Reader } from './read'
import { type CatalogueColumn, type CatalogueTable, type Statement } from './statement'

/** The readings of a statement: one for each way in which its text can be read. */
export type Readings = readonly [Statement, ...Statement[]]

/** Statements that are remembered, and characters of their texts together: an application's texts repeat. */
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
  /** `null` for statements without such a table. */
  readonly #known = new Map<string, Readings | null>()
  #characters = 0

  /** Takes an initialised DataSource. */
  constructor(dataSource: DataSource) {
    const catalogue = entityCatalogue(dataSource)
    this.#reader = new Reader(dialectOf(dataSource.options.type).language(dataSource.driver), catalogue)
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
    const known = this.#known.get(text)
    if (known !== undefined) return known ?? undefined
    const readings = this.#names.test(text) ? this.#reader.read(text) : null
    this.#remember(text, readings)
    return readings ?? undefined
  }

  /** An encrypted column whose name is in the text, with that of its table; wherever they stand. */
  namedIn(text: string): CatalogueColumn | undefined {
    const lower = text.toLowerCase()
    return this.#encrypted
      .filter(({ path }) => lower.includes((path.at(-1) ?? '').toLowerCase()))
      .flatMap(({ columns }) => columns)
      .find(({ name, isEncrypted }) => isEncrypted && lower.includes(name.toLowerCase()))
  }

  #remember(text: string, readings: Readings | null): void {
    if (text.length > MAX_CHARACTERS / 10) return
    if (this.#known.size >= MAX_STATEMENTS || this.#characters > MAX_CHARACTERS) {
      this.#known.clear()
      this.#characters = 0
    }
    this.#known.set(text, readings)
    this.#characters += text.length
  }
}

/** Finds one of the names, as SQL can spell it: with its quotes doubled, or in PostgreSQL by code points. */
function anyOf(names: readonly string[]): RegExp {
  const spellings = names.flatMap((name) => [name, name.replaceAll('"', '""').replaceAll('`', '``')])
  const escaped = [...new Set(spellings)].map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  return new RegExp([...escaped, 'U&"'].join('|'), 'i')
}
