import { type Recipe } from '../cipher/cipher'
import { type Recognised, recognise } from '../cipher/recognise'
import { MalformedCiphertextError, SelfCheckError } from '../errors'
import { isNoCiphertext } from '../errors/kinds'
import { type BoundColumn } from '../orm/bound-column'
import { canLookLikeCiphertext, isDoubtful, type Stored } from '../orm/read/value-opener'
import { asBuffer } from './rows/is-same'

/** A stored value, told apart. */
export type StoredValue =
  | { kind: 'plaintext'; bytes: Buffer }
  | { kind: 'ciphertext'; bytes: Buffer; recognised: Extract<Recognised, { kind: 'ciphertext' | 'bare' }> }

/**
 * Tells plaintext from ciphertext. Text cannot begin like a ciphertext. Bytes can: they are a ciphertext if they
 * are whole and either look like KMS's work or can be opened.
 */
export async function readStored(column: BoundColumn, stored: Stored): Promise<StoredValue> {
  const bytes = column.opener.bytesOf(stored)
  const recognised = recognise(bytes)
  const plaintext = (): StoredValue => ({ kind: 'plaintext', bytes: asBuffer(stored) })
  switch (recognised.kind) {
    case 'plaintext':
      return plaintext()
    case 'malformed':
      if (canLookLikeCiphertext(column.scheme, stored, bytes)) return plaintext()
      throw new MalformedCiphertextError(
        'the stored ciphertext is cut off or of an unknown version. Restore the row from a backup; nothing was changed.',
      )
    case 'bare':
      return { kind: 'ciphertext', bytes, recognised }
    case 'ciphertext':
      if (isDoubtful(column.scheme, stored, bytes) && !(await opens(column, bytes))) return plaintext()
      return { kind: 'ciphertext', bytes, recognised }
  }
}

async function opens(column: BoundColumn, bytes: Buffer): Promise<boolean> {
  try {
    await column.opener.openWithScope(bytes, column.recipe.scopes)
    return true
  } catch (error) {
    if (isNoCiphertext(error)) return false
    throw error
  }
}

/** Encrypts, and decrypts again what came of it: only what is proven to open is ever stored. */
export async function sealChecked(column: BoundColumn, plaintext: Buffer, recipe: Recipe): Promise<Buffer> {
  const { cipher } = column
  const sealed = cipher.encryptNow(plaintext, recipe) ?? (await cipher.encrypt(plaintext, recipe))
  const opened = cipher.decryptNow(sealed, recipe.scope) ?? (await cipher.decrypt(sealed, recipe.scope))
  if (!opened.equals(plaintext)) {
    throw new SelfCheckError('the new ciphertext did not decrypt to the value. Nothing was stored.')
  }
  return sealed
}

/** A ciphertext as the column's `storage` has it. */
export function asStored(column: BoundColumn, ciphertext: Buffer): Stored {
  return column.scheme.options.storage === 'text' ? ciphertext.toString('base64') : ciphertext
}
