import { type DataSource, type EntityMetadata } from 'typeorm'
import { InvalidOptionError } from '../errors'
import { boundColumns } from './bound-columns'
import { boundColumnsOf } from './statement/entity-catalogue'
import { isHarmless } from './statement/refusal'
import { type Place, type Statement } from './statement/statement'
import { type Statements } from './statement/statements'
import { escapedPath } from '../dialects/escaped-path'

/** An expression that the database evaluates by itself, as a statement that is never sent. */
interface DeclaredSql {
  readonly what: string
  readonly property?: string
  readonly sql: string
}

const NONE: ReadonlySet<Place> = new Set()

/**
 * Refuses CHECKs, exclusions, conditions of indexes and generated columns that look at an encrypted column: the database
 * would see ciphertexts. Where the ciphertext is meant, the directives of `encryption.raw()` say so.
 */
export function refuseDeclaredSql(dataSource: DataSource, statements: Statements): void {
  for (const metadata of dataSource.entityMetadatas) {
    if (boundColumns(metadata).length === 0) continue
    for (const { what, property, sql } of declaredSql(metadata, dataSource)) {
      const reading = statements.read(sql)
      if (reading) refuseUses(reading, { what, entity: metadata.name, property })
    }
  }
}

/** Throws if the statement looks at an encrypted column, other than at the given places. */
export function refuseUses(
  { uses, unreadable }: Statement,
  { what, entity, property }: { what: string; entity: string; property?: string | undefined },
  allowed = NONE,
): void {
  const use =
    unreadable === undefined ? uses.find((each) => !isHarmless(each) && !allowed.has(each.place)) : undefined
  const [encrypted] = use ? boundColumnsOf(use.source.column) : []
  if (!use || !encrypted) return
  throw new InvalidOptionError(
    `${what} looks at ${encrypted.name}, which is encrypted: the database would see a ciphertext there, which is different each time. Take that away, or leave it to the application; where the ciphertext itself is meant, write the expression between /* kms-encrypted:raw */ and /* kms-encrypted:end */.`,
    { entity, ...(property !== undefined && { property }) },
  )
}

function* declaredSql(metadata: EntityMetadata, { driver }: DataSource): Generator<DeclaredSql> {
  const table = escapedPath(metadata.tablePath, (name) => driver.escape(name))
  const condition = (sql: string): string => `SELECT 1 FROM ${table} WHERE (${sql})`
  for (const { expression } of metadata.checks) yield { what: 'a CHECK', sql: condition(expression) }
  for (const { where } of metadata.indices) {
    if (where) yield { what: 'the condition of an index', sql: condition(where) }
  }
  for (const { expression } of metadata.exclusions) {
    const [, elements = '', where = ''] = /^\s*USING\s+\w+\s*(\(.*?\))\s*(WHERE.*)?$/is.exec(expression) ?? []
    const compared = elements.replace(/\sWITH\s+[^\s,()]+/gi, '')
    yield { what: 'an exclusion', sql: `SELECT EXCLUDED_BY ${compared} FROM ${table} ${where}` }
  }
  for (const { asExpression, propertyPath } of metadata.columns) {
    if (!asExpression) continue
    // Of a column alone, it would be a copy.
    const sql = `SELECT GENERATED_FROM (${asExpression}) FROM ${table}`
    yield { what: 'a generated column', property: propertyPath, sql }
  }
}
