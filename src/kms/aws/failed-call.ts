import { type ErrorDetails, type KmsEncryptionError } from '../../errors'

/** The call that failed. */
export interface FailedCall {
  operation: string
  keyId: string | undefined
  /** The client's region; asked only where the message needs it. */
  region: () => Promise<string>
}

/** What an error of the AWS SDK comes to: the class of this library's error, and its text with the remedy. */
export type Explanation = readonly [
  Class: new (reason: string, details: ErrorDetails) => KmsEncryptionError,
  explain: (call: FailedCall) => string,
]

export const theKey = ({ keyId }: FailedCall): string =>
  keyId === undefined ? 'the KMS key of this value' : `the KMS key ${keyId}`

/** Names of keys say nothing of what is the matter with them. */
export function withoutNames(message: string): string {
  return message.replaceAll(/\b(arn:|alias\/)\S+/g, '')
}
