import { invalid, unsupported } from './exception'
import { type RequestFields } from './request-fields'

export type KeyUsage = 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC' | 'KEY_AGREEMENT'

/** What `KeyMetadata` says of a spec: the usages it may be created for, and the algorithms of each. */
type Algorithms = Partial<Record<KeyUsage, readonly string[]>>

const RSA: Algorithms = {
  ENCRYPT_DECRYPT: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
  SIGN_VERIFY: [
    'RSASSA_PKCS1_V1_5_SHA_256',
    'RSASSA_PKCS1_V1_5_SHA_384',
    'RSASSA_PKCS1_V1_5_SHA_512',
    'RSASSA_PSS_SHA_256',
    'RSASSA_PSS_SHA_384',
    'RSASSA_PSS_SHA_512',
  ],
}
const elliptic = (signing: string): Algorithms => ({ SIGN_VERIFY: [signing], KEY_AGREEMENT: ['ECDH'] })
const hmac = (algorithm: string): Algorithms => ({ GENERATE_VERIFY_MAC: [algorithm] })

/**
 * The key specs that can be created. Only `SYMMETRIC_DEFAULT` has key material here; the others are records,
 * there so that a program which is given such a key meets the same refusals as at AWS.
 */
const SPECS: Readonly<Record<string, Algorithms>> = {
  SYMMETRIC_DEFAULT: { ENCRYPT_DECRYPT: ['SYMMETRIC_DEFAULT'] },
  RSA_2048: RSA,
  RSA_3072: RSA,
  RSA_4096: RSA,
  ECC_NIST_P256: elliptic('ECDSA_SHA_256'),
  ECC_NIST_P384: elliptic('ECDSA_SHA_384'),
  ECC_NIST_P521: elliptic('ECDSA_SHA_512'),
  ECC_SECG_P256K1: { SIGN_VERIFY: ['ECDSA_SHA_256'] },
  HMAC_224: hmac('HMAC_SHA_224'),
  HMAC_256: hmac('HMAC_SHA_256'),
  HMAC_384: hmac('HMAC_SHA_384'),
  HMAC_512: hmac('HMAC_SHA_512'),
}

/** Specs that AWS knows and this KMS does not. */
const OTHER_SPECS = ['SM2', 'ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87', 'ECC_NIST_EDWARDS25519']
const USAGES: readonly KeyUsage[] = ['SIGN_VERIFY', 'ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC', 'KEY_AGREEMENT']

/** The field of `KeyMetadata` that lists the algorithms, by usage. */
const ALGORITHM_FIELD: Readonly<Record<KeyUsage, string>> = {
  ENCRYPT_DECRYPT: 'EncryptionAlgorithms',
  SIGN_VERIFY: 'SigningAlgorithms',
  GENERATE_VERIFY_MAC: 'MacAlgorithms',
  KEY_AGREEMENT: 'KeyAgreementAlgorithms',
}

/** Reads `KeySpec` (or its old name) and `KeyUsage` of `CreateKey`. Returned values are valid after `check`. */
export function readKeySpec(input: RequestFields): () => { keySpec: string; keyUsage: KeyUsage } {
  const values = [...Object.keys(SPECS), ...OTHER_SPECS]
  const current = input.optionalString('KeySpec', { values })
  const former = input.optionalString('CustomerMasterKeySpec', { values })
  const usage = input.optionalString('KeyUsage', { values: USAGES }) as KeyUsage | undefined
  return () => {
    if (current !== undefined && former !== undefined) {
      throw invalid(
        'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
      )
    }
    const keySpec = current ?? former ?? 'SYMMETRIC_DEFAULT'
    return { keySpec, keyUsage: usageFor(keySpec, usage) }
  }
}

function usageFor(keySpec: string, usage: KeyUsage | undefined): KeyUsage {
  const algorithms = SPECS[keySpec]
  if (!algorithms) throw unsupported(`KeySpec ${keySpec} is not supported by the embedded KMS.`)
  if (usage === undefined) {
    if (keySpec === 'SYMMETRIC_DEFAULT') return 'ENCRYPT_DECRYPT'
    throw invalid('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.')
  }
  if (!algorithms[usage]) throw invalid(`KeyUsage ${usage} is not compatible with KeySpec ${keySpec}`)
  return usage
}

/** The one `…Algorithms` field of `KeyMetadata`. */
export function algorithmsOf(keySpec: string, keyUsage: KeyUsage): Record<string, readonly string[]> {
  return { [ALGORITHM_FIELD[keyUsage]]: SPECS[keySpec]?.[keyUsage] ?? [] }
}
