import { types } from 'node:util'
import { InvalidValueError } from '../../errors'
import { classOf, mismatch, type ValueType } from './value-type'

/**
 * JSON text (RFC 8259). What JSON cannot hold is refused rather than altered: `NaN` and the infinities, bigints,
 * dates, buffers, maps, sets, functions, `undefined` inside an array, anything with a `toJSON`. A member that is
 * `undefined` is left out, `-0` becomes `0`, and an instance of a class comes back as a plain object.
 */
export const jsonType: ValueType = {
  name: 'json',
  isImmutable: false,
  serialise(value) {
    checkJson(value, '', new Set())
    return JSON.stringify(value)
  },
  deserialise(bytes) {
    try {
      return JSON.parse(bytes.toString('utf8')) as unknown
    } catch {
      // The parser's message quotes the text.
      throw new InvalidValueError('the value is not JSON')
    }
  },
}

/**
 * JSON whose type was not given but concluded from `design:type`, which is `Object` for a class or an interface
 * and, with some compilers, for a union such as `string | null`. What is not an object or array is refused, so
 * that the stored form does not depend on the compiler.
 */
export const inferredJsonType: ValueType = {
  name: 'json',
  isImmutable: false,
  serialise: (value) => jsonType.serialise(checkObjectOrArray(value)),
  deserialise: (bytes) => checkObjectOrArray(jsonType.deserialise(bytes)),
}

function checkObjectOrArray(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) return value
  const { reason } = mismatch('an object or array', value)
  throw new InvalidValueError(
    `${reason} The compiler did not tell the type of the property; give it: @KmsEncrypted({ type: 'string' }), or 'json' for any JSON value.`,
  )
}

/** Built-in objects that JSON would make `{}` or something else of. */
const REFUSED = [
  types.isAnyArrayBuffer,
  types.isArrayBufferView,
  types.isBoxedPrimitive,
  types.isMap,
  types.isNativeError,
  types.isPromise,
  types.isRegExp,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
]

function checkJson(value: unknown, path: string, parents: Set<object>): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) throw refuse(path, 'NaN or an infinity')
      return
    case 'object':
      if (value !== null) checkObject(value, path, parents)
      return
    default:
      throw refuse(path, typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`)
  }
}

function checkObject(value: object, path: string, parents: Set<object>): void {
  if (parents.has(value)) throw refuse(path, 'a reference to an object that contains it')
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    throw refuse(path, `an object with a toJSON method (${classOf(value)})`)
  }
  if (REFUSED.some((is) => is(value))) throw refuse(path, `a ${classOf(value)}`)
  parents.add(value)
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) checkJson(value[index], `${path}[${index}]`, parents)
  } else {
    for (const member of Object.values(value) as unknown[]) {
      if (member !== undefined) checkJson(member, `${path}.*`, parents)
    }
  }
  parents.delete(value)
}

/** `path` has no names of members: they are part of the value, and may be all of its secret. */
function refuse(path: string, what: string): InvalidValueError {
  const place = path === '' ? 'the value is' : `the value at ${path} is`
  return new InvalidValueError(
    `${place} ${what}, which JSON cannot hold. Convert it first (a Date: toISOString(); bytes: toString('base64')), or choose another type for the column.`,
  )
}
