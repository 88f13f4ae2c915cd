import { type DataSource } from 'typeorm'
import { type BoundColumn } from '../bound-column'
import { boundColumns } from '../bound-columns'

/** A column of a result that holds values of an encrypted column. */
export interface ResultColumn {
  /** Its name in the rows. */
  readonly name: string
  readonly column: BoundColumn
  /** The name in the rows of another column, named as in the database, of the same row of the table. */
  readonly rowName: (column: string) => string | undefined
}

/** Tells which columns of a result are encrypted ones. */
export class ResultColumns {
  readonly #dataSource: DataSource
  readonly #columnsByName = new Map<string, BoundColumn[]>()

  /** Takes the encrypted columns of an initialised DataSource. */
  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource
    const cells = new Set<string>()
    for (const column of dataSource.entityMetadatas.flatMap(boundColumns)) {
      if (cells.has(column.cell)) continue
      cells.add(column.cell)
      const { databaseName } = column.metadata
      this.#columnsByName.set(databaseName, [...(this.#columnsByName.get(databaseName) ?? []), column])
    }
  }

  of(sql: string, row: Readonly<Record<string, unknown>>): ResultColumn[] {
    return Object.keys(row).flatMap((name) => {
      const column = this.#columnOf(unshortened(name, sql), sql)
      if (!column) return []
      const prefix = name.slice(0, -column.metadata.databaseName.length)
      return [{ name, column, rowName: (other: string) => prefix + other }]
    })
  }

  /** The encrypted column behind a name in the result: `alias_column`, or `column` of a RETURNING clause. */
  #columnOf(resultName: string, sql: string): BoundColumn | undefined {
    const candidates: [BoundColumn, string][] = []
    for (const [name, columns] of this.#columnsByName) {
      const alias =
        resultName === name
          ? ''
          : resultName.endsWith(`_${name}`)
            ? resultName.slice(0, -name.length - 1)
            : null
      if (alias !== null) for (const column of columns) candidates.push([column, alias])
    }
    if (candidates.length <= 1) return candidates[0]?.[0]
    return candidates.find(([column, alias]) => sql.includes(this.#tableInSql(column, alias)))?.[0]
  }

  /** How TypeORM writes a table, with its alias, into FROM and JOIN. */
  #tableInSql({ metadata }: BoundColumn, alias: string): string {
    const { driver } = this.#dataSource
    const table = metadata.entityMetadata.tablePath
      .split('.')
      .map((part) => driver.escape(part))
      .join('.')
    return alias === '' ? table : `${table} ${driver.escape(alias)}`
  }
}

/** TypeORM shortens a long `alias_column` to its SHA-1. The statement says what that stands for. */
function unshortened(resultName: string, sql: string): string {
  if (!/^[0-9a-f]{40}$/.test(resultName)) return resultName
  const before = sql.slice(0, Math.max(0, sql.indexOf(resultName)))
  const [, , alias, column] = /(["`])([^"`]+)\1\.\1([^"`]+)\1 AS ["`]$/.exec(before) ?? []
  return alias !== undefined && column !== undefined ? `${alias}_${column}` : resultName
}
