import { type Decrypted, type DecryptOptions, type KeyService } from '../../kms/key-service'
import { isEncryptedDataKeyLength } from '../ciphertext'
import { type EncryptionContext } from '../context'
import { tampered } from '../tampered'
import { type DataKeyPurpose, storedContext, type StoredDataKey } from './store'

/**
 * Has KMS open a stored data key. It remembers for which context and purpose it made the blob. What is no blob is
 * refused without asking: KMS would call it a bad request, which is not the trouble of one row.
 */
export async function unwrap(
  kms: KeyService,
  { encrypted }: Pick<StoredDataKey, 'encrypted'>,
  context: EncryptionContext,
  purpose: DataKeyPurpose,
  options?: DecryptOptions,
): Promise<Decrypted> {
  if (!encrypted || !isEncryptedDataKeyLength(encrypted.length)) throw tampered()
  return kms.decrypt(encrypted, storedContext(context, purpose), options)
}
