import {
  AccessDeniedError,
  CredentialsError,
  type ErrorDetails,
  KeyDisabledError,
  KeyNotFoundError,
  KeyPendingDeletionError,
  KeyUnusableError,
  KmsEncryptionError,
  KmsRequestError,
  KmsUnavailableError,
  ThrottledError,
  WrongContextError,
  WrongRegionError,
} from '../../errors'

/** The call that failed. */
export interface FailedCall {
  operation: string
  keyId: string | undefined
  /** The client's region; asked only where the message needs it. */
  region: () => Promise<string>
}

type ErrorClass = new (reason: string, details: ErrorDetails) => KmsEncryptionError
type Explanation = readonly [ErrorClass, (call: FailedCall) => string]

/**
 * Turns what the AWS SDK throws into an error of this library, with the remedy.
 *
 * Sources: KMS API reference, "Errors" of each operation and "Common Errors"; AWS SDK for JavaScript v3.
 */
export async function toKmsEncryptionError(error: unknown, call: FailedCall): Promise<KmsEncryptionError> {
  if (error instanceof KmsEncryptionError) return error
  const [Class, explain] = (await wrongRegion(error, call)) ?? explanation(error)
  return new Class(explain(call), { cause: error })
}

const key = ({ keyId }: FailedCall): string =>
  keyId === undefined ? 'the KMS key of this value' : `the KMS key ${keyId}`

/** Operations under one common quota; https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html */
const CRYPTOGRAPHIC = new Set(['GenerateDataKey', 'Encrypt', 'Decrypt', 'ReEncrypt'])

const CREDENTIALS: Explanation = [
  CredentialsError,
  () =>
    'no valid AWS credentials for KMS. Give the process a role, an AWS profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or renew the expired ones.',
]
const THROTTLED: Explanation = [
  ThrottledError,
  ({ operation }) =>
    CRYPTOGRAPHIC.has(operation)
      ? `KMS throttled ${operation} even after retries. All callers in the account and region share the quota "Cryptographic operations (symmetric) request rate": raise it in Service Quotas, lower the concurrency option, or use envelope mode with a longer cache.maxAge.`
      : `KMS throttled ${operation} even after retries: the quota "${operation} request rate" of the account and region. Try again later.`,
]
const UNAVAILABLE: Explanation = [
  KmsUnavailableError,
  ({ operation }) =>
    `KMS could not be reached for ${operation}, or failed on its side. Check the network, the endpoint and AWS's status; the operation can be repeated.`,
]
const UNUSABLE: Explanation = [
  KeyUnusableError,
  (call) =>
    `${key(call)} cannot be used for ${call.operation}. It must be an enabled symmetric encryption key (KeySpec SYMMETRIC_DEFAULT, KeyUsage ENCRYPT_DECRYPT).`,
]
const DENIED: Explanation = [
  AccessDeniedError,
  (call) =>
    call.operation === 'ReEncrypt'
      ? `access to KMS was denied. Allow kms:ReEncryptFrom on the KMS key that the values are under, and kms:ReEncryptTo on ${key(call)}, in the key policies or the role's IAM policy.`
      : `access to KMS was denied. Allow kms:${call.operation} on ${key(call)} in the key policy or the role's IAM policy.`,
]
const NO_REGION: Explanation = [
  WrongRegionError,
  () =>
    'no AWS region is configured, or not one that can be. Set AWS_REGION, or pass client: new KMSClient({ region }); to the tool, --region.',
]

