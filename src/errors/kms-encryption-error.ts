import { type KmsEncryptionErrorCode, type KmsEncryptionErrorKind } from './codes'

/*
 * Every error of this library is a `KmsEncryptionError` with a stable `code` and a `kind`. Messages name the entity,
 * the property and what to do; they never hold a plaintext, a data key or a whole ciphertext.
 */

/** Where an error happened; each part is there when it is known. */
export interface ErrorDetails {
  /** Name of the entity class or schema. */
  entity?: string
  /** Path of the property inside the entity, e.g. `profile.token`. */
  property?: string
  /** Primary key of the row, where one row is the culprit. */
  primaryKey?: Readonly<Record<string, unknown>>
  cause?: unknown
}

/**
 * Base class of all errors of this library. Ask for the `kind` where several errors are treated alike, for the `code`
 * where one of them is meant.
 *
 * @example
 * ```ts
 * try {
 *   await users.find()
 * } catch (error) {
 *   if (error instanceof KmsEncryptionError && error.kind === 'service') return retryLater()
 *   throw error
 * }
 * ```
 */
export abstract class KmsEncryptionError extends Error {
  /** Which error it is; stable. */
  abstract readonly code: KmsEncryptionErrorCode
  /** Whose trouble it is: see `KmsEncryptionErrorKind`. */
  abstract readonly kind: KmsEncryptionErrorKind
  readonly entity?: string
  readonly property?: string
  readonly primaryKey?: Readonly<Record<string, unknown>>
  /** What happened, without the place; `message` is the place and this. */
  readonly reason: string

  constructor(reason: string, details: ErrorDetails = {}) {
    super(placed(reason, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.reason = reason
    if (details.entity !== undefined) this.entity = details.entity
    if (details.property !== undefined) this.property = details.property
    if (details.primaryKey !== undefined) this.primaryKey = details.primaryKey
  }

  /** The same error with more of its place known. */
  at(details: Omit<ErrorDetails, 'cause'>): this {
    const Class = this.constructor as new (reason: string, details: ErrorDetails) => this
    const known = {
      entity: this.entity,
      property: this.property,
      primaryKey: this.primaryKey,
      cause: this.cause,
    }
    const error = new Class(this.reason, { ...known, ...details })
    if (this.stack !== undefined) error.stack = this.stack.replace(this.message, () => error.message)
    return error
  }
}

function placed(reason: string, { entity, property, primaryKey }: ErrorDetails): string {
  const place = [entity, property].filter((part) => part !== undefined).join('.')
  const row =
    primaryKey &&
    `(${Object.entries(primaryKey)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(', ')})`
  const where = [place, row].filter(Boolean).join(' ')
  return where ? `${where}: ${reason}` : reason
}
