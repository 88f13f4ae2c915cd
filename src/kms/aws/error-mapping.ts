import {
  CredentialsError,
  KeyNotFoundError,
  KmsEncryptionError,
  KmsRequestError,
  KmsUnavailableError,
  ThrottledError,
  UntrustedKeyError,
  WrongRegionError,
} from '../../errors'
import { clockExplanation } from './clock'
import { deniedExplanation } from './denied'
import { type Facts, factsOf } from './facts'
import { type Explanation, type FailedCall, theKey } from './failed-call'
import { foreignAnswer, foreignAnswerCause } from './foreign-answer'
import { certificateExplanation } from './certificate'
import { DISABLED, keyStateExplanation, UNAVAILABLE_KEY, UNUSABLE } from './key-state'
import { keyStoreExplanation, REFUSED_CIPHERTEXT } from './key-store'

/**
 * Turns what the AWS SDK throws into an error of this library, with the remedy.
 *
 * Sources: KMS API reference, "Errors" of each operation and "Common Errors"; AWS SDK for JavaScript v3.
 */
export async function toKmsEncryptionError(error: unknown, call: FailedCall): Promise<KmsEncryptionError> {
  if (error instanceof KmsEncryptionError) return error
  const facts = factsOf(error)
  const foreign = foreignAnswer(facts)
  const [Class, explain] = (await wrongRegion(facts, call)) ?? foreign ?? explanation(facts, call)
  return new Class(explain(call), { cause: foreign ? foreignAnswerCause(facts) : error })
}

/** True if somebody answered the call that failed with this, be it KMS or not. */
export function wasAnswered(error: unknown): boolean {
  return factsOf(error).wasAnswered
}

/** Operations under one common quota; https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html */
const CRYPTOGRAPHIC = new Set(['GenerateDataKey', 'Encrypt', 'Decrypt', 'ReEncrypt'])

const CREDENTIALS: Explanation = [
  CredentialsError,
  () =>
    'no valid AWS credentials for KMS. Give the process a role, an AWS profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or renew the expired ones.',
]
/** Of the services that hand out credentials: STS, IAM Identity Center, and what the SDK says when it reads theirs. */
const NO_ROLE: Explanation = [
  CredentialsError,
  () =>
    'the AWS credentials for KMS could not be had: the role cannot be assumed, or the session has ended. Look at the trust policy of the role and at who assumes it, or log in again (aws sso login); the answer of AWS is the cause of this error.',
]
const CREDENTIAL_MESSAGE = /^(Credential is missing|Resolved credential object is not valid)/
const THROTTLED: Explanation = [
  ThrottledError,
  ({ operation }) =>
    CRYPTOGRAPHIC.has(operation)
      ? `KMS throttled ${operation} even after retries. All callers in the account and region share the quota "Cryptographic operations (symmetric) request rate": raise it in Service Quotas, lower the concurrency option, or use envelope mode with a longer cache.maxAge. Keys in a custom key store have a quota of their own, which AWS Support changes.`
      : `KMS throttled ${operation} even after retries: the quota "${operation} request rate" of the account and region. Try again later.`,
]
const UNAVAILABLE: Explanation = [
  KmsUnavailableError,
  ({ operation }) =>
    `KMS could not be reached for ${operation}, or failed on its side. Check the network, the endpoint and AWS's status; the operation can be repeated.`,
]
const DOES_NOT_MATCH: Explanation = [
  CredentialsError,
  () =>
    'the signature of the request does not match. Either AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID (cut off, or with a space or line break at its end), or a proxy alters the request on its way.',
]
const UNKNOWN_KEY: Explanation = [
  KeyNotFoundError,
  (call) =>
    `KMS does not know ${theKey(call)}. Check the id, ARN or alias (an alias begins with "alias/"), the account and the region.`,
]
const NO_REGION: Explanation = [
  WrongRegionError,
  () =>
    'no AWS region is configured, or not one that can be. Set AWS_REGION, or pass client: new KMSClient({ region }); to the tool, --region.',
]

