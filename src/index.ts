export { type AccessContext, type PublishedContext } from './access'
export { type Mode } from './cipher/cipher'
export { type EncryptionContext } from './cipher/context'
export { KmsEncrypted, kmsEncryptedColumn } from './column/kms-encrypted'
export {
  type KeyId,
  type KmsEncryptedOptions,
  type OnUndecryptable,
  type RowProperties,
  type Writes,
  type WritesOption,
} from './column/options'
export { type KmsEncryptedDecorator, type PropertyAt, type PropertyPath } from './column/property-type'
export { redacted, type RedactOption } from './column/redaction'
export { type SearchIndexOptions, type SearchOption } from './column/search'
export { type ValueTypeName } from './column/types'
export {
  type CallOutcome,
  type DataKeyEvent,
  type KmsCallEvent,
  type PrimaryKey,
  type ValueEvent,
} from './diagnostics'
export * from './errors'
export { type EntityClass, type EntityName, type RowAndDataSource } from './data-sources'
export {
  type CacheOptions,
  kmsEncryption,
  type KmsEncryption,
  type KmsEncryptionMetrics,
  type KmsEncryptionOptions,
} from './kms-encryption'
export { Indexed, type Indexable, type IndexableValues } from './orm/search/indexed'
export { type DataKeysOption, type StoredDataKeysOptions } from './orm/key-table/key-table-options'
export { isUndecryptable, type Undecryptable, undecryptable } from './orm/undecryptable'
