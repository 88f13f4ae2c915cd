/** True for the same bytes; text stands for its UTF-8. */
export function isSame(a: Buffer | string, b: Buffer | string | undefined): boolean {
  if (b === undefined) return false
  if (typeof a === 'string' && typeof b === 'string') return a === b
  return Buffer.from(a).equals(Buffer.from(b))
}
