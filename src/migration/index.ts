export { generateMigration } from './generate'
export { columnStatus, type ColumnStatus, type ColumnStatusOptions, type KeyCount } from './status'
export { type IndexCount } from './indexes/index-counts'
export { decryptColumns, encryptColumns, rotateColumns, verifyColumns } from './columns'
export { type BitsLeakage, indexLeakage, type IndexLeakage } from './leakage'
export { isBinaryColumn } from './is-binary-column'
export { rebuildTables } from './rebuild-tables'
export {
  type EncryptOptions,
  type RotateOptions,
  type RotateResult,
  type VerifyOptions,
  type VerifyResult,
} from './columns'
export { type MirrorComparison } from './compare-mirror'
export { type MigrationOptions, type MigrationProgress, type MigrationResult } from './options'
export { type Shard } from '../dialects/rows/key-order'
export { cancelForgetting, forget, forgetDue, type ForgetOptions } from './data-keys/forget'
export { type ForgetReport, type ForgetState, type ForgottenDataKey } from './data-keys/forget-report'
export { type ForgottenColumn } from './data-keys/forget-count'
export { type BoundAs } from './take-back'
export { type Executor } from './target'
export { type BelongsTo, type Unreadable } from './failures'
