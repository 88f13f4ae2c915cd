import { type Plaintext } from '../../column/types'
import { InvalidValueError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { KeptCiphertext, PendingCiphertext } from '../write/tokens'
import { type BlindIndex } from './blind-index'

/** The serialised value that is stored. Throws for a ciphertext, of which no index can be made. */
export function writtenPlaintext(value: unknown, index: BlindIndex, member: number): Plaintext {
  const column = index.members[member]
  if (
    column &&
    value instanceof PendingCiphertext &&
    !(value instanceof KeptCiphertext) &&
    isOf(value.column, column)
  )
    return value.indexed((plaintext) => plaintext)
  throw index.column.error(
    InvalidValueError,
    'a ciphertext cannot be stored in a column with a blind index: the index is made of the value. Store the value itself, or both columns with dataSource.query() and encryption.encryptAll().',
  )
}

/** True if a value of one column is one of the other: two entities over one table share it. */
export function isOf(column: EncryptedColumn, other: EncryptedColumn): boolean {
  return column.cell === other.cell
}
