import { type CiphertextBytes, type PlaintextBytes } from '../../../src/cipher/bytes'
import { type Cipher, type Recipe } from '../../../src/cipher/cipher'
import { type ValueType } from '../../../src/column/types'

declare const cipher: Cipher
declare const recipe: Recipe
declare const type: ValueType
declare const plaintext: PlaintextBytes
declare const ciphertext: CiphertextBytes

void cipher.encrypt(plaintext, recipe)
void cipher.encrypt(Buffer.from('a value'), recipe)
void cipher.decrypt(ciphertext, recipe.scope).then((opened) => type.deserialise(opened))

// @ts-expect-error a ciphertext is not encrypted once more
void cipher.encrypt(ciphertext, recipe)
// @ts-expect-error a ciphertext is not the serialised form of a value
type.deserialise(ciphertext)
// @ts-expect-error nor is what nobody has opened
type.deserialise(Buffer.from('stored'))
// @ts-expect-error a plaintext is no ciphertext
const stored: CiphertextBytes = plaintext
export const kept = stored
