import { randomFillSync } from 'node:crypto'
import { IV_LENGTH } from '../format'

/**
 * IVs drawn at once: to ask for 12 bytes at a time costs half of what it costs to encrypt a value. None is left when
 * the turn of the event loop ends: of a virtual machine that is resumed twice from one snapshot, both would use those
 * that were drawn before it, under one data key.
 */
const pool = Buffer.alloc(IV_LENGTH * 64)
let next = pool.length
let isDropDue = false

/** A random IV. It is valid until the next one is drawn. */
export function nextIv(): Buffer {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
    if (!isDropDue) {
      isDropDue = true
      setImmediate(drop)
    }
  }
  return pool.subarray(next, (next += IV_LENGTH))
}

/** IVs that are drawn and not used. */
export function ivsAhead(): number {
  return (pool.length - next) / IV_LENGTH
}

function drop(): void {
  isDropDue = false
  next = pool.length
}
