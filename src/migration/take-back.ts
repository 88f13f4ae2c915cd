import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { InvalidOptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'
import { type BindableColumn } from '../orm/row/bindable-column'
import { type BlindIndex } from '../orm/search/blind-index'
import { checkKind } from './column-fits'
import { type Conversion } from './conversion'
import { indexesToStore, rowIndexes } from './indexes/row-indexes'
import { pagesOf } from './pages'
import { recipeOfRow } from './row-recipe'
import { type ColumnLayout } from './rows/column-layout'
import { asStored, KnownKeys, readEncrypted, sealChecked } from './stored-value'

/** Values that properties of the row had: the value of the property, or its text. */
export type BoundAs = Readonly<Record<string, string | number | bigint | boolean | Uint8Array>>

/** Rows that are listed. */
const MAX_LISTED = 1_000
const ROWS_AT_ONCE = 500

/**
 * Binds values anew whose row was changed around the library: those that do not open as what their row has now, and do
 * as what it had. All others stay as they are.
 */
export class TakeBack implements Conversion {
  readonly done = 'bound anew'
  readonly leavesForgotten = true
  readonly #column: BoundColumn
  readonly #known = new KnownKeys()
  /** What the rows had, by the name of the column. */
  readonly #former: ReadonlyMap<string, unknown>
  readonly #rows = new Map<string, ColumnRow>()

  /** Throws `InvalidOptionError` for a property that the values are not bound to. */
  constructor(column: BoundColumn, boundAs: BoundAs) {
    this.#column = column
    const pairs = Object.entries(boundAs)
    if (pairs.length === 0) throw new InvalidOptionError('boundAs is empty. Name what the rows had.')
    this.#former = new Map(
      pairs.map(([property, value]) => {
        const bound = boundColumn(column, property)
        const former = typeof value === 'string' ? bound.valueOfText(value) : value
        bound.textOf(former)
        return [bound.name, former]
      }),
    )
  }

  /** The rows that were bound anew, or would be; the first 1,000. */
  get rows(): Record<string, unknown>[] {
    return Array.from(this.#rows.values(), (row) => row.primaryKey())
  }

  get indexes(): readonly BlindIndex[] {
    return this.#column.indexes
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    const { primaryColumns } = this.#column.metadata.entityMetadata
    if (!primaryColumns.every(({ databaseName }) => this.#former.has(databaseName))) return
    // That row would have had its value to itself.
    for await (const page of pagesOf(rows, () => ({ limit: ROWS_AT_ONCE, boundOnly: true }))) {
      const owner = page.find((row) => this.#isFormer(row))
      if (!owner) continue
      const key = Object.entries(owner.primaryKey()).map(([name, value]) => `${name}=${String(value)}`)
      throw this.#column.error(
        InvalidOptionError,
        `boundAs names the row ${key.join(', ')}, which is there: no other row was that one, and what opens as its value elsewhere was copied. Nothing was changed.`,
      )
    }
  }

  /** A row that others write again and again is not bound anew. */
  leave({ id }: ColumnRow): void {
    this.#rows.delete(id)
  }

  async convert(row: ColumnRow): Promise<Converted | undefined> {
    this.leave(row)
    const recipe = recipeOfRow(this.#column, row)
    const scopes: RowRecipe['scopes'] = [...recipe.scopes, ...this.#formerRecipe(row).scopes]
    const value = await readEncrypted(this.#column, row.stored, { scopes }, this.#known)
    if (value.kind !== 'ciphertext') return undefined
    const { plaintext, scope } = await this.#column.opener.openWithScope(value.bytes, scopes)
    try {
      if (recipe.scopes.includes(scope)) return undefined
      if (this.#rows.size < MAX_LISTED) this.#rows.set(row.id, row)
      const beside = indexesToStore(row, await rowIndexes(this.#column, row, recipe, plaintext))
      return { value: asStored(this.#column, await sealChecked(this.#column, plaintext, recipe)), beside }
    } finally {
      plaintext.fill(0)
    }
  }

  #formerRecipe(row: ColumnRow): RowRecipe {
    return this.#column.recipes.of((name) =>
      this.#former.has(name) ? this.#former.get(name) : row.valueOf(name),
    )
  }

  /** True for a row that has now what `boundAs` says that others had. */
  #isFormer(row: ColumnRow): boolean {
    return this.#column.recipes.opensBy.every((column) => {
      if (!this.#former.has(column.name)) return true
      return column.textOf(row.valueOf(column.name)) === column.textOf(this.#former.get(column.name))
    })
  }
}

function boundColumn(column: BoundColumn, property: string): BindableColumn {
  const bound = column.recipes.opensBy.find(
    (each) => each.property === property || each.metadata.propertyPath === property,
  )
  if (bound) return bound
  const known = column.recipes.opensBy.map((each) => each.property).join(', ')
  throw column.error(
    InvalidOptionError,
    `boundAs names ${property}, and the values of the column are bound to and keyed by ${known === '' ? 'nothing of their row' : `${known} only`}.`,
  )
}
