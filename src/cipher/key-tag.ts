import { hasOtherReferences } from '../kms/key-references'
import { type KeyReference } from '../kms/key-service'
import { HEADER_LENGTH, keyTag, PREFIX_LENGTH } from './format'

/**
 * True if the key tag of a ciphertext is that of the key which opened it. Where a key has several references, as the
 * replicas of a multi-Region key have, they open each other's ciphertexts, so their tag is not compared.
 */
export function tagMatches(ciphertext: Buffer, key: KeyReference): boolean {
  return ciphertext.compare(tagOf(key), 0, 4, PREFIX_LENGTH, HEADER_LENGTH) === 0 || hasOtherReferences(key)
}

const tags = new Map<string, Buffer>()

function tagOf(key: KeyReference): Buffer {
  let tag = tags.get(key)
  if (!tag) tags.set(key, (tag = keyTag(key)))
  return tag
}
