import { HEADER_LENGTH, IV_LENGTH, TAG_LENGTH } from '../cipher/format'
import { type Mode } from '../cipher/cipher'
import { type Delivery } from '../column/driver-value'
import { type KmsEncryptedOptions } from '../column/options'
import { type Dialect, type StoredType } from '../dialects'

/** Room for the encrypted data key: AWS's have 184 bytes; external and custom key stores make longer ones. */
const DATA_KEY_ROOM = 256
/** Room for what KMS adds to a value in direct mode: AWS adds 152 to 162 bytes. */
const DIRECT_ROOM = 224

/** What the driver may deliver for the column. */
export function deliveryOf(dialect: Dialect, { storage }: KmsEncryptedOptions): Delivery {
  if (storage === 'text') return 'text'
  return dialect.binaryColumnsHoldBytes ? 'bytes' : 'any storage class'
}

/** The column type that holds the ciphertexts of a column. */
export function storedType(dialect: Dialect, mode: Mode, options: KmsEncryptedOptions): StoredType {
  const { storage = 'binary', maxLength } = options
  const length = maxLength === undefined ? undefined : storedLength(mode, storage === 'text', maxLength)
  return dialect.storedType(storage, length)
}

/** Most bytes that the ciphertext of `plaintextLength` bytes takes in the column. */
export function storedLength(mode: Mode, text: boolean, plaintextLength: number): number {
  const overhead = mode === 'direct' ? DIRECT_ROOM : 2 + DATA_KEY_ROOM + IV_LENGTH + TAG_LENGTH
  const bytes = HEADER_LENGTH + overhead + plaintextLength
  return text ? Math.ceil(bytes / 3) * 4 : bytes
}
