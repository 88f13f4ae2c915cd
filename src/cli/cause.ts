import { KmsEncryptionError, type KmsEncryptionErrorCode } from '../errors'
import { printable } from './terminal'

/** Failures before anything was sent: what the SDK or the network say of them names no value. */
const UNSENT: ReadonlySet<KmsEncryptionErrorCode> = new Set([
  'KMS_UNAVAILABLE',
  'KMS_CREDENTIALS',
  'KMS_REGION',
])
const LONGEST = 300

/**
 * What the SDK, the network or KMS said itself, in one line, where it cannot have to do with a value. `withoutValues`:
 * no request of the command has one, so that what KMS answered is harmless, too.
 */
export function causeOf(error: unknown, withoutValues = false): string | undefined {
  if (!(error instanceof KmsEncryptionError) || !(withoutValues || UNSENT.has(error.code))) return undefined
  const { cause } = error
  return cause instanceof Error && cause.message !== ''
    ? printable(`${cause.name}: ${cause.message}`, LONGEST)
    : undefined
}
