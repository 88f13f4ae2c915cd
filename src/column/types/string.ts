import { isUtf8 } from 'node:buffer'
import { InvalidValueError } from '../../errors'
import { mismatch, type ValueType } from './value-type'

/** Text as UTF-8. A lone surrogate has no UTF-8 form and would come back as U+FFFD, so it is refused. */
export const stringType: ValueType = {
  name: 'string',
  isImmutable: true,
  serialise(value) {
    if (typeof value !== 'string') throw mismatch('a string', value)
    if (!value.isWellFormed()) {
      throw new InvalidValueError(
        "the text holds a lone surrogate, which has no UTF-8 form. Clean it with toWellFormed(), or use type: 'json' or 'buffer'.",
      )
    }
    return value
  },
  deserialise(bytes) {
    const text = bytes.toString('utf8')
    if (text.includes('\uFFFD') && !isUtf8(bytes))
      throw new InvalidValueError("the value is not UTF-8 text. Is this a type: 'buffer' column?")
    return text
  },
}
