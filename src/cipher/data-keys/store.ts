import { createHash } from 'node:crypto'
import { type EncryptedDataKey } from '../../kms/bytes'
import { type KeyReference } from '../../kms/key-service'
import { type EncryptionContext, serialiseContext } from '../context'

/** What a stored data key is for: the values of columns, or their blind indexes. KMS opens it for no other purpose. */
export type DataKeyPurpose = 'value' | 'index'

/** A data key as a store keeps it: encrypted. */
export interface StoredDataKey {
  /** 16 bytes, derived from the data key itself. */
  readonly id: Buffer
  readonly purpose: DataKeyPurpose
  /** SHA-256 of the serialised context, by which it is found. KMS is always asked under the column's own context. */
  readonly contextHash: Buffer
  /** The context as JSON with sorted names, for people; `undefined` where it was emptied. Nothing is read from it. */
  readonly context: string | undefined
  readonly keyReference: KeyReference
  /** `undefined` once it was destroyed: its values are forgotten, and not lost. */
  readonly encrypted: EncryptedDataKey | undefined
  readonly createdAt: Date
  /** From then on it seals nothing. */
  readonly retiredAt: Date | undefined
  /** When it is to be destroyed; until then that can be undone. */
  readonly destroyAt: Date | undefined
  readonly destroyedAt: Date | undefined
}

/** A data key that was just made. */
export type NewDataKey = Pick<
  StoredDataKey,
  'id' | 'purpose' | 'contextHash' | 'context' | 'keyReference' | 'createdAt'
> & { readonly encrypted: EncryptedDataKey }

/**
 * Where data keys are kept that many values share, for the ciphertexts that name theirs instead of carrying it (suite
 * 4). What it answers is what is committed, as of now and not as of some transaction's beginning.
 */
export interface DataKeyStore {
  /** For people: which store this is. */
  readonly name: string
  /**
   * True while what is added can still be undone by others: in the open transaction of the only connection. Then a key
   * is good for that transaction, until `settle` says that it was committed.
   */
  readonly isTentative: boolean
  /** Values are being read: their data keys will be asked for. Opens what it needs for that meanwhile. */
  expect?(): void
  /** Those of these ids that are there, destroyed ones too, in any order. One query, for up to some hundreds of ids. */
  find(ids: readonly Buffer[]): Promise<readonly StoredDataKey[]>
  /** Those that may seal under a context, the newest first. */
  current(purpose: DataKeyPurpose, contextHash: Buffer): Promise<readonly StoredDataKey[]>
  /** Adds one that was just made. Once it is there, it stays there, unless `isTentative`. */
  add(key: NewDataKey): Promise<void>
  /**
   * Adds one unless there is one that may seal for its purpose and context; returns the oldest that is there then, and
   * the same to all who do it at the same time.
   */
  addFirst(key: NewDataKey): Promise<StoredDataKey>
}

/** The context under which KMS opens a stored data key: so a blob of one purpose serves for no other. */
export function storedContext(context: EncryptionContext, purpose: DataKeyPurpose): EncryptionContext {
  return { ...context, 'data-key': purpose }
}

/** By what the data keys of a context are found: SHA-256 of the context, serialised as in the AAD. */
export function contextHash(context: EncryptionContext): Buffer {
  return createHash('sha256').update(serialiseContext(context)).digest()
}

/** A context as text for people, equal for equal contexts. */
export function contextText(context: EncryptionContext): string {
  const sorted = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(sorted))
}
