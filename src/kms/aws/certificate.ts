import { KmsUnavailableError } from '../../errors'
import { type Facts } from './facts'
import { type Explanation } from './failed-call'

const BY_TIME = /\bCERT_(HAS_EXPIRED|NOT_YET_VALID)\b|certificate (has expired|is not yet valid)/
const BY_ISSUER =
  /\b(SELF_SIGNED\w*|DEPTH_ZERO\w*|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)\w*|CERT_UNTRUSTED)\b|self[- ]signed certificate|unable to (get( local)? issuer|verify the first) certificate/

/** What it means that the certificate of who answered is not taken; `undefined`: that is not it. */
export function certificateExplanation({ code, message, status }: Facts): Explanation | undefined {
  if (status !== 0) return undefined
  const says = (pattern: RegExp): boolean => pattern.test(code) || pattern.test(message)
  if (says(BY_TIME)) {
    const now = new Date().toISOString()
    return unavailable(
      `is not valid at this time. The clock of this machine says ${now}: if it is wrong, synchronise it; else the certificate of a proxy between has expired.`,
    )
  }
  return says(BY_ISSUER)
    ? unavailable(
        'is of an authority that Node does not know: a proxy or firewall that opens TLS stands between. Have it let kms.*.amazonaws.com pass, or give its authority in NODE_EXTRA_CA_CERTS.',
      )
    : undefined
}

function unavailable(why: string): Explanation {
  return [
    KmsUnavailableError,
    ({ operation }) =>
      `KMS could not be reached for ${operation}: the certificate of what answered ${why} The operation can be repeated.`,
  ]
}