const BY_NAME: Readonly<Record<string, Explanation>> = {
  NotFoundException: UNKNOWN_KEY,
  InvalidArnException: UNKNOWN_KEY,
  InvalidKeyIdException: UNKNOWN_KEY,
  DisabledException: DISABLED,
  InvalidCiphertextException: REFUSED_CIPHERTEXT,
  IncorrectKeyException: [
    UntrustedKeyError,
    (call) =>
      `the stored ciphertext is under another key than ${theKey(call)}. Somebody wrote this value with a key of their own, or the key was changed.`,
  ],
  InvalidKeyUsageException: UNUSABLE,
  UnsupportedOperationException: UNUSABLE,
  KeyUnavailableException: UNAVAILABLE_KEY,
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
  InvalidSignatureException: DOES_NOT_MATCH,
  SignatureDoesNotMatch: DOES_NOT_MATCH,
  IncompleteSignature: CREDENTIALS,
  MissingAuthenticationToken: CREDENTIALS,
  MissingAuthenticationTokenException: CREDENTIALS,
  InvalidAccessKeyId: CREDENTIALS,
  AuthFailure: CREDENTIALS,
  OptInRequired: CREDENTIALS,
  TokenProviderError: NO_ROLE,
  UnauthorizedException: NO_ROLE,
  InvalidIdentityToken: NO_ROLE,
  InvalidIdentityTokenException: NO_ROLE,
  IDPCommunicationError: NO_ROLE,
  IDPRejectedClaim: NO_ROLE,
}

const DENIED = new Set(['AccessDeniedException', 'AccessDenied', 'NotAuthorized'])
/** The names under which AWS's services throttle; the SDK repeats all of them. */
const THROTTLING =
  /^(.*Throttl(ed|ing)(Exception)?|TooManyRequestsException|RequestLimitExceeded|BandwidthLimitExceeded|ProvisionedThroughputExceededException|PriorRequestNotComplete|SlowDown)$/

function explanation(facts: Facts, call: FailedCall): Explanation {
  const { name, message, status } = facts
  const apart = clockExplanation(facts) ?? keyStoreExplanation(name, message, call)
  if (apart) return apart
  if (name === 'KMSInvalidStateException') return keyStateExplanation(message)
  if (DENIED.has(name)) return /to perform: sts:/.test(message) ? NO_ROLE : deniedExplanation(message)
  if (THROTTLING.test(name) || status === 429) return THROTTLED
  if (CREDENTIAL_MESSAGE.test(message)) return CREDENTIALS
  if (name === 'ValidationException' && /\bkeyId\b/i.test(message)) return UNKNOWN_KEY
  if (/^Region (is missing|not accepted)/i.test(message)) return NO_REGION
  const explained =
    (Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined) ?? certificateExplanation(facts)
  if (explained) return explained
  if (isNetworkError(facts) || status >= 500) return UNAVAILABLE
  return [
    KmsRequestError,
    ({ operation }) =>
      `KMS refused ${operation} (${name || 'unknown error'}); its answer is the cause of this error.`,
  ]
}

/** KMS answers "not found" for the ARN of a key in another region than the client's. */
async function wrongRegion({ name }: Facts, { keyId, region }: FailedCall): Promise<Explanation | undefined> {
  const keyRegion = keyId?.startsWith('arn:') ? keyId.split(':')[3] : undefined
  if (keyRegion === undefined || name !== 'NotFoundException') return undefined
  const clientRegion = await region()
  if (clientRegion === keyRegion) return undefined
  return [
    WrongRegionError,
    () =>
      `the KMS key is in region ${keyRegion}, the KMS client in ${clientRegion}. Pass client: new KMSClient({ region: '${keyRegion}' }) or set AWS_REGION.`,
  ]
}

/** System error codes of sockets, names and certificates; the SDK may have wrapped the error that had the code. */
const NETWORK =
  /\b(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENET(UNREACH|DOWN)|EPIPE|EPROTO|HPE_\w+|ERR_(TLS|SSL)\w*|UND_ERR_\w+|CERT_\w+|SELF_SIGNED\w*|DEPTH_ZERO\w*|UNABLE_TO_\w+)\b|socket hang up/

function isNetworkError({ message, code, status }: Facts): boolean {
  return status === 0 && (NETWORK.test(code) || NETWORK.test(message))
}
