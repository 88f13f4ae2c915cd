import { type Stored } from './read/value-opener'

/**
 * Values as drivers give them: Buffers, texts, and for plaintext that was never encrypted anything that has a text.
 * The query result cache gives Buffers that went through JSON.
 */
export function normaliseStored(stored: unknown): Stored {
  if (typeof stored === 'string' || Buffer.isBuffer(stored)) return stored
  if (stored instanceof Uint8Array) return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  if (stored instanceof Date) return stored.toISOString()
  if (typeof stored !== 'object' || stored === null) return String(stored)
  const { type, data } = stored as { type?: unknown; data?: unknown }
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]) : JSON.stringify(stored)
}
