import { type Account } from '../account'
import { type BlobLook } from '../ciphertext-blob'
import { KmsException } from '../exception'
import { type KeyStore } from '../key-store'
import { type RequestFields } from '../request-fields'

/** What an operation works on. */
export interface OperationContext {
  /** The Region of the request. */
  readonly store: KeyStore
  readonly account: Account
  /** The KMS's clock, in milliseconds since 1970. */
  readonly now: number
  /** The operation's name, for error messages. */
  readonly operation: string
  /** What ciphertext blobs look like. */
  readonly blobs: BlobLook
  /** Throws `AccessDeniedException` where the caller's policy is against it. */
  readonly authorise: (
    action: string,
    resource: string | undefined,
    context: Readonly<Record<string, string>>,
  ) => void
}

/** One API operation: reads its fields, checks, acts, and returns the response body, if it has one. */
export type Operation = (
  input: RequestFields,
  context: OperationContext,
) => Record<string, unknown> | undefined

/** A `KeyId` parameter, or another of its type. */
export const KEY_ID = { min: 1, max: 2048 } as const

/** @throws `DryRunOperationException` when the request asked for a dry run; called where it would succeed. */
export function stopDryRun(dryRun: boolean | undefined): void {
  if (dryRun !== true) return
  throw new KmsException(
    'DryRunOperationException',
    'The request would have succeeded, but the DryRun option is set.',
  )
}
