import { channel } from 'node:diagnostics_channel'
import { type PublishedContext } from './access'
import { type KmsEncryptionErrorCode } from './errors'

/*
 * What can be watched with Node's diagnostics_channel. No event holds a plaintext, key material or a ciphertext.
 * With no subscriber nothing is made and nothing is sent: every publisher asks `hasSubscribers` first.
 */

/** What became of a call: `ok`, or the `code` of the error. */
export type CallOutcome = 'ok' | KmsEncryptionErrorCode

/** One call to KMS, when it has ended. Channel `typeorm-kms-encrypted:kms-call`. */
export interface KmsCallEvent {
  operation: 'GenerateDataKey' | 'Encrypt' | 'Decrypt' | 'ReEncrypt'
  outcome: CallOutcome
  /** From the request to the answer, retries included. */
  milliseconds: number
  /** Before that, spent waiting for one of the `concurrency` places. */
  waited: number
  /** Requests that were sent: more than one where the AWS SDK repeated the call. */
  attempts: number
  /** The key that was named, as it was named: id, ARN or alias. Decrypt names none. */
  keyId: string | undefined
  /** The context (`withContext()`) of whoever asked first: one call serves all who wait for the same data key. */
  context?: PublishedContext | undefined
}

/** A data key was wanted. Channel `typeorm-kms-encrypted:data-key`. */
export interface DataKeyEvent {
  purpose: 'encrypt' | 'decrypt'
  /** `hit`: it was in memory. `miss`: KMS is asked. */
  outcome: 'hit' | 'miss'
}

/** One value was encrypted or decrypted. Channel `typeorm-kms-encrypted:value`. */
export interface ValueEvent {
  action: 'encrypt' | 'decrypt'
  mode: 'envelope' | 'direct'
  entity: string
  property: string
  /** Of a decrypted value's row, where that is known: the raw values of a query, or the properties of an entity. */
  primaryKey?: PrimaryKey | undefined
  /** The context (`withContext()`) that it was done in. */
  context?: PublishedContext | undefined
}

/** By property. */
export type PrimaryKey = Readonly<Record<string, unknown>>

/** Names the row of a value, for whoever watches. */
export type NamedRow = () => PrimaryKey | undefined

export const channels = {
  kmsCall: channel('typeorm-kms-encrypted:kms-call'),
  dataKey: channel('typeorm-kms-encrypted:data-key'),
  value: channel('typeorm-kms-encrypted:value'),
} as const
