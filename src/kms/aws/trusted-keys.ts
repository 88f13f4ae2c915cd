import { InvalidOptionError, UntrustedKeyError } from '../../errors'
import { keyIdentity } from './key-arn'

const ACCOUNT_ID = /^\d{12}$/
const KEY_ARN = /^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/[\w-]+$/

/**
 * The KMS keys under which values may be opened. KMS opens a ciphertext under any key that the caller may use;
 * whoever can write rows could otherwise bring a value under a key of their own. A multi-Region key is trusted in all its Regions: only its owner can replicate it.
 */
export class TrustedKeys {
  readonly #trusted: ReadonlySet<string> | undefined

  /** `trusted`: key ARNs or account ids; `undefined` trusts whatever KMS opens. */
  constructor(trusted: readonly string[] | undefined) {
    for (const entry of trusted ?? []) {
      if (ACCOUNT_ID.test(entry) || KEY_ARN.test(entry)) continue
      throw new InvalidOptionError(
        `trustedKeys takes key ARNs (arn:aws:kms:REGION:ACCOUNT:key/ID) and account ids of 12 digits; "${entry}" is neither. An alias can be moved to another key, so it is no proof.`,
      )
    }
    this.#trusted = trusted && new Set(trusted.map(keyIdentity))
  }

  /** False if whatever KMS opens is trusted. */
  get areNamed(): boolean {
    return this.#trusted !== undefined
  }

  /** Throws `UntrustedKeyError` unless the key is trusted. */
  check(keyArn: string): void {
    if (
      !this.#trusted ||
      this.#trusted.has(keyIdentity(keyArn)) ||
      this.#trusted.has(keyArn.split(':')[4] ?? '')
    )
      return
    throw new UntrustedKeyError(
      `KMS used the key ${keyArn}, which is not among trustedKeys. If the key is yours, add its ARN to trustedKeys; if it is not, somebody wrote this value with a key of their own.`,
    )
  }
}
