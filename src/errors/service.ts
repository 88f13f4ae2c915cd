import { KmsEncryptionError } from './kms-encryption-error'

/** KMS cannot be asked at the moment, or its answer cannot be used: it says nothing about the value, and passes. */
abstract class ServiceError extends KmsEncryptionError {
  readonly kind = 'service'
}

/** KMS could not be reached, did not answer in time, or failed on its side. */
export class KmsUnavailableError extends ServiceError {
  readonly code = 'KMS_UNAVAILABLE'
}

/** The KMS key cannot be used at the moment: it is being created or updated, or its custom key store is disconnected. */
export class KeyUnavailableError extends ServiceError {
  readonly code = 'KMS_KEY_UNAVAILABLE'
}

/** KMS throttled the request, and the SDK's retries did not help. */
export class ThrottledError extends ServiceError {
  readonly code = 'KMS_THROTTLED'
}

/** No AWS credentials were found, or they are invalid or expired. */
export class CredentialsError extends ServiceError {
  readonly code = 'KMS_CREDENTIALS'
}

/** The clock of this machine is more than five minutes off, so that AWS refuses its signatures. */
export class ClockError extends ServiceError {
  readonly code = 'KMS_CLOCK'
}

/** KMS refused the request for another reason, with its error as `cause`; or its answer breaks its API. */
export class KmsRequestError extends ServiceError {
  readonly code = 'KMS_REQUEST_FAILED'
}

/** The key table does not have the data key that the ciphertext names. It may be on its way, as in a restore. */
export class DataKeyNotFoundError extends ServiceError {
  readonly code = 'DATA_KEY_NOT_FOUND'
}

/** The database rolled the transaction back, and a later statement of it would have been stored by itself: it was not sent. */
export class TransactionLostError extends ServiceError {
  readonly code = 'TRANSACTION_LOST'
}

/** The table of the stored data keys could not be read or written. */
export class KeyTableUnavailableError extends ServiceError {
  readonly code = 'KEY_TABLE_UNAVAILABLE'
}
