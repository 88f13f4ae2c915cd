import { type EntityTarget, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { HEADER_LENGTH, isCiphertext, keyTag, Suite, VERSION } from '../cipher/format'
import { type BoundColumn } from '../orm/bound-column'
import { type ColumnLayout, readLayout } from './rows/column-layout'
import { dataSourceOf, encryptedColumn, type Executor, isQueryRunner } from './target'

export interface ColumnStatusOptions {
  /** ARNs of KMS keys that may be in use, so that their key tags can be named. */
  keys?: readonly string[]
}

/** Ciphertexts of one kind under one KMS key. */
export interface KeyCount {
  /** Version of the format. */
  version: number
  mode: 'envelope' | 'direct'
  /** The first 4 bytes of SHA-256 of the KMS key's ARN, in hexadecimal. */
  keyTag: string
  /** The KMS key, if it is among those that are known. */
  keyArn: string | undefined
  rows: number
}

/** What a column holds. */
export interface ColumnStatus {
  entity: string
  property: string
  /** Path of the table and name of the column in the database, and its type there. */
  table: string
  column: string
  type: string
  /** All rows. */
  rows: number
  null: number
  plaintext: number
  ciphertext: readonly KeyCount[]
  /** `CiphertextBlob`s of KMS that another program stored, in a text column as base64. Only KMS knows their key. */
  bare: number
  /** Ciphertexts that are base64 or bytes against the column's `storage`: they are read, and `rotateColumns` converts them. */
  otherStorage: number
  /** Begin like a ciphertext, and are of no version or suite that this release knows. */
  unknown: number
}

/**
 * Counts the rows of an encrypted column by what they hold: one grouped query, no value leaves the database, no
 * call to KMS. A binary column whose plaintext happens to begin with the bytes of a ciphertext counts it as such.
 *
 * @throws NotEncryptedColumnError, ColumnTypeError (the database has no such column).
 *
 * @example
 * ```ts
 * const { plaintext, ciphertext } = await columnStatus(dataSource, User, 'privateKey')
 * ```
 */
export async function columnStatus(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  property: string,
  { keys = [] }: ColumnStatusOptions = {},
): Promise<ColumnStatus> {
  const column = encryptedColumn(executor, entity, property)
  if (isQueryRunner(executor)) return readStatus(executor, column, keys)
  const runner = dataSourceOf(executor).createQueryRunner('master')
  try {
    return await readStatus(runner, column, keys)
  } finally {
    await runner.release()
  }
}

/** Bytes of a direct ciphertext that are the same for all under one key: header and the outline of KMS's blob. */
const DIRECT_START = 12
/** The same for an envelope ciphertext, which has 2 bytes of length in between. */
const ENVELOPE_START = 14
/** As many digits of base64 are whole bytes: 12. */
const TEXT_START = 16

async function readStatus(
  queryRunner: QueryRunner,
  column: BoundColumn,
  keys: readonly string[],
): Promise<ColumnStatus> {
  const layout = await readLayout(queryRunner, column)
  const groups = (await queryRunner.query(
    `SELECT ${startSql(layout)} AS _s, COUNT(*) AS _n FROM ${layout.table} GROUP BY 1`,
  )) as { _s: Buffer | null; _n: number | string }[]
  const { entityMetadata, propertyPath, databaseName } = column.metadata
  const status = { rows: 0, null: 0, plaintext: 0, bare: 0, otherStorage: 0, unknown: 0 }
  const ciphertext = new Map<string, KeyCount>()
  const isText = column.scheme.options.storage === 'text'
  const arns = new Map([...keys, column.recipe.keyId].map((arn) => [keyTag(arn).toString('hex'), arn]))
  for (const { _s: start, _n } of groups) {
    const rows = Number(_n)
    status.rows += rows
    const kind = start === null ? 'null' : kindOf(start, column)
    if (typeof kind === 'string') status[kind] += rows
    else {
      if (isCiphertext(start!) === isText) status.otherStorage += rows
      const id = `${kind.mode} ${kind.keyTag}`
      const known = ciphertext.get(id) ?? { ...kind, keyArn: arns.get(kind.keyTag), rows: 0 }
      ciphertext.set(id, { ...known, rows: known.rows + rows })
    }
  }
  return {
    entity: entityMetadata.name,
    property: propertyPath,
    table: entityMetadata.tablePath,
    column: databaseName,
    type: layout.type,
    ...status,
    ciphertext: Array.from(ciphertext.values()).sort((a, b) => b.rows - a.rows),
  }
}

/** How a value begins, as far as rows of one kind share it; nothing of a plaintext. */
function startSql(layout: ColumnLayout): string {
  const { dialect } = layout
  const bytes = dialect.bytesSql(layout)
  const hex = (digits: string): string => dialect.bytesLiteral(digits)
  const at = (from: number, length: number): string => `SUBSTR(${bytes}, ${from}, ${length})`
  const length = dialect.lengthSql(bytes)
  const isBlob = `${at(1, 1)} = ${hex('01')} AND ${at(4, 2)} = ${hex('0078')} AND ${length} BETWEEN 100 AND 6144`
  // The same in base64: `A[Q-f]??AH[g-j]`.
  const isBlobText =
    `${dialect.isTextSql(layout)} AND ${at(1, 1)} = ${hex('41')} AND ${at(2, 1)} BETWEEN ${hex('51')} AND ${hex('66')}` +
    ` AND ${at(5, 2)} = ${hex('4148')} AND ${at(7, 1)} BETWEEN ${hex('67')} AND ${hex('6a')}` +
    ` AND ${length} BETWEEN 136 AND 8192 AND ${length} % 4 = 0`
  return (
    `CASE WHEN ${layout.name} IS NULL THEN NULL` +
    ` WHEN ${at(1, 1)} = ${hex('c1')} AND ${at(3, 1)} = ${hex('01')} THEN ${at(1, ENVELOPE_START)}` +
    ` WHEN ${at(1, 1)} = ${hex('c1')} THEN ${at(1, DIRECT_START)}` +
    ` WHEN ${at(1, 3)} = ${hex('775145')} THEN ${at(1, TEXT_START)}` +
    ` WHEN ${isBlob} OR ${isBlobText} THEN ${hex('01')} ELSE ${hex('00')} END`
  )
}

type Kind = 'plaintext' | 'bare' | 'unknown' | Pick<KeyCount, 'version' | 'mode' | 'keyTag'>

function kindOf(start: Buffer, column: BoundColumn): Kind {
  if (start.length === 1 && start[0] === 0x00) return 'plaintext'
  if (start.length === 1 && start[0] === 0x01) return 'bare'
  const text = !isCiphertext(start)
  const bytes = text ? Buffer.from(start.toString('latin1'), 'base64') : start
  const suite = bytes[2]
  const isEnvelope = suite === Suite.Envelope
  const isKnown = isEnvelope || suite === Suite.Direct || suite === Suite.DirectEmpty
  const blob = bytes.subarray(isEnvelope ? HEADER_LENGTH + 2 : HEADER_LENGTH)
  if (bytes[1] !== VERSION || !isKnown || !isBlobStart(blob)) {
    return text || column.scheme.type.name === 'buffer' ? 'plaintext' : 'unknown'
  }
  const tag = bytes.toString('hex', 3, HEADER_LENGTH)
  return { version: VERSION, mode: isEnvelope ? 'envelope' : 'direct', keyTag: tag }
}

function isBlobStart(blob: Buffer): boolean {
  if (blob.length < 3) return false
  const rest = blob.length < 5 || (blob[3] === 0x00 && blob[4] === 0x78)
  return (blob[0] === 0x01 && rest) || (blob[0] === 0x0a && blob[1] === 0x20)
}
