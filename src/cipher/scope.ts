import { type EncryptionContext, serialiseContext } from './context'
import { MAGIC, Suite, VERSION } from './format'

/** The column whose values are counted. */
export interface Tally {
  readonly entity: string
  readonly property: string
  encrypted: number
  decrypted: number
}

/**
 * What a value belongs to: the context under which its data key is made, cached and opened, and the binding to
 * the single value. Built once per column (or, where it depends on the row, per row) and asked per value.
 */
export class Scope {
  /** Identifies the context; data keys are shared by all scopes with the same one. */
  readonly contextKey: string
  /** AAD of an envelope ciphertext: the first 3 bytes of the header, then context and binding. */
  readonly aad: Buffer
  /** `EncryptionContext` of a direct ciphertext: context and binding. */
  readonly directContext: EncryptionContext
  /** Context and binding, serialised: what every AAD ends with. */
  readonly pairs: Buffer
  /** Identifies context and binding together. */
  readonly directKey: string

  constructor(
    /** `EncryptionContext` of the data keys. */
    readonly context: EncryptionContext,
    binding: EncryptionContext,
    /** Where values under this scope are counted. */
    readonly tally?: Tally,
  ) {
    this.contextKey = serialiseContext(context).toString('latin1')
    this.directContext = { ...context, ...binding }
    this.pairs = serialiseContext(this.directContext)
    this.directKey = this.pairs.toString('latin1')
    this.aad = Buffer.concat([Uint8Array.of(MAGIC, VERSION, Suite.Envelope), this.pairs])
  }
}
