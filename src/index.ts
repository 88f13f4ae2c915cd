export { type Mode } from './cipher/cipher'
export { type EncryptionContext } from './cipher/context'
export { KmsEncrypted, kmsEncryptedColumn } from './column/kms-encrypted'
export { type KmsEncryptedOptions, type OnUndecryptable } from './column/options'
export { type ValueTypeName } from './column/types'
export { type CallOutcome, type DataKeyEvent, type KmsCallEvent, type ValueEvent } from './diagnostics'
export * from './errors'
export {
  type CacheOptions,
  kmsEncryption,
  type KmsEncryption,
  type KmsEncryptionMetrics,
  type KmsEncryptionOptions,
} from './kms-encryption'
export { isUndecryptable, type Undecryptable, undecryptable } from './orm/undecryptable'
