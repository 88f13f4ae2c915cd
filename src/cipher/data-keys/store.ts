import { type EncryptedDataKey } from '../../kms/bytes'
import { type KeyReference } from '../../kms/key-service'
import { type EncryptionContext } from '../context'

/** What a stored data key is for: the values of columns, or their blind indexes. KMS opens it for no other purpose. */
export type DataKeyPurpose = 'value' | 'index'

/** A data key as a store keeps it: encrypted. */
export interface StoredDataKey {
  /** 16 bytes, derived from the data key itself. */
  readonly id: Buffer
  readonly purpose: DataKeyPurpose
  /** A hint for finding it. KMS is always asked under the context of the column's own settings. */
  readonly context: EncryptionContext
  readonly keyReference: KeyReference
  /** `undefined` once it was destroyed: its values are forgotten, and not lost. */
  readonly encrypted: EncryptedDataKey | undefined
  readonly createdAt: Date
  /** From then on it seals nothing. */
  readonly retiredAt: Date | undefined
}

/**
 * Where data keys are kept that many values share, for the ciphertexts that name theirs instead of carrying it (suite
 * 4). Not used by this release.
 */
export interface DataKeyStore {
  /** Those of these ids that are there, in any order. */
  find(ids: readonly Buffer[]): Promise<readonly StoredDataKey[]>
  /** The newest that may seal under a context, if there is one. */
  current(purpose: DataKeyPurpose, context: EncryptionContext): Promise<StoredDataKey | undefined>
  /** Adds one that was just made. */
  add(key: StoredDataKey): Promise<void>
}
