import { HEADER_LENGTH, MAGIC, PREFIX_LENGTH, Suite, VERSION } from '../cipher/format'
import { ID_LENGTH } from '../cipher/suites/stored-key/seal'
import { type ColumnLayout } from '../dialects/column-layout'

/** What the values of suite 4 under one data key have in common. */
export const STORED_KEY_LENGTH = PREFIX_LENGTH + ID_LENGTH
/** Digits of base64 that hold the header. */
const HEADER_DIGITS = 10
const STORED_KEY_DIGITS = 26

/** The first bytes of a column's values, in SQL. */
export class Start {
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

/** What tells how a value begins: the header of what may be a ciphertext, else one byte for what it is. */
export function startSql(layout: ColumnLayout): string {
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
export function outlineSql(layout: ColumnLayout): string {
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

/** How many bytes `startSql` takes of a value that begins so. */
export function lengthOf(bytes: Buffer): number {
  if (bytes[0] !== MAGIC)
    return bytes.toString('latin1').startsWith('wQEE') ? STORED_KEY_DIGITS : HEADER_DIGITS
  return bytes[1] === VERSION && bytes[2] === Suite.StoredKey ? STORED_KEY_LENGTH : HEADER_LENGTH
}
