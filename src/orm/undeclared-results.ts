import { type DataSource, type EntityMetadata, type ValueTransformer } from 'typeorm'
import { isCiphertext } from '../cipher/format'
import { asBytes } from '../column/driver-value'
import { InvalidOptionError, KmsEncryptionError } from '../errors'
import { boundColumn, boundColumns } from './bound-columns'
import { boundTable } from './bound-table'
import { refuseUses } from './declared-sql'
import { boundColumnsOf } from './statement/entity-catalogue'
import { type Place, type ResultColumn, type Statement } from './statement/statement'
import { type Statements } from './statement/statements'
import { escapedPath } from '../dialects/escaped-path'
import { type ColumnMetadata } from './typeorm-types'

/** Of what the SQL of a view computes, a row tells whether it is a ciphertext. */
const LEFT_TO_ROWS: ReadonlySet<Place> = new Set(['computed'])

/**
 * Refuses columns of views, and virtual columns, that stand for an encrypted column and are not declared as one:
 * their properties would hold ciphertext. What their SQL computes cannot be told from it; there a ciphertext is
 * refused when a row brings one.
 *
 * A property that is typed as bytes, or a column of a binary type, may hold the ciphertext. So may what is selected
 * with `encryption.raw()`.
 */
export function refuseUndeclaredResults(dataSource: DataSource, statements: Statements): void {
  if (!dataSource.entityMetadatas.some((metadata) => boundColumns(metadata).length > 0)) return
  for (const metadata of dataSource.entityMetadatas) {
    if (metadata.tableType === 'view')
      checkView(dataSource, metadata, readingOf(statements, viewSql(metadata, dataSource)))
    for (const column of metadata.columns) {
      if (!column.isVirtualProperty || !column.query) continue
      const reading = readingOf(statements, virtualSql(column, dataSource))
      if (reading) check(dataSource, column, reading, reading.results[0])
    }
  }
}

function checkView(
  dataSource: DataSource,
  { columns, name }: EntityMetadata,
  reading: Statement | undefined,
): void {
  if (!reading) return
  refuseUses(reading, { what: 'the SQL of the view', entity: name }, LEFT_TO_ROWS)
  for (const column of columns) check(dataSource, column, reading, resultOf(reading, column.databaseName))
}

function check(
  dataSource: DataSource,
  column: ColumnMetadata,
  reading: Statement,
  result: ResultColumn | undefined,
): void {
  if (boundColumn(column) || takesBytes(column)) return
  const sources = reading.unreadable === undefined ? (result?.sources ?? []) : []
  for (const source of sources) {
    const [encrypted] = boundColumnsOf(source.column)
    const isMeant = reading.uses.some((use) => use.isRaw && use.source.column === source.column)
    if (!encrypted || isMeant) continue
    const { entityMetadata, databaseName } = encrypted.metadata
    const { boundTo: given } = encrypted.scheme.options
    const table = given?.table ?? boundTable(entityMetadata, dataSource.options.type)
    const boundTo = `boundTo: { table: '${table}', column: '${given?.column ?? databaseName}' }`
    throw new InvalidOptionError(
      `the column stands for ${encrypted.name}, which is encrypted, and is not declared so: the property would hold ciphertext. ` +
        (column.isVirtualProperty
          ? `A virtual column cannot be decrypted: load ${encrypted.name} by a relation, or select it in a view and declare it there with @KmsEncrypted({ ${boundTo} }).`
          : `Declare it with @KmsEncrypted({ ${boundTo} }) and the other options that it has there, in place of @ViewColumn().`) +
        ' If the ciphertext is meant, type the property as Buffer.',
      { entity: column.entityMetadata.name, property: column.propertyPath },
    )
  }
  if (sources.length === 0) column.transformer = withoutCiphertext(column)
}

/** The transformers of a column, and before them one that refuses ciphertexts. */
function withoutCiphertext({
  transformer,
  entityMetadata,
  propertyPath,
}: ColumnMetadata): ValueTransformer[] {
  const refusing: ValueTransformer = {
    to: (value: unknown) => value,
    from: (value: unknown) => {
      if (!holdsCiphertext(value)) return value
      throw new InvalidOptionError(
        'the property would hold the ciphertext of an encrypted column, and is not declared as one. In a view, declare it with @KmsEncrypted({ boundTo: { table, column } }), naming where its values are written. If the ciphertext is meant, type the property as Buffer.',
        { entity: entityMetadata.name, property: propertyPath },
      )
    },
  }
  return [...[transformer ?? []].flat(), refusing]
}

function holdsCiphertext(value: unknown): boolean {
  const bytes =
    typeof value === 'string' && value.startsWith('wQE') ? Buffer.from(value, 'base64') : asBytes(value)
  return bytes !== undefined && isCiphertext(bytes)
}

function readingOf(statements: Statements, sql: string | undefined): Statement | undefined {
  return sql === undefined ? undefined : statements.read(sql)
}

/** As TypeORM takes it for CREATE VIEW; `undefined` if the application's function does not give it now. */
function viewSql({ expression }: EntityMetadata, dataSource: DataSource): string | undefined {
  if (typeof expression !== 'function') return expression
  try {
    return expression(dataSource).getQuery()
  } catch (error) {
    if (error instanceof KmsEncryptionError) throw error
    return undefined
  }
}

/** The column's query, as it stands in a SELECT of its entity. */
function virtualSql({ query, entityMetadata }: ColumnMetadata, { driver }: DataSource): string | undefined {
  const alias = driver.escape(entityMetadata.targetName)
  try {
    const table = escapedPath(entityMetadata.tablePath, (name) => driver.escape(name))
    return query && `SELECT (${query(alias)}) AS ${driver.escape('v')} FROM ${table} ${alias}`
  } catch {
    return undefined
  }
}

/** Outside of PostgreSQL names of columns agree in any case. */
function resultOf({ results }: Statement, name: string): ResultColumn | undefined {
  return (
    results.find((result) => result.name === name) ??
    results.find((result) => result.name?.toLowerCase() === name.toLowerCase())
  )
}

function takesBytes({ type, target, propertyName }: ColumnMetadata): boolean {
  if (typeof type === 'string' && /blob|binary|bytea/.test(type)) return true
  if (typeof target !== 'function') return false
  const { getMetadata } = Reflect as {
    getMetadata?: (key: string, target: object, property: string) => unknown
  }
  const declared = getMetadata?.('design:type', target.prototype as object, propertyName)
  return declared === Buffer || declared === Uint8Array
}
