import { DecryptionDeniedError, type KmsEncryptionError } from '../../errors'
import { isOfOneValue } from '../../errors/kinds'
import { type EncryptedColumn } from '../encrypted-column'

/** True if an entity gets a marker in place of a value that did not open; else the read fails. */
export function isMarked({ onUndecryptable }: EncryptedColumn, failure: KmsEncryptionError): boolean {
  return failure instanceof DecryptionDeniedError || (onUndecryptable === 'marker' && isOfOneValue(failure))
}
