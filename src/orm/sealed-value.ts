import { inspect } from 'node:util'
import { type KmsEncryptionError, NotDecryptedError } from '../errors'
import { type BoundColumn } from './bound-column'

/**
 * A stored value that is not decrypted (yet, or because it cannot be). It gives no plaintext away because it has
 * none: read as one, it throws. Saved, it is stored as it was.
 */
export class SealedValue {
  /** True once there was one in this process: until then nobody need look for them. */
  static exists = false

  constructor(
    readonly column: BoundColumn,
    /** As it is in the database. */
    readonly stored: Buffer | string,
    /** Why it could not be decrypted; `undefined` if that was not tried. */
    readonly failure: KmsEncryptionError | undefined,
  ) {
    SealedValue.exists = true
  }

  toString(): string {
    throw this.#refusal()
  }

  toJSON(): string {
    throw this.#refusal()
  }

  valueOf(): string {
    throw this.#refusal()
  }

  toSqlString(): string {
    throw this.#refusal()
  }

  toPostgres(): string {
    throw this.#refusal()
  }

  [inspect.custom](): string {
    return `[encrypted ${this.column.name}]`
  }

  /** Throws why there is no plaintext. */
  refuse(): never {
    throw this.#refusal()
  }

  #refusal(): KmsEncryptionError {
    return (
      this.failure ??
      this.column.error(
        NotDecryptedError,
        'the value was not decrypted, because the query ran without listeners and its data key was not at hand. Leave out callListeners(false), or read it with encryption.decrypt().',
      )
    )
  }
}
