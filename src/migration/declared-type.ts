import { isUtf8 } from 'node:buffer'
import { type QueryRunner } from 'typeorm'
import { asPlaintext } from '../cipher/bytes'
import { parse } from '../cipher/ciphertext'
import { DeclaredTypeError, InvalidValueError, KmsEncryptionError } from '../errors'
import { dialectOf } from '../dialects'
import { type BoundColumn } from '../orm/bound-column'
import { readTable } from './read-table'
import { kindOf } from './rows/column-layout'
import { dataSourceOf } from './target'
import { escapedPath } from '../dialects/escaped-path'

/** Types with exactly one text per value; a text in another form would come back as another one. */
const CANONICAL = new Set(['boolean', 'bigint', 'date'])
/** Values looked at: enough to tell a wrong declaration from a broken row. */
const SAMPLE = 200
/** Characters or bytes; longer values are not looked at. */
const LONGEST = 65_536

/** What is encrypted must be what the application will be able to read, as the same value. */
export function checkDeclaredType(column: BoundColumn, bytes: Buffer): void {
  const { type } = column.scheme
  const serialised = column.serialise(type.deserialise(asPlaintext(bytes)))
  if (!CANONICAL.has(type.name) || Buffer.from(serialised).equals(bytes)) return
  throw new InvalidValueError(
    `the stored text is not a ${type.name} as the library writes it${type.name === 'date' ? ' (ISO 8601 in UTC with milliseconds)' : ''}. Convert the column's values first; migration:generate writes the statement.`,
  )
}

/**
 * Compares a sample of the plaintext in a column with the type that the column declares. `undefined` if they agree,
 * or there is no plaintext; else what is wrong and what to declare, with nothing of a value.
 *
 * @param column Its name in the database, where that is about to change.
 */
export async function declaredTypeMismatch(
  queryRunner: QueryRunner,
  bound: BoundColumn,
  { column = bound.metadata.databaseName }: { column?: string } = {},
): Promise<string | undefined> {
  const values = await sample(queryRunner, bound, column)
  const wrong = values.filter((value) => !isDeclared(bound, value))
  if (wrong.length === 0) return undefined
  const { type, options } = bound.scheme
  const why =
    options.type === undefined && type.name === 'json'
      ? ' That type was not declared but taken from TypeScript, which has no more to say of a union such as string | null, an interface or an object.'
      : ''
  const better = wrong.every((value) => isUtf8(value)) ? 'string' : 'buffer'
  const confirm =
    why === '' || wrong.length < values.length ? '' : `, or type: 'json' if that is what they are`
  return `${wrong.length} of ${values.length} values that were looked at are not of the type ${type.name}.${why} Declare it: @KmsEncrypted({ type: '${better}' })${confirm}.`
}

/** @throws DeclaredTypeError, before anything is changed. */
export async function requireDeclaredType(
  queryRunner: QueryRunner,
  bound: BoundColumn,
  place: { column?: string } = {},
): Promise<void> {
  const mismatch = await declaredTypeMismatch(queryRunner, bound, place)
  if (mismatch === undefined) return
  throw bound.error(DeclaredTypeError, `${mismatch} Nothing was written.`)
}

async function sample(queryRunner: QueryRunner, bound: BoundColumn, name: string): Promise<Buffer[]> {
  const { driver, options } = dataSourceOf(queryRunner)
  const { tablePath } = bound.metadata.entityMetadata
  const type = (await readTable(queryRunner, tablePath))?.findColumnByName(name)?.type
  if (type === undefined) return []
  const kind = kindOf(type)
  // Migrations write these in the serialised form themselves.
  if (kind === 'other' && CANONICAL.has(bound.scheme.type.name)) return []
  const sql = driver.escape(name)
  const table = escapedPath(tablePath, (part) => driver.escape(part))
  const [value, short] =
    kind === 'other' ? [dialectOf(options).steps.asText(sql), ''] : [sql, ` AND LENGTH(${sql}) <= ${LONGEST}`]
  const rows = (await queryRunner.query(
    `SELECT ${value} AS v FROM ${table} WHERE ${sql} IS NOT NULL${short} LIMIT ${SAMPLE}`,
  )) as { v: unknown }[]
  return rows
    .map(({ v }) => (Buffer.isBuffer(v) ? v : Buffer.from(String(v))))
    .flatMap((bytes) => openedForeign(bound, bytes))
    .filter((bytes) => parse(bound.opener.bytesOf(bytes)).kind === 'plaintext')
    .filter((bytes) => parse(bound.opener.bytesOf(bytes.toString())).kind === 'plaintext')
}

function isDeclared(bound: BoundColumn, bytes: Buffer): boolean {
  const { type, options } = bound.scheme
  try {
    checkDeclaredType(bound, bytes)
    // A number or a text that happens to be JSON: read as JSON, '0123' would be lost and '1e5' another value.
    if (options.type !== undefined || type.name !== 'json') return true
    return typeof JSON.parse(bytes.toString()) === 'object'
  } catch (error) {
    if (error instanceof KmsEncryptionError) return false
    throw error
  }
}

/** What another program encrypted is looked at as it will be encrypted; what does not open is not. */
function openedForeign({ opener }: BoundColumn, bytes: Buffer): Buffer[] {
  try {
    return [opener.openForeign(bytes, opener.bytesOf(bytes.toString('latin1'))) ?? bytes]
  } catch (error) {
    if (error instanceof KmsEncryptionError) return []
    throw error
  }
}
