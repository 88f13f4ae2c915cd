import { type QueryRunner } from 'typeorm'
import { InvalidOptionError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { beginsLikeCiphertext } from '../../dialects/rows/value-sql'
import { readLayout } from '../rows/column-layout'
import { dataSourceOf, type Executor, withRunner } from '../target'

/** Rows that are named. */
const LISTED = 20

/**
 * An index compares bytes. Throws `InvalidOptionError` if the database compared the texts that are to be encrypted
 * otherwise, and rows would not be equal any more that were; unless the column says with `normalize` what is compared.
 */
export async function requireSameEquality(executor: Executor, column: BoundColumn): Promise<void> {
  const index = column.indexes.find(({ isOfValue }) => isOfValue)
  if (!index || index.declared.normalize || column.scheme.type.name !== 'string') return
  await withRunner(executor, (queryRunner) => requireIn(queryRunner, column))
}

async function requireIn(queryRunner: QueryRunner, column: BoundColumn): Promise<void> {
  const layout = await readLayout(queryRunner, column)
  const { dialect, table } = layout
  const compared = await dialect.comparedAs(queryRunner, layout)
  if (!compared) return
  const plaintext = `${layout.name} IS NOT NULL AND NOT (${beginsLikeCiphertext(layout)})`
  const different = `COUNT(DISTINCT ${dialect.bytesSql(layout)}) > 1`
  const together = `SELECT ${compared.sql} AS _e FROM ${table} WHERE ${plaintext} GROUP BY ${compared.sql} HAVING ${different}`
  const where = `${plaintext} AND ${compared.sql} IN (SELECT _e FROM (${together}) _g)`
  const { driver } = dataSourceOf(queryRunner)
  const keys = column.metadata.entityMetadata.primaryColumns
  const names = keys.map((key, at) => `${driver.escape(key.databaseName)} AS _k${at}`)
  const [counted] = (await queryRunner.query(`SELECT COUNT(*) AS n FROM ${table} WHERE ${where}`)) as [
    { n: unknown },
  ]
  const count = Number(counted.n)
  if (count === 0) return
  const rows = (await queryRunner.query(
    `SELECT ${names.join(', ')} FROM ${table} WHERE ${where} ORDER BY ${compared.sql} LIMIT ${LISTED}`,
  )) as Record<string, unknown>[]
  const list = rows.map((row) =>
    keys.map((key, at) => `${key.propertyName}=${String(row[`_k${at}`])}`).join(','),
  )
  const more = count > rows.length ? ` and ${count - rows.length} more` : ''
  throw column.error(
    InvalidOptionError,
    `${count} rows have values that the database takes for equal (${compared.name}) and that differ in their bytes: ${list.join('; ')}${more}. A blind index compares bytes, so that a search would find only some of them. Say what is compared: search: { normalize: (text) => text.trimEnd().toLowerCase() }; or, if bytes are what is meant, compareBytes (--compare-bytes). Nothing was changed.`,
  )
}
