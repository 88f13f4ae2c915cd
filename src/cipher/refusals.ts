import { createHash } from 'node:crypto'
import {
  type KmsEncryptionError,
  TamperedCiphertextError,
  UntrustedKeyError,
  WrongContextError,
} from '../errors'
import { ExpiringMap } from './expiring-map'

/** Milliseconds for which a refusal is remembered: a page of forgeries that is read again costs no calls. */
const LIFETIME = 5_000
/** Refusals remembered at once; about a kilobyte each. */
const MAX_REMEMBERED = 2_000

/**
 * What KMS refused a moment ago, so that it is not asked again. Only what the bytes are the cause of is remembered:
 * trouble of the key or of the service may be over with the next call.
 */
export class Refusals {
  readonly #refusals = new ExpiringMap<KmsEncryptionError>({
    max: MAX_REMEMBERED,
    lifetime: LIFETIME,
  })

  /** Asks, unless the same was refused a moment ago. `parts` name the question. */
  async ask<Answer>(parts: readonly (string | Uint8Array)[], ask: () => Promise<Answer>): Promise<Answer> {
    const id = identity(parts)
    const refusal = this.#refusals.get(id)
    if (refusal) throw again(refusal)
    try {
      return await ask()
    } catch (error) {
      if (isAboutBytes(error)) this.#refusals.set(id, error)
      throw error
    }
  }

  clear(): void {
    this.#refusals.clear()
  }
}

/** The answer to these bytes under this context will be the same next time. */
function isAboutBytes(error: unknown): error is KmsEncryptionError {
  return (
    error instanceof WrongContextError ||
    error instanceof TamperedCiphertextError ||
    error instanceof UntrustedKeyError
  )
}

/** A new error for each who asks: an error has one place and one stack. */
function again(refusal: KmsEncryptionError): KmsEncryptionError {
  return refusal.at({})
}

function identity(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part
    hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest('base64')
}
