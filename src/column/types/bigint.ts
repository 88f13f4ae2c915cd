import { InvalidValueError } from '../../errors'
import { mismatch, type ValueType } from './value-type'

/** Decimal text, of any length. */
export const bigintType: ValueType = {
  name: 'bigint',
  isImmutable: true,
  serialise(value) {
    if (typeof value !== 'bigint') throw mismatch('a bigint', value)
    return String(value)
  },
  deserialise(bytes) {
    const text = bytes.toString('latin1')
    if (!/^-?\d+$/.test(text)) throw new InvalidValueError('the value is not a bigint')
    return BigInt(text)
  },
}
