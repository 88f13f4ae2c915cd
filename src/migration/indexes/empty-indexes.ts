import { parse } from '../../cipher/ciphertext'
import { type ColumnRow, type Converted } from '../../dialects/rows/column-rows'
import { type BoundColumn } from '../../orm/bound-column'
import { type BlindIndex } from '../../orm/search/blind-index'
import { type Conversion } from '../conversion'
import { indexesOfNothing } from './row-indexes'

/**
 * Rows whose values name some data keys get indexes that no value has: when the data keys are destroyed, nothing is left
 * that tells which of the values were equal.
 */
export class EmptyIndexes implements Conversion {
  readonly done = 'emptied'
  readonly #column: BoundColumn
  readonly #ids: ReadonlySet<string>

  constructor(column: BoundColumn, ids: readonly Buffer[]) {
    this.#column = column
    this.#ids = new Set(ids.map((id) => id.toString('hex')))
  }

  get indexes(): readonly BlindIndex[] {
    return [...this.#column.indexes, ...this.#column.sharedIndexes]
  }

  begin(): Promise<void> {
    return Promise.resolve()
  }

  convert({ stored: value }: ColumnRow): Promise<Converted | undefined> {
    const parsed = parse(this.#column.opener.bytesOf(value))
    const isNamed =
      parsed.kind === 'ciphertext' &&
      parsed.suite === 'stored-key' &&
      this.#ids.has(parsed.dataKeyId.toString('hex'))
    return Promise.resolve(isNamed ? { value, beside: indexesOfNothing(this.indexes) } : undefined)
  }
}
