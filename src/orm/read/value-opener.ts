import { denial, isDenied } from '../../access'
import { asPlaintext, type PlaintextBytes } from '../../cipher/bytes'
import { type Cipher } from '../../cipher/cipher'
import { fromBase64Bytes, parse } from '../../cipher/ciphertext'
import { type DataKey } from '../../cipher/data-keys/data-key'
import { type Scope } from '../../cipher/scope'
import { type Stored } from '../../column/driver-value'
import { type Scheme } from '../../column/scheme'
import { asBuffer } from '../../dialects/rows/is-same'
import { type NamedRow } from '../../diagnostics'
import { ForeignFormatError, PlaintextFoundError } from '../../errors'
import { isOfOtherScope } from '../../errors/kinds'
import { type Scopes } from '../recipe'

export { type Stored } from '../../column/driver-value'

/** What is asked whether it seems to open a value. */
export type KeyAtHand = Pick<DataKey, 'seemsToOpen' | 'seemsToOpenText'>

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

  /** The same, or a stored one. */
  keyAtHand([scope]: Scopes): KeyAtHand | undefined {
    return this.#cipher.dataKeys.lastUsed(scope) ?? this.#cipher.storedKeys?.lastUsed(scope)
  }

  /** True if opening a value may need a call to KMS. */
  needsKms(bytes: Buffer, scopes: Scopes): boolean {
    return scopes.some((scope) => this.#cipher.needsKms(bytes, scope))
  }

  /** True if a value opens, or fails, without a call to KMS. Of most that is seen from a few bytes. */
  isAtHand(stored: Stored, scopes: Scopes): boolean {
    const dataKey = this.dataKeyAtHand(scopes)
    return (dataKey && seemsToOpen(dataKey, stored)) === true || !this.needsKms(this.bytesOf(stored), scopes)
  }

  /** The plaintext, if no call to KMS is needed for it. */
  openNow(
    stored: Stored,
    scopes: Scopes,
    bytes = this.bytesOf(stored),
    row?: NamedRow,
  ): PlaintextBytes | undefined {
    // Plaintext that the column accepts as it is would show as well.
    if (isDenied()) throw denial()
    const dataKey = this.dataKeyAtHand(scopes)
    if (dataKey?.isCarriedBy(bytes)) {
      try {
        return this.#cipher.openWith(dataKey, bytes, scopes[0], row)
      } catch {
        // Below it fails again, unless another scope opens it.
      }
    }
    const foreign = this.openForeign(stored, bytes)
    if (foreign) return foreign
    if (this.isPlaintext(stored, bytes)) return asPlaintext(Buffer.from(stored))
    const parsed = parse(bytes)
    if (parsed.kind === 'plaintext' && this.#scheme.foreign) throw ofNoFormat()
    if (!this.takesBareBlobs && parsed.kind === 'bare') {
      throw new PlaintextFoundError(
        "the column holds a CiphertextBlob of KMS that another program stored; those are read in mode 'direct' only. Set mode: 'direct', or previous: [{ mode: 'direct' }].",
      )
    }
    if (scopes.length === 1) return this.#cipher.decryptNow(parsed, scopes[0], row)
    for (const scope of scopes) {
      try {
        const plaintext = this.#cipher.decryptNow(parsed, scope, row)
        if (plaintext) return plaintext
      } catch (error) {
        if (!isOfOtherScope(error)) throw error
      }
    }
    return undefined
  }

  /** The plaintext. Throws the failure under the current scope if no scope opens it. */
  async open(
    stored: Stored,
    scopes: Scopes,
    bytes = this.bytesOf(stored),
    row?: NamedRow,
  ): Promise<PlaintextBytes> {
    return (
      this.openNow(stored, scopes, bytes, row) ?? (await this.openWithScope(bytes, scopes, row)).plaintext
    )
  }

  /** The plaintext of a ciphertext, and the scope that opened it. */
  async openWithScope(
    bytes: Buffer,
    scopes: Scopes,
    row?: NamedRow,
  ): Promise<{ plaintext: PlaintextBytes; scope: Scope }> {
    let first: unknown
    for (const scope of scopes) {
      try {
        return { plaintext: await this.#cipher.decrypt(bytes, scope, row), scope }
      } catch (error) {
        if (!isOfOtherScope(error)) throw error
        first ??= error
      }
    }
    throw first
  }

  /**
   * The plaintext of what another program encrypted, in a format that the column accepts; `undefined` for anything else.
   * Throws `ForeignFormatError` for what seems to be of one, and does not open.
   */
  openForeign(stored: Stored, bytes: Buffer): PlaintextBytes | undefined {
    const { foreign } = this.#scheme
    if (!foreign) return undefined
    const isLikeOurs = parse(bytes).kind === 'ciphertext'
    const opened = foreign.open(asBuffer(stored), isLikeOurs)
    return opened && asPlaintext(opened)
  }

  /** True for a value that would be read as it is. */
  isReadAsItIs(stored: Stored): boolean {
    const bytes = this.bytesOf(stored)
    try {
      return this.openForeign(stored, bytes) === undefined && this.isPlaintext(stored, bytes)
    } catch {
      return false
    }
  }

  /** True for a value that the column accepts as it is, because it cannot be a ciphertext. */
  isPlaintext(stored: Stored, bytes: Buffer): boolean {
    if (!this.#scheme.options.acceptPlaintext) return false
    const { kind } = parse(bytes)
    return (
      kind === 'plaintext' || (kind === 'malformed' && canLookLikeCiphertext(this.#scheme, stored, bytes))
    )
  }
}

/** True for every value that carries this data key, and for hardly any other. */
export function seemsToOpen(dataKey: KeyAtHand, stored: Stored): boolean {
  return typeof stored === 'string' ? dataKey.seemsToOpenText(stored) : dataKey.seemsToOpen(stored)
}

/** 0xC1 occurs in no UTF-8; only bytes, and texts that are base64, can look like a ciphertext and be none. */
export function canLookLikeCiphertext(scheme: Scheme, stored: Stored, bytes: Buffer): boolean {
  return scheme.type.name === 'buffer' || bytes !== stored
}

/** Why a value is refused that is neither a ciphertext nor of a format that the column accepts. */
export function ofNoFormat(): ForeignFormatError {
  return new ForeignFormatError(
    'the column holds a value that is neither a ciphertext nor of a format of acceptFormats. Add its format; or, if it is plaintext, acceptPlaintext: true.',
  )
}
