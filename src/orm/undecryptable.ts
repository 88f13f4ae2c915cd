import { type KmsEncryptionError } from '../errors'
import { SealedValue } from './sealed-value'

/** What is known of a value that could not be decrypted. */
export interface Undecryptable {
  /** Why; with entity, property and primary key. */
  readonly failure: KmsEncryptionError
  /** The value as it is in the database: a ciphertext, or what was found in its place. */
  readonly stored: Buffer | string
}

/**
 * What is known of a value that could not be decrypted, where `onUndecryptable` is `'marker'`; `undefined` for any
 * other value.
 *
 * The marker itself has no members: read as plaintext it throws the failure; `save` leaves it out of the UPDATE, and
 * `update()`, `upsert()` and builders refuse it (`NOT_DECRYPTED`). That
 * it is an object, `typeof`, `Array.isArray()`, `===` and a condition cannot tell by throwing.
 *
 * @example
 * ```ts
 * for (const user of await users.find()) {
 *   const broken = undecryptable(user.privateKey)
 *   if (broken) report(broken.failure)
 *   else use(user.privateKey)
 * }
 * ```
 */
export function undecryptable(value: unknown): Undecryptable | undefined {
  const { failure, stored } = SealedValue.of(value) ?? {}
  if (!failure || stored === undefined) return undefined
  return { failure, stored: typeof stored === 'string' ? stored : Buffer.from(stored) }
}

/**
 * True for the value of an encrypted property that could not be decrypted; `undecryptable()` says why.
 *
 * @example
 * ```ts
 * const readable = (await users.find()).filter(({ privateKey }) => !isUndecryptable(privateKey))
 * ```
 */
export function isUndecryptable(value: unknown): boolean {
  return SealedValue.of(value)?.failure !== undefined
}
