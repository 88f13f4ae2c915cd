import { randomFillSync } from 'node:crypto'
import { IV_LENGTH } from '../format'

/** IVs are drawn from a pool, because asking the system for 12 bytes at a time costs more than encrypting does. */
const pool = Buffer.alloc(IV_LENGTH * 512)
let next = pool.length

export function nextIv(): Buffer {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  return pool.subarray(next, (next += IV_LENGTH))
}
