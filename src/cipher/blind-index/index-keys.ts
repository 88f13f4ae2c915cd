import { type KeyObject } from 'node:crypto'
import { type Cipher } from '../cipher'
import { type EncryptionContext } from '../context'
import { Scope } from '../scope'
import { type IndexPlace } from '.'

/** Gives the keys of blind indexes, each for its place: the same object every time. */
export interface IndexKeys {
  /** Without asking KMS or the database, or else `undefined`. */
  now(place: IndexPlace): KeyObject | undefined
  /** Throws a `KmsEncryptionError`, and asks again the next time. */
  open(place: IndexPlace): Promise<KeyObject>
}

/** The keys of indexes whose root is a stored data key: one for each encryption context, made on first need. */
export function storedIndexKeys(cipher: Cipher, keyId: string, context: EncryptionContext): IndexKeys {
  const scope = new Scope(context, {})
  return {
    now: (place) => cipher.indexKeyNow(keyId, scope, place),
    open: (place) => cipher.indexKey(keyId, scope, place),
  }
}
