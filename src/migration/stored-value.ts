import { type Cipher, type Recipe } from '../cipher/cipher'
import { DataKeyProof } from '../cipher/data-keys/proof'
import { parse, type Parsed } from '../cipher/ciphertext'
import { HEADER_LENGTH, isCiphertext, VERSION } from '../cipher/format'
import { notACiphertext } from '../cipher/not-a-ciphertext'
import {
  InvalidValueError,
  type KmsEncryptionError,
  PlaintextFoundError,
  SelfCheckError,
  TamperedCiphertextError,
} from '../errors'
import { isNoCiphertext } from '../errors/kinds'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe, type Scopes } from '../orm/recipe'
import { canLookLikeCiphertext, ofNoFormat, type Stored } from '../orm/read/value-opener'
import { type ColumnRow } from '../dialects/rows/column-rows'
import { asBuffer } from '../dialects/rows/is-same'

/** A stored value, told apart. */
export type StoredValue =
  | { kind: 'plaintext'; bytes: Buffer }
  /** Encrypted by another program, in a format that the column accepts; `bytes` are the plaintext. */
  | { kind: 'foreign'; bytes: Buffer }
  | { kind: 'ciphertext'; bytes: Buffer; parsed: Extract<Parsed, { kind: 'ciphertext' | 'bare' }> }

/** True for a value that begins like a ciphertext, by the same rule as the database's count. */
export function beginsLikeCiphertext(stored: Stored): boolean {
  const bytes = asBuffer(stored)
  return bytes[0] === FIRST_BYTE || bytes.subarray(0, 3).equals(BASE64_START)
}

const FIRST_BYTE = 0xc1
const BASE64_START = Buffer.from('wQE')

/** Tags of KMS keys that are known to be in use: whatever carries one of them is taken for no plaintext. */
export class KnownKeys {
  readonly #tags = new Set<string>()

  /** Remembers the key of a ciphertext that opened. */
  add(ciphertext: Buffer): void {
    if (isCiphertext(ciphertext)) this.#tags.add(tagOf(ciphertext))
  }

  carries(bytes: Buffer): boolean {
    return isCiphertext(bytes) && bytes[1] === VERSION && this.#tags.has(tagOf(bytes))
  }
}

function tagOf(ciphertext: Buffer): string {
  return ciphertext.toString('latin1', 3, HEADER_LENGTH)
}

/**
 * Tells plaintext from ciphertext. Text cannot begin like a ciphertext. Bytes can, and base64 can: what opens is a
 * ciphertext, and what does not is one, too, if KMS knows its data key, if it carries the tag of a key that is in use,
 * or if a later release may have written it. So no ciphertext is ever encrypted once more.
 *
 * @throws MalformedCiphertextError, NewerCiphertextError, TamperedCiphertextError for a ciphertext that does not open;
 * ForeignFormatError for what another program encrypted and no format opens.
 */
export async function readStored(
  column: BoundColumn,
  stored: Stored,
  { scopes }: Pick<RowRecipe, 'scopes'>,
  known = new KnownKeys(),
): Promise<StoredValue> {
  const bytes = column.opener.bytesOf(stored)
  const parsed = parse(bytes)
  const foreign = column.opener.openForeign(stored, bytes)
  if (foreign) return { kind: 'foreign', bytes: foreign }
  const plaintext = (): StoredValue => {
    const { options } = column.scheme
    // What is of another format than is known must not be encrypted once more.
    if (options.acceptFormats && options.acceptPlaintext !== true) throw ofNoFormat()
    return { kind: 'plaintext', bytes: asBuffer(stored) }
  }
  switch (parsed.kind) {
    case 'plaintext':
      return plaintext()
    case 'malformed':
      if (canLookLikeCiphertext(column.scheme, stored, bytes) && !known.carries(bytes)) return plaintext()
      throw notACiphertext(parsed)
    case 'newer':
      throw notACiphertext(parsed)
    case 'bare':
      return { kind: 'ciphertext', bytes, parsed }
    case 'ciphertext': {
      const isDoubtful = canLookLikeCiphertext(column.scheme, stored, bytes) && !known.carries(bytes)
      if (isDoubtful && !(await opens(column, bytes, scopes))) return plaintext()
      known.add(bytes)
      return { kind: 'ciphertext', bytes, parsed }
    }
  }
}

/** Throws `InvalidValueError` for what is no ciphertext and was not read whole: the rest of it would be lost. */
export function requireWhole({ isWhole = true }: ColumnRow): void {
  if (!isWhole) throw notWhole()
}

export function notWhole(): KmsEncryptionError {
  return new InvalidValueError(
    'the text has bytes that are no characters of the character set of its column: the database gives something else in their place, which would be stored instead. Correct the row. Where the column shows the text as it is meant in another character set, change that first, through a binary type.',
  )
}

/**
 * The same for a value that ought to be encrypted. In a column of bytes a value of another tenant opens no more than
 * plaintext does that looks like one: where values depend on their row it is named for what it is.
 *
 * @throws PlaintextFoundError, WrongContextError besides.
 */
export async function readEncrypted(
  column: BoundColumn,
  stored: Stored,
  recipe: Pick<RowRecipe, 'scopes'>,
  known?: KnownKeys,
): Promise<StoredValue> {
  const value = await readStored(column, stored, recipe, known)
  if (value.kind !== 'plaintext' || column.scheme.options.acceptPlaintext) return value
  if (column.recipes.opensBy.length > 0 && parse(column.opener.bytesOf(stored)).kind === 'ciphertext')
    await column.opener.openWithScope(value.bytes, recipe.scopes)
  throw new PlaintextFoundError('the row holds plaintext. Encrypt the column (encryptColumns).')
}

async function opens(column: BoundColumn, bytes: Buffer, scopes: Scopes): Promise<boolean> {
  try {
    await column.opener.openWithScope(bytes, scopes)
    return true
  } catch (error) {
    // KMS has opened the data key of what was tampered with.
    if (!isNoCiphertext(error) || error instanceof TamperedCiphertextError) throw error
    return false
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
  await proofOf(cipher).prove(sealed, recipe.scope)
  return sealed
}

const proofs = new WeakMap<Cipher, DataKeyProof>()

function proofOf(cipher: Cipher): DataKeyProof {
  let proof = proofs.get(cipher)
  if (!proof) proofs.set(cipher, (proof = new DataKeyProof(cipher.kms, cipher.storedKeys?.store)))
  return proof
}

/** A ciphertext as the column's `storage` has it. */
export function asStored(column: BoundColumn, ciphertext: Buffer): Stored {
  return column.scheme.options.storage === 'text' ? ciphertext.toString('base64') : ciphertext
}
