import { AccessDeniedError, KeyUnavailableError, ThrottledError, WrongContextError } from '../../errors'
import { type Explanation, type FailedCall, theKey, withoutNames } from './failed-call'

export const REFUSED_CIPHERTEXT: Explanation = [
  WrongContextError,
  () =>
    'KMS refuses the stored ciphertext under this encryption context. It was made for another table, column or context, or it was altered. If a table or the context option was renamed, name the old one with the context or boundTo option.',
]

type KeyStore = 'CloudHsm' | 'CustomKeyStore' | 'Xks'

const REMEDIES: Readonly<Record<KeyStore, string>> = {
  CloudHsm:
    'Look at its AWS CloudHSM cluster: it needs active HSMs, the user kmsuser, and the network, certificate and security group that the key store was made with.',
  CustomKeyStore: 'It must be connected.',
  Xks: 'Look at the external key store proxy and the key behind it: its URI, credentials and network, and its own log.',
}

/** The exceptions of custom key stores begin with these: `CloudHsmClusterNotActiveException`, `XksKeyNotFoundException`. */
const NAMES = /^(CloudHsm|CustomKeyStore|Xks)/

/**
 * Cryptographic operations answer `KMSInvalidStateException` for whatever a key store has, and tell by the text alone
 * what it is; some of it comes as `KMSInternalException` or `UnsupportedOperationException`.
 */
const TEXTS: readonly [RegExp, KeyStore][] = [
  [/\bexternal key\b|\bexternal key store\b/i, 'Xks'],
  [/\bCloudHSM\b/i, 'CloudHsm'],
  [/\bcustom key store\b/i, 'CustomKeyStore'],
]

const SPEAKS_BY_TEXT = new Set([
  'KMSInvalidStateException',
  'KMSInternalException',
  'UnsupportedOperationException',
])
const OPENS = new Set(['Decrypt', 'ReEncrypt'])

/**
 * What a custom key store (AWS CloudHSM or external) has to do with a failure; `undefined`: nothing.
 *
 * Source: AWS KMS Developer Guide, "Troubleshooting external key stores" and "Troubleshooting a custom key store".
 */
export function keyStoreExplanation(
  name: string,
  message: string,
  { operation }: FailedCall,
): Explanation | undefined {
  const named = NAMES.exec(name)?.[1] as KeyStore | undefined
  if (named) return unavailable(named, name)
  if (!SPEAKS_BY_TEXT.has(name)) return undefined
  const said = withoutNames(message)
  const store = TEXTS.find(([text]) => text.test(said))?.[1]
  if (store !== 'Xks') return store && unavailable(store, name)
  // The key manager opens the outer layer, so that it is the one who sees what was altered or is another's.
  if (/ciphertext or additional authenticated data is corrupted/i.test(said) && OPENS.has(operation)) {
    return REFUSED_CIPHERTEXT
  }
  if (/very high request rate/i.test(said)) return TOO_FAST
  return /denied access/i.test(said) ? DENIED : unavailable('Xks', name)
}

const TOO_FAST: Explanation = [
  ThrottledError,
  (call) =>
    `the external key store of ${theKey(call)} cannot keep pace with the requests. Lower the concurrency option, use envelope mode with a longer cache.maxAge, or make the external key store proxy faster.`,
]

const DENIED: Explanation = [
  AccessDeniedError,
  (call) =>
    `the external key store of ${theKey(call)} denied ${call.operation}. Its proxy has rules of its own beside those of AWS: allow the AWS principal of this process there.`,
]

function unavailable(store: KeyStore, name: string): Explanation {
  return [
    KeyUnavailableError,
    (call) =>
      `the custom key store of ${theKey(call)} cannot be used (${name}). ${REMEDIES[store]} Where it is not connected, connect it: aws kms connect-custom-key-store. The operation can be repeated.`,
  ]
}
