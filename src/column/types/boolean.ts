import { InvalidValueError } from '../../errors'
import { mismatch, type ValueType } from './value-type'

const VALUES = new Map([
  ['true', true],
  ['false', false],
])

/** The text `true` or `false`. */
export const booleanType: ValueType = {
  name: 'boolean',
  isImmutable: true,
  serialise(value) {
    if (typeof value !== 'boolean') throw mismatch('a boolean', value)
    return String(value)
  },
  deserialise(bytes) {
    const value = VALUES.get(bytes.toString('latin1'))
    if (value === undefined) throw new InvalidValueError('the value is not a boolean')
    return value
  },
}
