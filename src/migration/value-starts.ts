import { type QueryRunner } from 'typeorm'
import { HEADER_LENGTH, MAGIC, PREFIX_LENGTH, Suite, VERSION } from '../cipher/format'
import { ID_LENGTH } from '../cipher/suites/stored-key/seal'
import { bytesFromDriver } from '../column/driver-value'
import { type ColumnLayout } from './rows/column-layout'

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

/** What the values of suite 4 under one data key have in common. */
const STORED_KEY_LENGTH = PREFIX_LENGTH + ID_LENGTH
const NONE = Buffer.alloc(0)

function startOf(start: Buffer | null): Pick<ValueStart, 'kind' | 'header' | 'text'> {
  if (start === null) return { kind: 'null', header: NONE, text: false }
  if (start[0] === MAGIC) return { kind: 'ciphertext', header: start, text: false }
  if (start.length === 1 && start[0] === 0) return { kind: 'other', header: NONE, text: false }
  if (start.length === 1 && start[0] === 1) return { kind: 'bare', header: NONE, text: false }
  const bytes = Buffer.from(start.toString('latin1'), 'base64')
  const header = bytes.subarray(0, bytes[2] === Suite.StoredKey ? STORED_KEY_LENGTH : HEADER_LENGTH)
  return { kind: 'ciphertext', header, text: true }
}

/** Digits of base64 that hold the header. */
const HEADER_DIGITS = 10
const STORED_KEY_DIGITS = 26

class Start {
  readonly #layout: ColumnLayout
  readonly #bytes: string

  constructor(layout: ColumnLayout) {
    this.#layout = layout
    this.#bytes = layout.dialect.bytesSql(layout)
  }

  hex(digits: string): string {
    return this.#layout.dialect.bytesLiteral(digits)
  }

  /** `length` bytes from the byte `from`, the first of which is 1. */
  at(from: number, length: number): string {
    return `SUBSTR(${this.#bytes}, ${from}, ${length})`
  }

  /** They are these, in hexadecimal. */
  is(from: number, hex: string): string {
    return `${this.at(from, hex.length / 2)} = ${this.hex(hex)}`
  }

  /** They are this text. */
  says(from: number, text: string): string {
    return this.is(from, Buffer.from(text).toString('hex'))
  }

  /** One byte is this character or one of those up to the second, in the order of ASCII. */
  between(from: number, [first = '', last = '']: string): string {
    const [low, high] = [first, last].map((character) => this.hex(Buffer.from(character).toString('hex')))
    return `${this.at(from, 1)} BETWEEN ${String(low)} AND ${String(high)}`
  }

  get length(): string {
    return this.#layout.dialect.lengthSql(this.#bytes)
  }

  /** The first bytes of `C1`, and of `C1 01` in base64, whose third digit has the first two bits of the suite. */
  get bytesBegin(): string {
    return this.is(1, 'c1')
  }

  get textBegins(): string {
    return `${this.says(1, 'wQ')} AND ${this.between(3, 'EH')}`
  }
}

function startSql(layout: ColumnLayout): string {
  const start = new Start(layout)
  return (
    `CASE WHEN ${layout.name} IS NULL THEN NULL` +
    ` WHEN ${start.is(1, 'c10104')} THEN ${start.at(1, STORED_KEY_LENGTH)}` +
    ` WHEN ${start.says(1, 'wQEE')} THEN ${start.at(1, STORED_KEY_DIGITS)}` +
    ` WHEN ${start.bytesBegin} THEN ${start.at(1, HEADER_LENGTH)}` +
    ` WHEN ${start.textBegins} THEN ${start.at(1, HEADER_DIGITS)}` +
    ` WHEN ${isBare(start, layout)} THEN ${start.hex('01')} ELSE ${start.hex('00')} END`
  )
}

/** The outline of AWS's blobs: `01 .. .. 00 78`; an older one is `0A 20`. */
function outlineSql(layout: ColumnLayout): string {
  const start = new Start(layout)
  const blobAt = (at: number): string =>
    `((${start.is(at, '01')} AND ${start.is(at + 3, '0078')}) OR ${start.is(at, '0a20')})`
  // An envelope has two bytes of length before the blob. In base64 its blob begins with a digit of its own.
  const envelope = `(${start.is(3, '01')} AND ${blobAt(HEADER_LENGTH + 3)})`
  const direct = `(${start.is(3, '02')} OR ${start.is(3, '03')}) AND ${blobAt(HEADER_LENGTH + 1)}`
  const envelopeText = `(${start.says(1, 'wQEB')} AND (${textOutline(start, 13)} OR (${start.says(13, 'Ci')} AND ${start.between(15, 'AD')})))`
  return (
    `CASE WHEN ${layout.name} IS NULL THEN 0` +
    ` WHEN ${start.bytesBegin} AND (${envelope} OR (${direct})) THEN 1` +
    ` WHEN ${start.textBegins} AND (${envelopeText} OR ${directText(start)}) THEN 1 ELSE 0 END`
  )
}

/** A blob after 7 bytes of header begins in the middle of the tenth digit. */
function directText(start: Start): string {
  const zeroBits = (digit: number): string =>
    `${start.at(digit, 1)} IN (${['A', 'Q', 'g', 'w'].map((one) => start.hex(Buffer.from(one).toString('hex'))).join(', ')})`
  const aws = `${start.between(11, 'EH')} AND ${zeroBits(14)} AND ${start.says(15, 'B4')}`
  const suite = `(${start.says(1, 'wQEC')} OR ${start.says(1, 'wQED')})`
  return `(${suite} AND ${zeroBits(10)} AND ((${aws}) OR ${start.says(11, 'og')}))`
}

/** `A[Q-f]??AH[g-j]` */
function textOutline(start: Start, at: number): string {
  return `(${start.says(at, 'A')} AND ${start.between(at + 1, 'Qf')} AND ${start.says(at + 4, 'AH')} AND ${start.between(at + 6, 'gj')})`
}

function isBare(start: Start, layout: ColumnLayout): string {
  const isText = layout.dialect.isTextSql(layout)
  const bytes = `${start.is(1, '01')} AND ${start.is(4, '0078')} AND ${start.length} BETWEEN 100 AND 6144`
  const text = `${isText} AND ${textOutline(start, 1)} AND ${start.length} BETWEEN 136 AND 8192 AND ${start.length} % 4 = 0`
  return `(${bytes}) OR (${text})`
}
