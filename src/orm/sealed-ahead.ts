import { createHmac, randomBytes } from 'node:crypto'
import { type Plaintext } from '../column/types'
import { type Stored } from './value-opener'

/** Milliseconds after which ciphertexts are dropped that no statement asks for, because their save failed. */
const LIFETIME = 60_000

const SECRET = randomBytes(32)

/**
 * Ciphertexts of one column in direct mode that are made before their statements. TypeORM sends the statements of a
 * save one after the other, so each would wait for its own call to KMS; but it announces all entities before the
 * first. Each ciphertext is taken once.
 */
export class SealedAhead {
  readonly #sealed = new Map<string, Promise<Stored>[]>()
  #sweep: NodeJS.Timeout | undefined

  /** Keeps a ciphertext that is being made. */
  add(plaintext: Plaintext, sealing: Promise<Stored>): void {
    const key = keyOf(plaintext)
    const sealed = this.#sealed.get(key)
    if (sealed) sealed.push(sealing)
    else this.#sealed.set(key, [sealing])
    sealing.catch(() => this.#sealed.delete(key))
    this.#sweepLater()
  }

  /** A ciphertext of the plaintext, if one was made or is being made. */
  take(plaintext: Plaintext): Promise<Stored> | undefined {
    if (this.#sealed.size === 0) return undefined
    const key = keyOf(plaintext)
    const sealed = this.#sealed.get(key)
    const sealing = sealed?.pop()
    if (sealed?.length === 0) this.#sealed.delete(key)
    if (sealing) this.#sweepLater()
    return sealing
  }

  #sweepLater(): void {
    if (this.#sweep) this.#sweep.refresh()
    else
      this.#sweep = setTimeout(() => {
        this.#sealed.clear()
      }, LIFETIME).unref()
  }
}

/** Keeps no plaintext. */
function keyOf(plaintext: Plaintext): string {
  return createHmac('sha256', SECRET).update(plaintext).digest('base64')
}
