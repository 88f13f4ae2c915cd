import { type HiddenBy } from '../dialects/dialect'
import { type EntityTarget, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { keyTag, VERSION } from '../cipher/format'
import { type BoundColumn } from '../orm/bound-column'
import { type ColumnContents, columnContents } from './column-contents'
import { type IndexCount } from './indexes/index-counts'
import { dataSourceOf, encryptedColumn, type Executor, withRunner } from './target'
import { type NamedDataKey, namedDataKeys } from './data-keys/named-data-keys'
import { dataKeyIdOf, modeOf, type ValueStart } from './value-starts'

export interface ColumnStatusOptions {
  /** ARNs of KMS keys that may be in use, so that their key tags can be named. */
  keys?: readonly string[]
}

/** Ciphertexts of one kind under one KMS key. */
export interface KeyCount {
  /** Version of the format. */
  version: number
  /** `stored`: they name data keys in the key table, instead of carrying theirs. */
  mode: 'envelope' | 'direct' | 'stored'
  /** The first 4 bytes of SHA-256 of the KMS key's ARN, in hexadecimal. Those of mode `stored` have none. */
  keyTag: string | undefined
  /** The KMS key, if it is among those that are known; of mode `stored`, as the key table has it. */
  keyArn: string | undefined
  /** Stored data keys that the values name; `undefined` for other modes. */
  dataKeys: number | undefined
  rows: number
}

/** What a column holds. */
export interface ColumnStatus extends Counts {
  entity: string
  property: string
  /** Path of the table and name of the column in the database, and its type there. */
  table: string
  column: string
  type: string
  /**
   * What may hide rows from this role: row level security of PostgreSQL (`policy`), or that the entity is mapped to a
   * view or a foreign table (`view`). Then the counts are of the others, and an empty count does not mean that there is
   * none. `undefined` if nothing does.
   */
  hiddenBy: HiddenBy | undefined
  /**
   * Earlier versions of the rows, where the database keeps them (system-versioned tables of MariaDB). They keep the
   * plaintext of rows that were encrypted since, and ciphertexts under keys that were rotated since.
   */
  history: Counts | undefined
  /** The blind indexes beside the column. */
  indexes: readonly IndexCount[]
}

/** Rows by what they hold. */
export interface Counts {
  /** All rows. */
  rows: number
  null: number
  plaintext: number
  ciphertext: readonly KeyCount[]
  /** `CiphertextBlob`s of KMS that another program stored, in a text column as base64. Only KMS knows their key. */
  bare: number
  /** Ciphertexts that are base64 or bytes against the column's `storage`: they are read, and `rotateColumns` converts them. */
  otherStorage: number
  /** Name a data key that was destroyed on purpose. */
  forgotten: number
  /** Name a data key that the key table does not have: lost, unless a restore brings it back. */
  missing: number
  /** Begin like a ciphertext, and are of no version or suite that this release knows. */
  unknown: number
}

/**
 * Counts the rows of an encrypted column by what they hold: one grouped query, no value leaves the database, no
 * call to KMS. A binary column whose plaintext happens to begin with the bytes of a ciphertext counts it as such.
 *
 * @throws NotEncryptedColumnError, ColumnTypeError (the database has no such column), TableAccessError (the role may
 * not read it).
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
  return withRunner(executor, (queryRunner) => readStatus(queryRunner, column, keys))
}

/** `counted`: how its values begin, where that was counted before. */
export async function readStatus(
  queryRunner: QueryRunner,
  column: BoundColumn,
  keys: readonly string[],
  counted?: readonly ValueStart[],
): Promise<ColumnStatus> {
  const contents = await columnContents(queryRunner, column, counted)
  const starts = [...contents.current, ...(contents.history ?? [])]
  return statusOf(column, contents, keys, await namedDataKeys(dataSourceOf(queryRunner), starts))
}

/** What a column holds, by what was looked at; `dataKeys`: those that its values name. */
export function statusOf(
  column: BoundColumn,
  { layout, current, history, hiddenBy, indexes }: ColumnContents,
  keys: readonly string[],
  dataKeys: ReadonlyMap<string, NamedDataKey>,
): ColumnStatus {
  const arns = new Map(
    [...keys, column.recipes.keyId ?? []].flat().map((arn) => [keyTag(arn).toString('hex'), arn]),
  )
  const known = { arns, dataKeys }
  const { entityMetadata, propertyPath, databaseName } = column.metadata
  return {
    entity: entityMetadata.name,
    property: propertyPath,
    table: entityMetadata.tablePath,
    column: databaseName,
    type: layout.type,
    ...countsOf(current, column, known),
    hiddenBy,
    history: history && countsOf(history, column, known),
    indexes,
  }
}

/** What is known of keys: ARNs by key tag, and stored data keys by id. */
interface Known {
  arns: ReadonlyMap<string, string>
  dataKeys: ReadonlyMap<string, NamedDataKey>
}

function countsOf(starts: readonly ValueStart[], column: BoundColumn, known: Known): Counts {
  const counts = {
    rows: 0,
    null: 0,
    plaintext: 0,
    bare: 0,
    otherStorage: 0,
    forgotten: 0,
    missing: 0,
    unknown: 0,
  }
  const ciphertext = new Map<string, KeyCount>()
  const isText = column.scheme.options.storage === 'text'
  for (const start of starts) {
    counts.rows += start.rows
    const kind = kindOf(start, column, known)
    if (typeof kind === 'string') {
      counts[kind] += start.rows
      continue
    }
    if (start.text !== isText) counts.otherStorage += start.rows
    const id = `${kind.mode} ${kind.keyTag ?? kind.keyArn ?? ''}`
    const before = ciphertext.get(id)
    const dataKeys = kind.dataKeys === undefined ? undefined : kind.dataKeys + (before?.dataKeys ?? 0)
    ciphertext.set(id, { ...kind, dataKeys, rows: start.rows + (before?.rows ?? 0) })
  }
  return { ...counts, ciphertext: Array.from(ciphertext.values()).sort((a, b) => b.rows - a.rows) }
}

type Kind = 'null' | 'plaintext' | 'bare' | 'forgotten' | 'missing' | 'unknown' | Omit<KeyCount, 'rows'>

function kindOf(start: ValueStart, column: BoundColumn, { arns, dataKeys }: Known): Kind {
  if (start.kind === 'other') return 'plaintext'
  if (start.kind !== 'ciphertext') return start.kind
  const { header, outlined, text } = start
  const dataKeyId = dataKeyIdOf(start)
  if (dataKeyId) {
    const dataKey = dataKeys.get(dataKeyId.toString('hex'))
    // It may name a key that is gone, and be no plaintext all the same.
    if (dataKey?.state !== 'there') return dataKey?.state ?? 'missing'
    const { keyReference } = dataKey.row
    return { version: VERSION, mode: 'stored', keyTag: undefined, keyArn: keyReference, dataKeys: 1 }
  }
  // 0xC1 occurs in no UTF-8: only bytes, and texts that are base64, can begin like a ciphertext and be none.
  const doubtful = text || column.scheme.type.name === 'buffer'
  const mode = modeOf(header)
  if (mode === undefined) return doubtful ? 'plaintext' : 'unknown'
  const tag = header.toString('hex', 3)
  if (doubtful && !outlined && !arns.has(tag)) return 'plaintext'
  return { version: VERSION, mode, keyTag: tag, keyArn: arns.get(tag), dataKeys: undefined }
}
