import { InvalidValueError } from '../../errors'
import { mismatch, type ValueType } from './value-type'

/** Shortest decimal text that reads back as the same number (ECMA-262), with `-0`, `NaN` and the infinities kept. */
export const numberType: ValueType = {
  name: 'number',
  isImmutable: true,
  serialise(value) {
    if (typeof value !== 'number') throw mismatch('a number', value)
    return Object.is(value, -0) ? '-0' : String(value)
  },
  deserialise(bytes) {
    const text = bytes.toString('latin1')
    const value = Number(text)
    if (text.trim() === '' || (Number.isNaN(value) && text !== 'NaN')) {
      throw new InvalidValueError('the value is not a number')
    }
    return value
  },
}
