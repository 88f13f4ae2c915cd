import { type DataSource, type QueryRunner } from 'typeorm'
import { ColumnTypeError, KmsEncryptionError } from '../../../errors'
import { keyTag } from '../../../cipher/format'
import { configuredKeys } from '../../../migration/configured-keys'
import { columnStatus, type ColumnStatus, type KeyCount } from '../../../migration'
import { rowsHidden } from '../../../migration/column-contents'
import { declaredTypeMismatch } from '../../../migration/declared-type'
import { checkKind } from '../../../migration/column-fits'
import { inForeignKeys } from '../../../migration/refusals'
import { dialectOf } from '../../../dialects'
import { type ColumnLayout, readLayout } from '../../../migration/rows/column-layout'
import { type BoundColumn } from '../../../orm/bound-column'
import { storedLength } from '../../../orm/column-type'
import { encryptedColumns, placeOf } from '../../../migration/encrypted-columns'
import { knownKeys } from '../../known-keys'
import { historyRemark } from '../status'
import { count, failureOf, type Finding, finding } from './finding'
import { indexFindings } from './indexes'
import { keyTableFindings } from './key-table'

/** Columns without `maxLength` that have room for less than this are worth a word. */
const SMALL = 1_024

/** What a column holds, by its counts. */
export type Look = (
  queryRunner: QueryRunner,
  column: BoundColumn,
  keys: readonly string[],
) => Promise<ColumnStatus>

const look: Look = (queryRunner, column, keys) => {
  const { target, propertyPath } = placeOf(column)
  return columnStatus(queryRunner, target, propertyPath, { keys })
}

/** Can the database hold what the columns are to hold, and does it hold only that? `lookAt`: for who has looked already. */
export async function databaseFindings(
  dataSource: DataSource,
  file: string,
  lookAt = look,
): Promise<Finding[]> {
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    const columns = encryptedColumns(dataSource)
    const findings = [
      ...(await sqlModeFindings(dataSource, queryRunner)),
      ...(await keyTableFindings(dataSource, columns, file)),
    ]
    for (const column of columns) {
      findings.push(...(await columnFindings(queryRunner, column, file, lookAt)))
    }
    return findings
  } finally {
    await queryRunner.release()
  }
}

