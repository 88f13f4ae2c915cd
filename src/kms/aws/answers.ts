import { isUint8Array } from 'node:util/types'
import { KmsRequestError } from '../../errors'
import { MAX_BLOB_LENGTH } from './blob-outline'

const DATA_KEY_LENGTH = 32

type Operation = string

/** A field of an answer that names a key. Throws `KmsRequestError` if it is missing. */
export function textOf<Field extends string>(
  answer: { readonly [Name in Field]?: string | undefined },
  field: Field,
  operation: Operation,
): string {
  const value: unknown = answer[field]
  if (typeof value === 'string' && value !== '') return value
  throw broken(operation, `has no ${field}`)
}

/** A field of an answer that holds bytes. Throws `KmsRequestError` if there are none. */
export function bytesOf<Field extends string>(
  answer: { readonly [Name in Field]?: Uint8Array | undefined },
  field: Field,
  operation: Operation,
): Uint8Array {
  const value: unknown = answer[field]
  if (isUint8Array(value) && value.length > 0) return value
  throw broken(operation, `has no ${field}`)
}

/** The ciphertext of an answer. Throws `KmsRequestError` for one that KMS would not take back. */
export function blobOf(
  answer: { CiphertextBlob?: Uint8Array | undefined },
  operation: Operation,
): Uint8Array {
  const blob = bytesOf(answer, 'CiphertextBlob', operation)
  if (blob.length <= MAX_BLOB_LENGTH) return blob
  throw broken(
    operation,
    `has a CiphertextBlob of ${blob.length} bytes, of which Decrypt takes ${MAX_BLOB_LENGTH}`,
  )
}

/** The plaintext of a new data key. Throws `KmsRequestError` for one of another length. */
export function dataKeyOf(answer: { Plaintext?: Uint8Array | undefined }, operation: Operation): Uint8Array {
  const key = bytesOf(answer, 'Plaintext', operation)
  if (key.length === DATA_KEY_LENGTH) return key
  throw broken(operation, `has a data key of ${key.length} bytes instead of ${DATA_KEY_LENGTH}`)
}

/** Overwrites the plaintext that the SDK has in its answer. */
export function zeroFillPlaintext(answer: object): void {
  if ('Plaintext' in answer && isUint8Array(answer.Plaintext)) answer.Plaintext.fill(0)
}

function broken(operation: Operation, what: string): KmsRequestError {
  return new KmsRequestError(
    `the answer to ${operation} ${what}, against the API of KMS. Nothing of it was used. Check the endpoint, and what stands between it and this process; the operation can be repeated.`,
  )
}
