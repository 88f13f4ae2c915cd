import { type Cipher } from '../../cipher/cipher'
import { type DataKey } from '../../cipher/data-key'
import { isBareCiphertextBlob } from '../../cipher/direct'
import { isCiphertext } from '../../cipher/format'
import { fromBase64Bytes, recognise } from '../../cipher/recognise'
import { type Scope } from '../../cipher/scope'
import { type Stored } from '../../column/driver-value'
import { type Scheme } from '../../column/scheme'
import { PlaintextFoundError } from '../../errors'
import { isNoCiphertext, isOfOtherScope } from '../../errors/kinds'
import { type Scopes } from '../recipe'

export { type Stored } from '../../column/driver-value'

/**
 * Opens the stored values of one column: under the current scope of their row, then under the `previous` ones; and,
 * with `acceptPlaintext`, takes what is not a ciphertext as it is.
 */
export class ValueOpener {
  readonly #cipher: Cipher
  readonly #scheme: Scheme

  constructor(
    cipher: Cipher,
    scheme: Scheme,
    /**
     * Whether the column may hold bare `CiphertextBlob`s of other programs. KMS opens those under no context, so
     * elsewhere they would be a way to have the application decrypt what was never meant for it.
     */
    readonly takesBareBlobs: boolean,
  ) {
    this.#cipher = cipher
    this.#scheme = scheme
  }

  /** The bytes behind a value of a row: ciphertexts in text columns are base64, and so are bare blobs of KMS. */
  bytesOf(stored: Stored): Buffer {
    if (typeof stored !== 'string') return fromBase64Bytes(stored) ?? stored
    const bytes = Buffer.from(stored, 'base64')
    return bytes.toString('base64') === stored ? bytes : Buffer.from(stored)
  }

  /** The data key that was used last under the current scope: most values of a page share one. */
  dataKeyAtHand([scope]: Scopes): DataKey | undefined {
    return this.#cipher.dataKeys.lastUsed(scope)
  }

  /** True if opening a value may need a call to KMS. */
  needsKms(bytes: Buffer, scopes: Scopes): boolean {
    return scopes.some((scope) => this.#cipher.needsKms(bytes, scope))
  }

  /** The plaintext, if no call to KMS is needed for it. */
  openNow(stored: Stored, scopes: Scopes, bytes = this.bytesOf(stored)): Buffer | undefined {
    const dataKey = this.dataKeyAtHand(scopes)
    if (dataKey?.isCarriedBy(bytes)) {
      try {
        return this.#cipher.openWith(dataKey, bytes, scopes[0])
      } catch {
        // Below it fails again, unless another scope opens it.
      }
    }
    if (this.isPlaintext(stored, bytes)) return Buffer.from(stored)
    if (!this.takesBareBlobs && !isCiphertext(bytes) && isBareCiphertextBlob(bytes)) {
      throw new PlaintextFoundError(
        "the column holds a CiphertextBlob of KMS that another program stored; those are read in mode 'direct' only. Set mode: 'direct', or previous: [{ mode: 'direct' }].",
      )
    }
    if (scopes.length === 1) return this.#openInScopeNow(stored, bytes, scopes[0])
    for (const scope of scopes) {
      try {
        const plaintext = this.#cipher.decryptNow(bytes, scope)
        if (plaintext) return plaintext
      } catch (error) {
        if (!isOfOtherScope(error)) throw error
      }
    }
    return undefined
  }

  /** The plaintext. Throws the failure under the current scope if no scope opens it. */
  async open(stored: Stored, scopes: Scopes, bytes = this.bytesOf(stored)): Promise<Buffer> {
    const plaintext = this.openNow(stored, scopes, bytes)
    if (plaintext) return plaintext
    try {
      return (await this.openWithScope(bytes, scopes)).plaintext
    } catch (error) {
      if (this.#mayBePlaintext(stored, bytes) && isNoCiphertext(error)) return Buffer.from(stored)
      throw error
    }
  }

  /** The plaintext of a ciphertext, and the scope that opened it. */
  async openWithScope(bytes: Buffer, scopes: Scopes): Promise<{ plaintext: Buffer; scope: Scope }> {
    let first: unknown
    for (const scope of scopes) {
      try {
        return { plaintext: await this.#cipher.decrypt(bytes, scope), scope }
      } catch (error) {
        if (!isOfOtherScope(error)) throw error
        first ??= error
      }
    }
    throw first
  }

  /** True for a value that the column accepts as it is, because it cannot be a ciphertext. */
  isPlaintext(stored: Stored, bytes: Buffer): boolean {
    if (!this.#scheme.options.acceptPlaintext) return false
    const { kind } = recognise(bytes)
    return (
      kind === 'plaintext' || (kind === 'malformed' && canLookLikeCiphertext(this.#scheme, stored, bytes))
    )
  }

  #openInScopeNow(stored: Stored, bytes: Buffer, scope: Scope): Buffer | undefined {
    try {
      return this.#cipher.decryptNow(bytes, scope)
    } catch (error) {
      if (this.#mayBePlaintext(stored, bytes) && isNoCiphertext(error)) return Buffer.from(stored)
      throw error
    }
  }

  #mayBePlaintext(stored: Stored, bytes: Buffer): boolean {
    return Boolean(this.#scheme.options.acceptPlaintext) && isDoubtful(this.#scheme, stored, bytes)
  }
}

/** True for a whole ciphertext by its outline whose sealed part does not look like KMS's work, where plaintext can. */
export function isDoubtful(scheme: Scheme, stored: Stored, bytes: Buffer): boolean {
  const recognised = recognise(bytes)
  const certain = recognised.kind === 'ciphertext' && recognised.certain
  return !certain && canLookLikeCiphertext(scheme, stored, bytes)
}

/** 0xC1 occurs in no UTF-8; only bytes, and texts that are base64, can look like a ciphertext and be none. */
export function canLookLikeCiphertext(scheme: Scheme, stored: Stored, bytes: Buffer): boolean {
  return scheme.type.name === 'buffer' || bytes !== stored
}