async function sqlModeFindings({ options }: DataSource, queryRunner: QueryRunner): Promise<Finding[]> {
  const cutsOff = await dialectOf(options).cutsOffValues(queryRunner)
  if (cutsOff === undefined) return []
  if (!cutsOff) {
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

async function columnFindings(
  queryRunner: QueryRunner,
  column: BoundColumn,
  file: string,
  lookAt: Look,
): Promise<Finding[]> {
  try {
    const layout = await readLayout(queryRunner, column)
    return [
      typeFinding(layout),
      ...(await triggerFindings(queryRunner, layout)),
      ...(await foreignKeyFindings(queryRunner, layout)),
      ...(await contentFindings(queryRunner, column, file, lookAt)),
    ]
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
  const needed = (bytes: number): number => storedLength(column.recipes.mode, storage === 'text', bytes)
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

async function triggerFindings(queryRunner: QueryRunner, layout: ColumnLayout): Promise<Finding[]> {
  const names = await layout.dialect.triggers(queryRunner, layout)
  if (names.length === 0) return []
  return [
    finding(
      'database',
      'note',
      `${layout.column.name}: an UPDATE of the table ${layout.path} fires ${names.join(', ')}. One that changes the value destroys it.`,
      'see that none of them touches the encrypted column.',
    ),
  ]
}

async function foreignKeyFindings(queryRunner: QueryRunner, layout: ColumnLayout): Promise<Finding[]> {
  const { column, dialect } = layout
  const keys = await dialect.foreignKeys(queryRunner, layout, column.metadata.databaseName)
  return keys.length > 0 ? [finding('database', 'problem', `${column.name}: ${inForeignKeys(keys)}`)] : []
}

async function contentFindings(
  queryRunner: QueryRunner,
  column: BoundColumn,
  file: string,
  lookAt: Look,
): Promise<Finding[]> {
  const keys = await knownKeys(column, (await configuredKeys(queryRunner, column)) ?? [])
  const found = await lookAt(queryRunner, column, keys)
  if (found.hiddenBy) {
    const hidden = rowsHidden(column.metadata.entityMetadata.tablePath, found.hiddenBy)
    return [finding('database', 'problem', `${column.name}: ${hidden}`)]
  }
  const { plaintext, unknown, bare, ciphertext, missing, forgotten } = found
  const findings: Finding[] = []
  if (plaintext > 0) findings.push(...(await plaintextFindings(queryRunner, column, plaintext, file)))
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
  if (missing > 0) {
    findings.push(
      finding(
        'database',
        'problem',
        `${column.name}: ${count(missing, 'value')} of which the data key is not in the key table: ${missing === 1 ? 'it is' : 'they are'} lost as things are.`,
        'restore the key table from a backup that is as new as the values. Destroyed rows stay destroyed: see docs/stored-data-keys.md.',
      ),
    )
  }
  if (forgotten > 0) {
    const message = `${column.name}: ${count(forgotten, 'value')} forgotten: the data key was destroyed, and nothing opens ${forgotten === 1 ? 'it' : 'them'}.`
    findings.push(finding('database', 'note', message))
  }
  findings.push(...(await indexFindings(queryRunner, column, found, file)))
  const history = historyRemark(found)
  if (history !== undefined) findings.push(finding('database', 'warning', history))
  const rows = ciphertext.reduce((sum, group) => sum + group.rows, bare)
  if (rows > 0) findings.push(keyFinding(column, rows, ciphertext, keys, file))
  return findings
}

async function plaintextFindings(
  queryRunner: QueryRunner,
  column: BoundColumn,
  plaintext: number,
  file: string,
): Promise<Finding[]> {
  const accepted = column.scheme.options.acceptPlaintext === true
  const mismatch = await declaredTypeMismatch(queryRunner, column)
  const what = `${column.name}: ${count(plaintext, 'row')} of plaintext${accepted ? ', which acceptPlaintext lets pass' : ': reading them fails'}.`
  // What is encrypted under a wrong type is what the application cannot read.
  if (mismatch !== undefined) return [finding('database', 'problem', `${what} ${mismatch}`)]
  return [
    finding(
      'database',
      accepted ? 'warning' : 'problem',
      what,
      `typeorm-kms encrypt -d ${file} --columns ${column.name}`,
    ),
  ]
}

/** Stored data keys have no tag: their KMS key stands in the key table. */
function tagOf({ keyTag: tag, keyArn }: KeyCount): string {
  return tag ?? keyTag(keyArn ?? '').toString('hex')
}

/** Under which keys the values are, and whether that is the key that the application is configured for. */
function keyFinding(
  column: BoundColumn,
  rows: number,
  ciphertext: readonly KeyCount[],
  known: readonly string[],
  file: string,
): Finding {
  const rotate = `typeorm-kms rotate -d ${file} --columns ${column.name}`
  const keys = new Set(ciphertext.map(tagOf))
  const own = new Set(known.filter((arn) => arn.includes(':key/')).map((arn) => keyTag(arn).toString('hex')))
  const elsewhere = ciphertext.filter((group) => own.size > 0 && !own.has(tagOf(group)))
  const others = elsewhere.reduce((sum, group) => sum + group.rows, 0)
  if (others > 0 && others === rows) {
    return finding(
      'database',
      'warning',
      `${column.name}: ${count(rows, 'value')} encrypted, ${rows === 1 ? 'and it is' : 'all of them'} under another KMS key than the configured one (${column.recipes.keyId ?? 'that of the function keyId'}). The old key must stay as long as they do.`,
      rotate,
    )
  }
  // A function may name a key for each tenant.
  const areOwn = column.recipes.keyId === undefined && own.size > 0 && others === 0
  if (keys.size <= 1 || areOwn)
    return finding('database', 'ok', `${column.name}: ${count(rows, 'value')} encrypted`)
  return finding(
    'database',
    'note',
    `${column.name}: ${count(rows, 'value')} encrypted, under ${count(keys.size, 'KMS key')} (typeorm-kms status names them)`,
    rotate,
  )
}
