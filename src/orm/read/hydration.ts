import { denial, isDenied } from '../../access'
import { asPlaintext, type PlaintextBytes } from '../../cipher/bytes'
import { type Scheme } from '../../column/scheme'
import { KmsEncryptionError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { SealedValue } from '../sealed-value'
import { keyOf, type Opened, type OpenedResults, UNOPENED } from './opened-results'
import { UnreadValue } from './unread-value'
import { type Stored } from './value-opener'

/**
 * Gives TypeORM the values of one column while it makes entities of rows, which is synchronous: what was opened when
 * the result came, and what opens with a data key at hand. Anything else becomes a placeholder, which is opened
 * after load.
 */
export class Hydration {
  readonly #column: EncryptedColumn
  readonly #results: OpenedResults

  constructor(column: EncryptedColumn, results: OpenedResults) {
    this.#column = column
    this.#results = results
  }

  /** The value of a stored one. */
  from(value: unknown): unknown {
    if (value === null || value === undefined) return value
    const { cell, scheme } = this.#column
    const stored = this.#column.storedOf(value)
    // Before what others opened is looked at.
    if (isDenied()) return this.#failed(stored, denial())
    const opened = this.#results.isEmpty ? undefined : this.#results.find(cell, keyOf(value, stored), scheme)
    if (opened === UNOPENED) return new SealedValue(this.#column, stored, undefined, true).placeholder
    return opened ? this.#handOut(stored, opened) : this.#openNow(stored)
  }

  #handOut(stored: Stored, opened: Opened): unknown {
    if (opened instanceof KmsEncryptionError) return this.#failed(stored, opened)
    try {
      return valueFrom(opened, this.#column.scheme)
    } catch (error) {
      return this.#failed(stored, error)
    }
  }

  #openNow(stored: Stored): unknown {
    const { opener, recipes, scheme, opensOnRead } = this.#column
    // TypeORM does not say in which row the value stands: where that matters, the entity tells after load.
    if (!recipes.constant) return new SealedValue(this.#column, stored, undefined).placeholder
    const { scopes } = recipes.constant
    try {
      if (opensOnRead && opener.isAtHand(stored, scopes))
        return new UnreadValue(this.#column, stored, recipes.constant)
      const plaintext = opener.openNow(stored, scopes)
      return plaintext
        ? scheme.type.deserialise(plaintext)
        : new SealedValue(this.#column, stored, undefined).placeholder
    } catch (error) {
      return this.#failed(stored, error)
    }
  }

  #failed(stored: Stored, error: unknown): object {
    return new SealedValue(this.#column, stored, this.#column.placed(error)).placeholder
  }
}

/** A value of a plaintext that others may have, too: one that can be changed is made of bytes of its own. */
export function valueFrom(plaintext: PlaintextBytes, { type }: Scheme): unknown {
  return type.deserialise(type.isImmutable ? plaintext : asPlaintext(Buffer.from(plaintext)))
}
