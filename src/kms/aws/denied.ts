import { AccessDeniedError } from '../../errors'
import { type Explanation, type FailedCall, theKey } from './failed-call'

/** Who else than key policy and IAM policy may deny, by what AWS's message calls it, and what helps. */
const BY_POLICY: readonly [RegExp, (call: FailedCall) => string][] = [
  [
    /VPC endpoint policy/i,
    ({ operation }) =>
      `The policy of the VPC endpoint for KMS denies it: allow kms:${operation} on the key there (VPC console, Endpoints, Policy).`,
  ],
  [
    /service control policy/i,
    ({ operation }) =>
      `A service control policy of the AWS organisation denies it: its administrators must allow kms:${operation}.`,
  ],
  [
    /resource control policy/i,
    ({ operation }) =>
      `A resource control policy of the AWS organisation denies it: its administrators must allow kms:${operation}.`,
  ],
  [
    /permissions boundary/i,
    ({ operation }) => `The permissions boundary of the role denies it: allow kms:${operation} there.`,
  ],
  [
    /session policy/i,
    ({ operation }) =>
      `The session policy denies it, which is set where the role is assumed: allow kms:${operation} there.`,
  ],
]

/**
 * What `AccessDeniedException` means.
 *
 * Source: IAM User Guide, "Troubleshoot access denied error messages".
 */
export function deniedExplanation(message: string): Explanation {
  const policy = BY_POLICY.find(([pattern]) => pattern.test(message))?.[1]
  const doubt = NO_SUCH_KEY.test(message)
    ? ' KMS says the same of a key that was deleted and of one in another region.'
    : ''
  return [AccessDeniedError, (call) => `access to KMS was denied. ${(policy ?? allow)(call)}${doubt}`]
}

/** "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or …" */
const NO_SUCH_KEY = /does not exist/i

function allow(call: FailedCall): string {
  return call.operation === 'ReEncrypt'
    ? `Allow kms:ReEncryptFrom on the KMS key that the values are under, and kms:ReEncryptTo on ${theKey(call)}, in the key policies or the role's IAM policy.`
    : `Allow kms:${call.operation} on ${theKey(call)} in the key policy or the role's IAM policy.`
}
