import { InvalidOptionError, InvalidValueError } from '../errors'
import { type EncryptionContext } from './context'
import { isReservedName } from './reserved-names'

/** Most bytes of UTF-8 in the value of a pair. */
export const MAX_PAIR_VALUE = 1_024

/** Most bytes of serialised pairs: KMS takes 8,192 bytes of context, and the library adds a pair to some. */
const MAX_PAIRS = 8_128

/** Refuses pairs that KMS would not take together, before it is asked. */
export function checkPairsSize(bytes: number): void {
  if (bytes <= MAX_PAIRS) return
  throw new InvalidValueError(
    `the encryption context and what the value is bound to have ${bytes} bytes together, and KMS takes ${MAX_PAIRS}: bind to fewer or shorter properties`,
  )
}

/** Refuses a name for a pair of `boundTo.row` or `keyPer` that could be confused with another pair. */
export function checkPairName(name: string, context: EncryptionContext, where: Where = {}): void {
  if (name === '' || !name.isWellFormed()) {
    throw new InvalidOptionError('the name of a pair must be well-formed and not empty', where)
  }
  if (name === 'table' || isReservedName(name)) {
    throw new InvalidOptionError(
      `"${name}" cannot be the name of a pair: the library uses it. Give the pair another name: { name: property }.`,
      where,
    )
  }
  if (Object.hasOwn(context, name)) {
    throw new InvalidOptionError(
      `"${name}" cannot be the name of a pair: the encryption context has it already. Give the pair another name: { name: property }.`,
      where,
    )
  }
}

/** Refuses a value for a pair that other languages could not bind the same way, or that KMS would not take. */
export function checkPairValue(name: string, value: string, where: Where = {}): void {
  if (!value.isWellFormed()) {
    throw new InvalidValueError(`the value of "${name}" has lone surrogates, which UTF-8 cannot have`, where)
  }
  const bytes = Buffer.byteLength(value)
  if (bytes > MAX_PAIR_VALUE) {
    throw new InvalidValueError(
      `the value of "${name}" has ${bytes} bytes; what a value is bound to or keyed by has at most ${MAX_PAIR_VALUE}`,
      where,
    )
  }
}

/** The pairs of `boundTo.row` under the names that they have in the binding. */
export function rowPairs(values: EncryptionContext): EncryptionContext {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`row.${name}`, value]))
}

interface Where {
  entity?: string
  property?: string
}
