import { type QueryRunner } from 'typeorm'
import { HEADER_LENGTH, MAGIC, PREFIX_LENGTH, Suite, VERSION } from '../cipher/format'
import { bytesFromDriver } from '../column/driver-value'
import { type ColumnLayout } from './rows/column-layout'
import { outlineSql, startSql, STORED_KEY_LENGTH } from './value-start-sql'

/** Rows whose stored values begin alike, as far as tells what they are; nothing of a plaintext. */
export interface ValueStart {
  /**
   * - `null`: NULL.
   * - `ciphertext`: begins like a ciphertext of this library, as bytes or as base64. It need not be one.
   * - `bare`: has the outline of a `CiphertextBlob` of AWS, as bytes or as base64.
   * - `other`: neither, so plaintext.
   */
  kind: 'null' | 'ciphertext' | 'bare' | 'other'
  /**
   * The first 7 bytes of what begins like a ciphertext, 19 of suite 4, fewer if it has no more; base64 is decoded.
   */
  header: Buffer
  /** It is base64. */
  text: boolean
  /** What follows the header has the outline of a blob of AWS: then it is no plaintext that happens to begin so. */
  outlined: boolean
  rows: number
}

/**
 * Counts the values of a column by how they begin: one grouped query. `from` is the table, or what stands for it where
 * earlier versions of the rows are wanted, too, or some of them only, with its parameters.
 */
export async function valueStarts(
  queryRunner: QueryRunner,
  layout: ColumnLayout,
  from = layout.table,
  parameters: unknown[] = [],
): Promise<ValueStart[]> {
  const rows = (await queryRunner.query(
    `SELECT ${startSql(layout)} AS _s, ${outlineSql(layout)} AS _o, COUNT(*) AS _n FROM ${from} GROUP BY 1, 2`,
    parameters,
  )) as { _s: unknown; _o: number | string; _n: number | string }[]
  return rows.map(({ _s, _o, _n }) => ({
    ...startOf(_s === null ? null : bytesFromDriver(_s, layout.place)),
    outlined: Number(_o) === 1,
    rows: Number(_n),
  }))
}

/** `undefined` for a version or a suite that this release does not know, or a header that is cut off. */
export function modeOf(header: Buffer): 'envelope' | 'direct' | undefined {
  if (header.length < HEADER_LENGTH || header[1] !== VERSION) return undefined
  if (header[2] === Suite.Envelope) return 'envelope'
  return header[2] === Suite.Direct || header[2] === Suite.DirectEmpty ? 'direct' : undefined
}

/** The id of the stored data key that values of suite 4 name, if they are long enough to name one. */
export function dataKeyIdOf({ kind, header }: Pick<ValueStart, 'kind' | 'header'>): Buffer | undefined {
  if (kind !== 'ciphertext' || header.length < STORED_KEY_LENGTH) return undefined
  if (header[1] !== VERSION || header[2] !== Suite.StoredKey) return undefined
  return header.subarray(PREFIX_LENGTH, STORED_KEY_LENGTH)
}

const NONE = Buffer.alloc(0)

/** What `startSql` delivered, read. */
export function startOf(start: Buffer | null): Pick<ValueStart, 'kind' | 'header' | 'text'> {
  if (start === null) return { kind: 'null', header: NONE, text: false }
  if (start[0] === MAGIC) return { kind: 'ciphertext', header: start, text: false }
  if (start[0] === 0) return { kind: 'other', header: NONE, text: false }
  if (start[0] === 1) return { kind: 'bare', header: NONE, text: false }
  // Its digits are those of the header, and some bits more.
  return { kind: 'ciphertext', header: Buffer.from(start.toString('latin1'), 'base64'), text: true }
}
