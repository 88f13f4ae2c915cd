import { ForeignFormatError } from '../errors'

/**
 * Opens a stored value that another program encrypted.
 *
 * Gets the bytes of the value (a text as its UTF-8) and gives the plaintext, as text or bytes, at once. `undefined` if
 * the value is none of its kind; it throws if it is one, and does not open.
 *
 * @example
 * ```ts
 * const FORM = /^([0-9a-f]{24}):([0-9a-f]{32}):([0-9a-f]*)$/
 * const ours: ForeignFormat = (stored) => {
 *   const parts = FORM.exec(stored.toString('latin1'))
 *   if (!parts) return undefined
 *   const [iv, tag, sealed] = parts.slice(1).map((part) => Buffer.from(part, 'hex'))
 *   const decipher = createDecipheriv('aes-256-gcm', key, iv!, { authTagLength: 16 }).setAuthTag(tag!)
 *   return Buffer.concat([decipher.update(sealed!), decipher.final()])
 * }
 * ```
 */
export interface ForeignFormat {
  (stored: Buffer): string | Uint8Array | undefined
  /**
   * False if it may open what is none of its kind, or open it to something else, as a mode without authentication does.
   * Then it is tried last, a column has only one of them, and does not accept plaintext beside it. Default true.
   */
  readonly isAuthenticated?: boolean
}

/** The formats that a column accepts beside the library's own. */
export class ForeignFormats {
  readonly #formats: readonly ForeignFormat[]

  constructor(formats: readonly ForeignFormat[]) {
    this.#formats = formats.toSorted((a, b) => Number(isAuthenticated(b)) - Number(isAuthenticated(a)))
  }

  /**
   * The plaintext of a value; `undefined` if it is of none of the formats.
   *
   * @param authenticatedOnly where the bytes look like a ciphertext of the library: only what proves itself is believed.
   * @throws ForeignFormatError if it seems to be of one of them, and none opens it.
   */
  open(stored: Buffer, authenticatedOnly: boolean): Buffer | undefined {
    let failure: ForeignFormatError | undefined
    for (const format of this.#formats) {
      if (authenticatedOnly && !isAuthenticated(format)) continue
      try {
        // Of its own: a format of the application may change what it is given.
        const opened: unknown = format(Buffer.from(stored))
        if (opened === undefined) continue
        if (typeof opened === 'string') return Buffer.from(opened)
        if (opened instanceof Uint8Array) return Buffer.from(opened)
        failure ??= failed(format, 'gave neither a text nor bytes nor undefined (it must not be async)')
      } catch (error) {
        failure ??= failed(format, `does not open it: ${nameOf(error)}`)
      }
    }
    if (failure && !authenticatedOnly) throw failure
    return undefined
  }
}

/** Why a list of formats cannot be accepted; `undefined` if it can. */
export function refusalOfFormats(formats: unknown, acceptsPlaintext: boolean): string | undefined {
  if (!Array.isArray(formats) || formats.length === 0 || !formats.every((each) => typeof each === 'function'))
    return 'acceptFormats must be a list of formats: those of typeorm-kms-encrypted/formats, or functions of your own'
  const open = (formats as ForeignFormat[]).filter((each) => !isAuthenticated(each))
  if (open.length > 1)
    return 'acceptFormats has several formats without authentication, which open the values of each other to something else. Convert the values of one after the other'
  if (open.length > 0 && acceptsPlaintext)
    return 'acceptFormats has a format without authentication, which may open a plaintext to something else: it cannot stand beside acceptPlaintext'
  return undefined
}

function isAuthenticated({ isAuthenticated: is = true }: ForeignFormat): boolean {
  return is
}

function failed(format: ForeignFormat, what: string): ForeignFormatError {
  return new ForeignFormatError(
    `the column holds a value that another program encrypted, and the format ${format.name || 'without a name'} ${what}. Is its key the one of then? The row was not changed.`,
  )
}

/** What is known of an error of a format, and tells nothing of the value: a message may quote it. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it threw something'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? `${error.name} ${code}` : error.name
}
