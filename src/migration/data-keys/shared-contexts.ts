import { type BoundColumn } from '../../orm/bound-column'
import { columnContents, requireAllRows } from '../column-contents'
import { encryptedColumns } from '../encrypted-columns'
import { dataSourceOf, type Executor, withRunner } from '../target'
import { contextsOf, type OwnDataKey, ownDataKeys } from './column-contexts'
import { namesOf } from './named-data-keys'

/** The contexts of columns, as far as other columns with KMS keys of their own have them as well. */
export class SharedContexts {
  readonly #executor: Executor
  readonly #columns: readonly BoundColumn[]
  readonly #others: readonly BoundColumn[]
  #named: Promise<ReadonlySet<string>> | undefined

  constructor(executor: Executor, columns: readonly BoundColumn[]) {
    this.#executor = executor
    this.#columns = columns
    const cells = columns.map(({ cell }) => cell)
    this.#others = encryptedColumns(dataSourceOf(executor)).filter(({ cell }) => !cells.includes(cell))
  }

  /**
   * True if a column with another KMS key has the context, and no value of these columns names the data key, or for one
   * of blind indexes they have none.
   */
  async isOfOthers({ row, context }: OwnDataKey, keyId: string): Promise<boolean> {
    const isShared = this.#others.some(
      (other) =>
        ownDataKeys([row], contextsOf([other])).length > 0 && other.recipes.keyIdFor(context) !== keyId,
    )
    if (!isShared) return false
    if (row.purpose === 'index') return this.#columns.every(({ indexes }) => indexes.length === 0)
    this.#named ??= this.#namedByValues()
    return !(await this.#named).has(row.id.toString('hex'))
  }

  #namedByValues(): Promise<ReadonlySet<string>> {
    return withRunner(this.#executor, async (queryRunner) => {
      const named = new Set<string>()
      for (const column of this.#columns) {
        // What hidden values name would look as if others did.
        await requireAllRows(queryRunner, column)
        const { current, history = [] } = await columnContents(queryRunner, column)
        for (const name of namesOf([...current, ...history]).keys()) named.add(name)
      }
      return named
    })
  }
}
