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
