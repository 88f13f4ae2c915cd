import { randomFillSync } from 'node:crypto'
import { IV_LENGTH } from './format'

/**
 * IVs drawn at once: to ask for 12 bytes takes as long as to ask for all these, and half as long as to encrypt a
 * value.
 */
const pool = Buffer.alloc(IV_LENGTH * 64)
/**
 * Milliseconds for which they are used. A virtual machine that stood still when a snapshot was made of it draws new
 * ones when it is resumed: two that are resumed from one snapshot would use the same under one data key.
 */
export const MAX_AGE = 10
let next = pool.length
let drawnAt = 0

/** A random IV. It is valid until the next one is drawn. */
export function nextIv(): Buffer {
  const now = performance.now()
  if (next === pool.length || now - drawnAt > MAX_AGE) {
    randomFillSync(pool)
    next = 0
    drawnAt = now
  }
  return pool.subarray(next, (next += IV_LENGTH))
}

/** IVs that are drawn and not used. */
export function ivsAhead(): number {
  return (pool.length - next) / IV_LENGTH
}
