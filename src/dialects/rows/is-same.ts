/** True for the same bytes; text stands for its UTF-8. */
export function isSame(a: Buffer | string, b: Buffer | string | undefined): boolean {
  if (b === undefined) return false
  if (typeof a === 'string' && typeof b === 'string') return a === b
  return asBuffer(a).equals(asBuffer(b))
}

/** The bytes of a stored value; those of a Buffer are not copied. */
export function asBuffer(stored: Buffer | string): Buffer {
  return typeof stored === 'string' ? Buffer.from(stored) : stored
}

/** True for the same value as a driver delivers it. */
export function isDelivered(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.from(a).equals(b)
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime()
  return a === b
}
