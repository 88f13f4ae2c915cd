import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EncryptionContext } from '../../../src/cipher/context'
import { type ValueTypeName } from '../../../src/column/types'

/** What the vectors say of a ciphertext, valid or not. Bytes are in hex. */
interface Facts {
  name: string
  keyArn: string
  openedByKeyArn: string
  context: EncryptionContext
  binding: EncryptionContext
  ciphertext: string
}

interface EnvelopeFacts extends Facts {
  suite: 1
  dataKey: string
  encryptedDataKey: string
}

interface DirectFacts extends Facts {
  suite: 2 | 3
  encryptionContext: EncryptionContext
  kmsPlaintext: string
  ciphertextBlob: string
}

interface Answer {
  type: ValueTypeName
  value: unknown
  plaintext: string
}

export type EnvelopeVector = EnvelopeFacts & Answer & { iv: string; aad: string }
export type DirectVector = DirectFacts & Answer
export type Vector = EnvelopeVector | DirectVector
export type InvalidVector = EnvelopeFacts | DirectFacts

/** What the vectors say of a ciphertext of suite 4. */
export interface StoredKeyFacts {
  name: string
  context: EncryptionContext
  binding: EncryptionContext
  rootContext: EncryptionContext
  root: string
  ciphertext: string
  /** Of a ciphertext that two roots open: the one that it names. */
  rootThatItNames?: string
}

export type StoredKeyVector = StoredKeyFacts &
  Answer & { dataKeyId: string; salt: string; sealKey: string; iv: string; aad: string }

export interface BlindIndexVector {
  name: string
  root: string
  table: string
  column: string
  index: string
  keyPer: EncryptionContext
  normalized: string
  key: string
  value: string
  /** How many bits of the index are kept, if not all. */
  bits?: number
  /** Of an index over several columns: the values that `normalized` is made of. */
  values?: string[]
}

/** The text of a value that others are bound to or keyed by. */
export interface PairValueVector {
  name: string
  kind: 'integer' | 'uuid' | 'boolean' | 'bytes' | 'text'
  value: string | number | boolean
  text: string
}

export const VECTORS_FILE = join(__dirname, '../../vectors/v1.json')

const document = JSON.parse(readFileSync(VECTORS_FILE, 'utf8')) as {
  valid: Vector[]
  invalid: InvalidVector[]
  storedKeys: { valid: StoredKeyVector[]; invalid: StoredKeyFacts[] }
  blindIndexes: BlindIndexVector[]
  pairValues: PairValueVector[]
  contextHashes: { context: EncryptionContext; serialised: string; hash: string }[]
}

export const { storedKeys, blindIndexes, pairValues, contextHashes } = document
export const valid = document.valid
export const invalid = document.invalid
export const envelopes = valid.filter((vector) => vector.suite === 1)
export const directs = valid.filter((vector) => vector.suite !== 1)

/** The JavaScript value that a vector states as JSON. */
export function valueOf({ type, value }: Answer): unknown {
  switch (type) {
    case 'buffer':
      return Buffer.from(value as string, 'hex')
    case 'number':
      return Number(value)
    case 'bigint':
      return BigInt(value as string)
    case 'date':
      return new Date(value as string)
    default:
      return value
  }
}
