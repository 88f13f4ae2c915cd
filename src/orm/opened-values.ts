import { type KmsEncryptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { type Stored } from './value-opener'

/** What became of a stored value when its page was opened. */
export interface Opened {
  column: BoundColumn
  /** The plaintext, or why there is none. */
  result: Buffer | KmsEncryptionError
}

/**
 * What an opened value is found by: a Buffer of the driver by itself, a text by its characters. A Buffer of the query
 * result cache is made anew each time its JSON is read, so its bytes stand for it.
 */
export function openedAs(stored: unknown, raw: Stored): Stored {
  return typeof raw === 'string' || stored instanceof Uint8Array ? raw : raw.toString('base64')
}

/** How long texts are kept for the hydration that follows: it starts at once, but may first load relation ids. */
const TEXT_LIFETIME = 1_000

/**
 * Plaintexts between the query that brought their ciphertexts and TypeORM's hydration, which asks for them one by
 * one and cannot wait. Buffers are kept as long as the driver's rows are; texts have no identity, so they are kept
 * for a second. Whoever comes later decrypts anew.
 */
export class OpenedValues {
  readonly #buffers = new WeakMap<Uint8Array, Opened>()
  readonly #texts = new Map<string, Opened>()

  get(stored: Uint8Array | string): Opened | undefined {
    return typeof stored === 'string' ? this.#texts.get(stored) : this.#buffers.get(stored)
  }

  set(stored: Uint8Array | string, opened: Opened): void {
    if (typeof stored !== 'string') {
      this.#buffers.set(stored, opened)
      return
    }
    if (this.#texts.size === 0)
      setTimeout(() => {
        this.#texts.clear()
      }, TEXT_LIFETIME).unref()
    this.#texts.set(stored, opened)
  }
}
