import { type PlainBytes, type PlaintextBytes } from '../../cipher/bytes'
import { InvalidValueError } from '../../errors'

/** The JavaScript types that an encrypted column can hold. */
export type ValueTypeName = 'string' | 'buffer' | 'json' | 'number' | 'bigint' | 'boolean' | 'date'

/** What is encrypted: text stands for its UTF-8 bytes. */
export type Plaintext = string | PlainBytes

/** Turns values of one JavaScript type into bytes and back, without altering them. */
export interface ValueType {
  readonly name: ValueTypeName
  /** True if nobody can change a value, so that several may have the same. */
  readonly isImmutable: boolean
  /** Throws `InvalidValueError` for a value of another type, or one that could not be read back as it is. */
  serialise(value: unknown): Plaintext
  /** Throws for bytes that `serialise` cannot have made. */
  deserialise(bytes: PlaintextBytes): unknown
}

/** The error for a value that does not fit. It names the type that was found, never the value. */
export function mismatch(expected: string, value: unknown): InvalidValueError {
  return new InvalidValueError(
    `expected ${expected}, got ${kindOf(value)}. Nothing was sent to KMS or the database.`,
  )
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  return `an object of class ${classOf(value)}`
}

/** Name of the class of an object, by its prototype: a `constructor` of its own is data. */
export function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null
  return prototype?.constructor?.name ?? 'null'
}
