import { parse } from '../cipher/ciphertext'
import { DriverValueError, type ErrorDetails } from '../errors'

/** A stored value: bytes, or text where the column holds base64 or plaintext. */
export type Stored = Buffer | string

/**
 * What a driver may deliver for a column.
 *
 * - `bytes`: the column is binary, so anything else was made of the bytes by a setting of the driver.
 * - `any storage class`: a binary column of SQLite, where each value has a type of its own and text is text.
 * - `text`: the column is not binary. Text, numbers and dates are plaintext that was never encrypted.
 */
export type Delivery = 'bytes' | 'any storage class' | 'text'

/** The bytes of a value, if it is bytes in any of JavaScript's forms. They are not copied. */
export function asBytes(value: unknown): Buffer | undefined {
  if (Buffer.isBuffer(value)) return value
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  return undefined
}

/**
 * The bytes that a driver delivered for a binary column or a binary expression (`CAST(… AS BLOB)`,
 * `convert_to(…)`, `SUBSTR` of a blob), not copied. Use it for every binary value that a raw query returns, before
 * the value is judged, counted, compared or written: a driver that turns bytes into text delivers mangled
 * ciphertext, which looks like plaintext.
 *
 * `null` is for the caller to handle. `place` is what is known of entity, property and primary key.
 *
 * @throws DriverValueError for anything but bytes.
 *
 * @example
 * ```ts
 * const [row] = await queryRunner.query(`SELECT ${bytesSql(layout)} AS v FROM …`)
 * const stored = bytesFromDriver(row.v, { entity: 'User', property: 'privateKey' })
 * ```
 */
export function bytesFromDriver(value: unknown, place: ErrorDetails = {}): Buffer {
  const bytes = asBytes(value)
  if (bytes) return bytes
  throw driverValueError(value, place)
}

/**
 * A value of a column as a driver or the query result cache delivered it. The cache keeps rows as JSON, so its
 * Buffers are `{ type: 'Buffer', data: […] }`, and the Uint8Arrays of some drivers `{ 0: …, 1: … }`.
 *
 * @throws DriverValueError if the column is binary and the value is not what it holds.
 */
export function storedFromDriver(value: unknown, delivery: Delivery, place: ErrorDetails = {}): Stored {
  const bytes =
    asBytes(value) ?? bufferFromJson(value) ?? (delivery === 'text' ? undefined : bytesByPosition(value))
  if (bytes) return bytes
  switch (delivery) {
    case 'bytes':
      throw driverValueError(value, place)
    case 'any storage class':
      if (typeof value === 'object' || isMangled(value)) throw driverValueError(value, place)
      return textOf(value)
    case 'text':
      return textOf(value)
  }
}

function bufferFromJson(value: unknown): Buffer | undefined {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('data' in value))
    return undefined
  return value.type === 'Buffer' && Array.isArray(value.data) ? Buffer.from(value.data) : undefined
}

/** The JSON of a Uint8Array: `{"0":193,"1":1}`. A column that is not binary may hold such JSON as plaintext. */
function bytesByPosition(value: unknown): Buffer | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  const isByte = ([name, byte]: [string, unknown], position: number): boolean =>
    name === String(position) && typeof byte === 'number' && Number.isInteger(byte) && byte >= 0 && byte < 256
  if (entries.length === 0 || !entries.every(isByte)) return undefined
  return Buffer.from(entries.map(([, byte]) => Number(byte)))
}

/** A ciphertext that was read as hex, latin1 or UTF-8: SQLite itself makes no such text of bytes. */
function isMangled(value: unknown): boolean {
  if (typeof value !== 'string') return false
  if (value.startsWith('\u{fffd}\u{1}') || value.startsWith('\u{c1}\u{1}')) return true
  const hex = /^(?:\\x|0x)?(c101(?:[0-9a-f]{2})+)$/i.exec(value)?.[1]
  return hex !== undefined && parse(Buffer.from(hex, 'hex')).kind === 'ciphertext'
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return value instanceof Date ? value.toISOString() : JSON.stringify(value)
}

function driverValueError(value: unknown, place: ErrorDetails): DriverValueError {
  return new DriverValueError(
    `expected the bytes of a binary column, got ${formOf(value)}. A setting of the driver converts them: for mysql2 the option typeCast (extra.typeCast); for pg a type parser for bytea (pg.types.setTypeParser(17, …), or extra.types) or the option binary (extra.binary); for better-sqlite3 a wrapper around the driver. Remove it, or let it return Buffers for binary columns. If the column in the database is of a text type, write its migration first: typeorm-kms migration:generate. Nothing was changed; do not encrypt the rows again.`,
    place,
  )
}

/** The form of what came, never the value. */
function formOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return `a string of ${value.length} characters`
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value) ? 'an array' : 'an object that is no bytes'
}
