import { type DataSource, type QueryRunner } from 'typeorm'
import { ColumnTypeError, KmsEncryptionError } from '../../../errors'
import { columnStatus } from '../../../migration'
import { checkKind } from '../../../migration/column-fits'
import { databaseOf, type ColumnLayout, readLayout } from '../../../migration/rows/column-layout'
import { type BoundColumn } from '../../../orm/bound-column'
import { storedLength } from '../../../orm/column-type'
import { encryptedColumns, placeOf } from '../../encrypted-columns'
import { count, failureOf, type Finding, finding } from './finding'

/** Columns without `maxLength` that have room for less than this are worth a word. */
const SMALL = 1_024

/** Can the database hold what the columns are to hold, and does it hold only that? */
export async function databaseFindings(dataSource: DataSource): Promise<Finding[]> {
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    const findings = await sqlModeFindings(dataSource, queryRunner)
    for (const column of encryptedColumns(dataSource)) {
      findings.push(...(await columnFindings(queryRunner, column)))
    }
    return findings
  } finally {
    await queryRunner.release()
  }
}

async function sqlModeFindings({ options }: DataSource, queryRunner: QueryRunner): Promise<Finding[]> {
  if (databaseOf(options) !== 'mysql') return []
  const [row] = (await queryRunner.query('SELECT @@SESSION.sql_mode AS mode')) as [{ mode: string }]
  if (/STRICT_(TRANS|ALL)_TABLES/.test(row.mode)) {
    return [finding('database', 'ok', 'sql_mode is strict: a value that is too long is refused')]
  }
  return [
    finding(
      'database',
      'problem',
      'sql_mode is not strict: the database cuts off a value that is too long and says nothing. A ciphertext that was cut off is lost.',
      "add STRICT_TRANS_TABLES to sql_mode of the server, or to each session: extra: { sessionVariables } or SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES').",
    ),
  ]
}

async function columnFindings(queryRunner: QueryRunner, column: BoundColumn): Promise<Finding[]> {
  try {
    const layout = await readLayout(queryRunner, column)
    return [typeFinding(layout), ...(await contentFindings(queryRunner, column))]
  } catch (error) {
    if (error instanceof KmsEncryptionError) return [finding('database', 'problem', error.message)]
    return [failureOf('database', column.name, error)]
  }
}

function typeFinding(layout: ColumnLayout): Finding {
  const { column, type, capacity } = layout
  const { storage, maxLength } = column.scheme.options
  try {
    checkKind(layout)
  } catch (error) {
    if (error instanceof ColumnTypeError) return finding('database', 'problem', error.message)
    throw error
  }
  const needed = (bytes: number): number => storedLength(column.recipe.mode, storage === 'text', bytes)
  const room = capacity === undefined ? undefined : roomFor(capacity, needed)
  const declared = capacity === undefined ? type : `${type} of ${capacity}`
  if (room === undefined || capacity === undefined)
    return finding('database', 'ok', `${column.name}: ${type}`)
  if (room < (maxLength ?? 0) || room < 0) {
    return finding(
      'database',
      'problem',
      `${column.name}: ${declared} is too short. A value of ${maxLength ?? 0} bytes needs up to ${needed(maxLength ?? 0)} once it is encrypted.`,
      'typeorm-kms migration:generate writes the statement that widens the column.',
    )
  }
  if (maxLength === undefined && room < SMALL) {
    return finding(
      'database',
      'warning',
      `${column.name}: ${declared} has room for values of ${room} bytes; a longer one fails when it is written.`,
      'set maxLength, so that it is refused before it is sent, or widen the column.',
    )
  }
  return finding(
    'database',
    'ok',
    `${column.name}: ${declared}, for values of up to ${room.toLocaleString('en')} bytes`,
  )
}

/** Bytes of the longest value whose ciphertext fits; negative if none does. */
function roomFor(capacity: number, needed: (bytes: number) => number): number {
  const overhead = needed(0)
  let room = capacity - overhead
  while (room >= 0 && needed(room) > capacity) room -= Math.max(1, Math.floor((needed(room) - capacity) / 2))
  return room
}

async function contentFindings(queryRunner: QueryRunner, column: BoundColumn): Promise<Finding[]> {
  const { target, propertyPath } = placeOf(column)
  const { plaintext, unknown, bare, ciphertext } = await columnStatus(queryRunner, target, propertyPath)
  const findings: Finding[] = []
  if (plaintext > 0) {
    const accepted = column.scheme.options.acceptPlaintext === true
    findings.push(
      finding(
        'database',
        accepted ? 'warning' : 'problem',
        `${column.name}: ${count(plaintext, 'row')} of plaintext${accepted ? ', which acceptPlaintext lets pass' : ': reading them fails'}.`,
        `typeorm-kms encrypt -d FILE --columns ${column.name}`,
      ),
    )
  }
  if (unknown > 0) {
    findings.push(
      finding(
        'database',
        'problem',
        `${column.name}: ${count(unknown, 'row')} that ${unknown === 1 ? 'begins like a ciphertext but is' : 'begin like a ciphertext but are'} of no version that this release reads.`,
        'typeorm-kms verify names the rows. Was the application downgraded, or a row cut off?',
      ),
    )
  }
  const rows = ciphertext.reduce((sum, group) => sum + group.rows, bare)
  const keys = new Set(ciphertext.map(({ keyTag }) => keyTag))
  if (rows > 0) {
    const under =
      keys.size > 1 ? `, under ${count(keys.size, 'KMS key')} (typeorm-kms status names them)` : ''
    findings.push(
      finding(
        'database',
        keys.size > 1 ? 'note' : 'ok',
        `${column.name}: ${count(rows, 'value')} encrypted${under}`,
      ),
    )
  }
  return findings
}
