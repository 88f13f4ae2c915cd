import { mismatch, type ValueType } from './value-type'

/** Bytes as they are. Takes a `Buffer` or another `Uint8Array`, gives a `Buffer`. */
export const bufferType: ValueType = {
  name: 'buffer',
  isImmutable: false,
  serialise(value) {
    if (!(value instanceof Uint8Array)) throw mismatch('a Buffer or Uint8Array', value)
    return value
  },
  deserialise: (bytes) => bytes,
}
