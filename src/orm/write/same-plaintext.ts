import { type Plaintext } from '../../column/types'

/** True for the same text or the same bytes. */
export function samePlaintext(a: Plaintext, b: Plaintext): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}