const BY_NAME: Readonly<Record<string, Explanation>> = {
  NotFoundException: [
    KeyNotFoundError,
    (call) =>
      `KMS does not know ${key(call)}. Check the id, ARN or alias (an alias begins with "alias/"), the account and the region.`,
  ],
  DisabledException: [
    KeyDisabledError,
    (call) => `${key(call)} is disabled. Enable it: typeorm-kms keys enable KEY.`,
  ],
  InvalidCiphertextException: [
    WrongContextError,
    () =>
      'KMS refuses the stored ciphertext under this encryption context. It was made for another table, column or context, or it was altered. If a table or the context option was renamed, name the old one with the context or boundTo option.',
  ],
  AccessDeniedException: DENIED,
  NotAuthorized: DENIED,
  InvalidKeyUsageException: UNUSABLE,
  UnsupportedOperationException: UNUSABLE,
  KeyUnavailableException: UNUSABLE,
  ThrottlingException: THROTTLED,
  Throttling: THROTTLED,
  TooManyRequestsException: THROTTLED,
  RequestLimitExceeded: THROTTLED,
  LimitExceededException: [
    KmsRequestError,
    ({ operation }) =>
      `a limit of the account or the key is reached for ${operation}, such as the number of keys or aliases (Service Quotas, AWS KMS), or of rotations on demand. Waiting does not help.`,
  ],
  DependencyTimeoutException: UNAVAILABLE,
  KMSInternalException: UNAVAILABLE,
  InternalFailure: UNAVAILABLE,
  ServiceUnavailable: UNAVAILABLE,
  RequestTimeoutException: UNAVAILABLE,
  TimeoutError: UNAVAILABLE,
  AbortError: UNAVAILABLE,
  NetworkingError: UNAVAILABLE,
  CredentialsProviderError: CREDENTIALS,
  ExpiredTokenException: CREDENTIALS,
  ExpiredToken: CREDENTIALS,
  InvalidClientTokenId: CREDENTIALS,
  UnrecognizedClientException: CREDENTIALS,
  InvalidSignatureException: CREDENTIALS,
  IncompleteSignature: CREDENTIALS,
  MissingAuthenticationTokenException: CREDENTIALS,
}

function explanation(error: unknown): Explanation {
  const known = facts(error)
  const { name, message, status } = known
  if (name === 'KMSInvalidStateException') {
    if (!message.includes('pending deletion')) return UNUSABLE
    return [
      KeyPendingDeletionError,
      (call) =>
        `${key(call)} is scheduled for deletion. Keep it: typeorm-kms keys cancel-deletion KEY, then typeorm-kms keys enable KEY.`,
    ]
  }
  if (/^Region (is missing|not accepted)/i.test(message)) return NO_REGION
  const explained = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined
  if (explained) return explained
  if (isNetworkError(known) || status >= 500) return UNAVAILABLE
  return [
    KmsRequestError,
    ({ operation }) =>
      `KMS refused ${operation} (${name || 'unknown error'}); its answer is the cause of this error.`,
  ]
}

/** KMS answers "not found" for the ARN of a key in another region than the client's. */
async function wrongRegion(error: unknown, { keyId, region }: FailedCall): Promise<Explanation | undefined> {
  const keyRegion = keyId?.startsWith('arn:') ? keyId.split(':')[3] : undefined
  if (keyRegion === undefined || facts(error).name !== 'NotFoundException') return undefined
  const clientRegion = await region()
  if (clientRegion === keyRegion) return undefined
  return [
    WrongRegionError,
    () =>
      `the KMS key is in region ${keyRegion}, the KMS client in ${clientRegion}. Pass client: new KMSClient({ region: '${keyRegion}' }) or set AWS_REGION.`,
  ]
}

function facts(error: unknown): { name: string; message: string; code: string; status: number } {
  // Not `instanceof Error`: test runners have several realms, each with an Error of its own.
  const { name, message, code, $metadata } = (error ?? {}) as {
    name?: unknown
    message?: unknown
    code?: unknown
    $metadata?: { httpStatusCode?: number }
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    name: text(name),
    message: text(message),
    code: text(code),
    status: $metadata?.httpStatusCode ?? 0,
  }
}

/** System error codes of sockets, names and certificates; the SDK may have wrapped the error that had the code. */
const NETWORK =
  /\b(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENET(UNREACH|DOWN)|EPIPE|EPROTO|HPE_\w+|ERR_(TLS|SSL)\w*|UND_ERR_\w+|CERT_\w+|SELF_SIGNED\w*|DEPTH_ZERO\w*|UNABLE_TO_\w+)\b|socket hang up/

function isNetworkError({ message, code, status }: ReturnType<typeof facts>): boolean {
  return status === 0 && (NETWORK.test(code) || NETWORK.test(message))
}
