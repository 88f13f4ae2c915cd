import { InvalidValueError } from '../../errors'
import { mismatch, type ValueType } from './value-type'

/** ISO 8601 in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const dateType: ValueType = {
  name: 'date',
  isImmutable: false,
  serialise(value) {
    if (!(value instanceof Date)) throw mismatch('a Date', value)
    if (Number.isNaN(value.getTime()))
      throw new InvalidValueError('the Date is invalid. Nothing was sent to KMS or the database.')
    return value.toISOString()
  },
  deserialise(bytes) {
    const value = new Date(bytes.toString('latin1'))
    if (Number.isNaN(value.getTime())) throw new InvalidValueError('the value is not a date')
    return value
  },
}
