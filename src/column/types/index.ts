import { bigintType } from './bigint'
import { booleanType } from './boolean'
import { bufferType } from './buffer'
import { dateType } from './date'
import { inferredJsonType, jsonType } from './json'
import { numberType } from './number'
import { stringType } from './string'
import { type ValueType, type ValueTypeName } from './value-type'

export { mismatch, type Plaintext, type ValueType, type ValueTypeName } from './value-type'

/** The value types by name. */
export const valueTypes: Readonly<Record<ValueTypeName, ValueType>> = {
  string: stringType,
  buffer: bufferType,
  json: jsonType,
  number: numberType,
  bigint: bigintType,
  boolean: booleanType,
  date: dateType,
}

/**
 * The value type that TypeScript's `design:type` of a property stands for. Classes and interfaces are JSON;
 * `undefined` means that the compiler said nothing.
 */
export function valueTypeOf(designType: unknown): ValueType | undefined {
  switch (designType) {
    case String:
      return stringType
    case Number:
      return numberType
    case Boolean:
      return booleanType
    case BigInt:
      return bigintType
    case Date:
      return dateType
    case Buffer:
    case Uint8Array:
      return bufferType
    case undefined:
    case Promise:
    case Function:
    case Symbol:
      return undefined
    default:
      return inferredJsonType
  }
}
