import { type QueryRunner } from 'typeorm'
import { dialectOf } from '../dialects'
import { KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type ColumnLayout, readLayout } from './rows/column-layout'
import { dataSourceOf } from './target'
import { type ValueStart } from './value-starts'
import { valueStartsTogether } from './value-starts-together'

type Counted = ReadonlyMap<BoundColumn, readonly ValueStart[]>

/** Counts the values of columns by how they begin, those of one table in one pass over it. */
export class CountedTogether {
  readonly #tables = new Map<string, Promise<Counted>>()

  constructor(private readonly columns: readonly BoundColumn[]) {}

  /** `undefined` for a column that has to be counted by itself. */
  async of(queryRunner: QueryRunner, column: BoundColumn): Promise<readonly ValueStart[] | undefined> {
    const path = pathOf(column)
    let counted = this.#tables.get(path)
    if (!counted) {
      const columns = this.columns.filter((each) => pathOf(each) === path)
      this.#tables.set(path, (counted = count(queryRunner, columns)))
    }
    return (await counted).get(column)
  }
}

const pathOf = ({ metadata }: BoundColumn): string => metadata.entityMetadata.tablePath

/** What can be counted in one pass over the table of the columns. What cannot be read is left out. */
async function count(queryRunner: QueryRunner, columns: readonly BoundColumn[]): Promise<Counted> {
  try {
    const layouts: ColumnLayout[] = []
    for (const column of columns) layouts.push(await readLayout(queryRunner, column))
    const [first, ...others] = layouts
    if (!first || others.length === 0) return new Map()
    const counted = await valueStartsTogether(queryRunner, [first, ...others])
    return new Map(Array.from(counted, ([{ column }, starts]) => [column, starts]))
  } catch (error) {
    // Whoever looks at a column by itself meets the same fault, and can say of which column it is.
    if (error instanceof KmsEncryptionError) return new Map()
    if (dialectOf(dataSourceOf(queryRunner).options).failureOf(error) === 'denied') return new Map()
    throw error
  }
}
