import { type Plaintext } from '../../column/types'
import { InvalidValueError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { SealedValue } from '../sealed-value'
import { KeptCiphertext, PendingCiphertext, PendingPlaintext } from './tokens'

/**
 * A value on its way into a statement. It is serialised anew, whatever was announced of it: until the before-events
 * are over, a listener of the application may have set the property again, or changed its object in place.
 */
export function persist(column: EncryptedColumn, value: unknown): unknown {
  if (value === null || value === undefined || value instanceof PendingCiphertext) return value
  const sealed = SealedValue.of(value)
  if (sealed) {
    if (sealed.column.cell === column.cell) return new KeptCiphertext(column, sealed.stored)
    throw column.error(
      InvalidValueError,
      `a value of ${sealed.column.name} that was not decrypted cannot be stored here`,
    )
  }
  const plaintext = column.serialise(value)
  // The application may change its Buffer while KMS is asked.
  return pending(column, typeof plaintext === 'string' ? plaintext : Buffer.from(plaintext))
}

/** What stands for a value until its statement is sent. */
export function pending(column: EncryptedColumn, plaintext: Plaintext): PendingCiphertext {
  return column.plaintextWrites?.areOn === true
    ? new PendingPlaintext(column, plaintext)
    : new PendingCiphertext(column, plaintext)
}
