/**
 * How a column that values are bound to, or keyed by, is written as text: the same for what is sent to the database,
 * what a driver delivers and what an entity holds. See docs/ciphertext-format.md, "Values of pairs".
 */
export type RowValueForm =
  | IntegerForm
  | { readonly kind: 'uuid' }
  | { readonly kind: 'boolean' }
  /** `length`: most bytes. */
  | { readonly kind: 'bytes'; readonly length: number | undefined }
  /** `length`: most characters. `isAscii`: the character set cannot store every other character. */
  | { readonly kind: 'text'; readonly length: number | undefined; readonly isAscii: boolean }

/** Whole numbers from `min` to `max`; see `integerForm`. */
interface IntegerForm {
  readonly kind: 'integer'
  readonly min: bigint
  readonly max: bigint
  /** The same for numbers, which take long to compare with a bigint. */
  readonly least: number
  readonly most: number
}

export function integerForm(min: bigint, max: bigint): RowValueForm {
  return { kind: 'integer', min, max, least: Number(min), most: Number(max) }
}

/** A value that the database would store otherwise, or refuse. `expected` says what it takes; never the value. */
export interface NotOfForm {
  readonly expected: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/
// eslint-disable-next-line no-control-regex -- ASCII is what it says
const ASCII = /^[\x01-\x7f]*$/

/** The text of a value, which is neither null nor undefined. */
export function rowValueText(form: RowValueForm, value: unknown): string | NotOfForm {
  switch (form.kind) {
    case 'integer':
      return integerText(form, value)
    case 'uuid': {
      const text = typeof value === 'string' ? value.toLowerCase() : ''
      return UUID.test(text) ? text : { expected: 'a uuid with hyphens' }
    }
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : { expected: 'true or false' }
    case 'bytes':
      return bytesText(form, value)
    case 'text':
      return plainText(form, value)
  }
}

/** The value that has this text, for `rowValueText`; a text that no value has stays as it is. */
export function valueOfText(form: RowValueForm, text: string): unknown {
  if (form.kind === 'boolean') return text === 'true' || (text === 'false' ? false : text)
  if (form.kind === 'bytes' && /^(?:[0-9a-f]{2})*$/i.test(text)) return Buffer.from(text, 'hex')
  return text
}

function integerText(form: IntegerForm, value: unknown): string | NotOfForm {
  // A boolean is a number for the databases that have no such type.
  const number = typeof value === 'boolean' ? Number(value) : value
  if (typeof number === 'number') {
    // -0 is written 0.
    const isWithin = Number.isSafeInteger(number) && number >= form.least && number <= form.most
    return isWithin ? String(number) : noInteger(form)
  }
  const text = typeof number === 'bigint' ? String(number) : number
  if (typeof text !== 'string' || text.length > 20 || !INTEGER.test(text)) return noInteger(form)
  const exact = BigInt(text)
  return exact >= form.min && exact <= form.max ? text : noInteger(form)
}

function noInteger({ min, max }: IntegerForm): NotOfForm {
  return { expected: `a whole number from ${min} to ${max}, a large one as text or bigint` }
}

function bytesText(
  { length = Infinity }: Extract<RowValueForm, { kind: 'bytes' }>,
  value: unknown,
): string | NotOfForm {
  if (!(value instanceof Uint8Array)) return { expected: 'a Buffer' }
  if (value.length > length) return { expected: `at most ${length} bytes` }
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
}

function plainText(
  { length = Infinity, isAscii }: Extract<RowValueForm, { kind: 'text' }>,
  value: unknown,
): string | NotOfForm {
  if (typeof value !== 'string') return { expected: 'a string' }
  // Databases count characters, which are at most as many as UTF-16 units.
  if (value.length > length && Array.from(value).length > length)
    return { expected: `at most ${length} characters` }
  if (value.includes('\0')) return { expected: 'a string without NUL' }
  if (isAscii && !ASCII.test(value)) {
    return { expected: 'characters of ASCII, because the character set of the column lacks others' }
  }
  return value
}
