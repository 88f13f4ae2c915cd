export { KmsEncryption } from '../kms-encryption'
export { KmsEncryptionExceptionFilter } from './exception-filter'
export { type KmsHealth, KmsEncryptionHealthIndicator } from './health'
export { KmsEncryptionModule } from './module'
