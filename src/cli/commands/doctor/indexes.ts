import { type QueryRunner } from 'typeorm'
import { KmsEncryptionError } from '../../../errors'
import { type ColumnStatus } from '../../../migration'
import { type IndexCount } from '../../../migration/indexes/index-counts'
import { dataSourceOf } from '../../../migration/target'
import { type BoundColumn } from '../../../orm/bound-column'
import { type BlindIndex } from '../../../orm/search/blind-index'
import { Completeness } from '../../../orm/search/completeness'
import { count, type Finding, finding } from './finding'

/** Has every row its blind indexes, and are those of some rows what their values are searched by? */
export async function indexFindings(
  queryRunner: QueryRunner,
  column: BoundColumn,
  { indexes }: Pick<ColumnStatus, 'indexes'>,
  file: string,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const found of indexes) {
    const index = column.indexes.find(({ declared }) => declared.name === found.name)
    if (!index) continue
    findings.push(
      found.missing === 0
        ? await triedOut(queryRunner, column, index)
        : incomplete(column, found, `typeorm-kms encrypt -d ${file} --columns ${column.name}`),
    )
  }
  return findings
}

function incomplete(
  { name }: BoundColumn,
  { column, missing, isFilling }: IndexCount,
  fill: string,
): Finding {
  if (missing === undefined) {
    return finding(
      'database',
      'problem',
      `${name}: the database has no column ${column} for the blind index.`,
      'run the schema migrations: typeorm-kms migration:generate writes the one that adds it.',
    )
  }
  const rows = `${name}: ${count(missing, 'row')} without blind index (${column})`
  return isFilling
    ? finding('database', 'note', `${rows}, which is being filled.`, fill)
    : finding('database', 'problem', `${rows}: searches by it are refused until it is filled.`, fill)
}

/** A few rows are opened: with another index key or function, all of their indexes would be others. */
async function triedOut(queryRunner: QueryRunner, column: BoundColumn, index: BlindIndex): Promise<Finding> {
  const { driver } = dataSourceOf(queryRunner)
  try {
    const query = (sql: string): Promise<unknown> => queryRunner.query(sql)
    await new Completeness((name) => driver.escape(name)).check(index, { query, queryRunner })
    const name = index.metadata.databaseName
    return finding('database', 'ok', `${column.name}: every row has its blind index (${name})`)
  } catch (error) {
    if (error instanceof KmsEncryptionError) return finding('database', 'problem', error.message)
    throw error
  }
}
