import { type EncryptionContext, serialiseContext } from './context'
import { MAGIC, Suite, VERSION } from './format'

/** The column whose values are counted. */
export interface Tally {
  readonly entity: string
  readonly property: string
  encrypted: number
  decrypted: number
}

/** Makes the pairs that bind a value where they are asked for: in direct mode. */
export class Binding {
  /** @param values of one row, for `make`. */
  constructor(
    private readonly make: (values: readonly string[]) => EncryptionContext,
    private readonly values: readonly string[],
  ) {}

  get pairs(): EncryptionContext {
    return this.make(this.values)
  }
}

function pairsOf(binding: EncryptionContext | Binding): EncryptionContext {
  return binding instanceof Binding ? binding.pairs : binding
}

/**
 * What a value belongs to: the context under which its data key is made, cached and opened, and the binding to
 * the single value. Built once per column (or, where it depends on the row, per row: see `ScopeTemplate`) and asked
 * per value. What is serialised is so when it is first asked for: most columns of a large application are not met by
 * a process soon.
 */
export class Scope {
  readonly #binding: EncryptionContext | Binding
  #contextKey: string | undefined
  #aad: Buffer | undefined
  #directContext: EncryptionContext | undefined
  #directKey: string | undefined

  constructor(
    /** `EncryptionContext` of the data keys. */
    readonly context: EncryptionContext,
    binding: EncryptionContext | Binding,
    /** Where values under this scope are counted. */
    readonly tally?: Tally,
    /** What is serialised already. */
    contextKey?: string,
    aad?: Buffer,
  ) {
    this.#binding = binding
    this.#contextKey = contextKey
    this.#aad = aad
  }

  /** Identifies the context; data keys are shared by all scopes with the same one. */
  get contextKey(): string {
    return (this.#contextKey ??= serialiseContext(this.context).toString('latin1'))
  }

  /** AAD of an envelope ciphertext: the first 3 bytes of the header, then context and binding. */
  get aad(): Buffer {
    return (this.#aad ??= Buffer.concat([AAD_START, serialiseContext(this.directContext)]))
  }

  /** Context and binding, serialised: what every AAD ends with. */
  get pairs(): Buffer {
    return this.aad.subarray(AAD_START.length)
  }

  /** `EncryptionContext` of a direct ciphertext: context and binding. */
  get directContext(): EncryptionContext {
    return (this.#directContext ??= { ...this.context, ...pairsOf(this.#binding) })
  }

  /** Identifies context and binding together. */
  get directKey(): string {
    return (this.#directKey ??= this.pairs.toString('latin1'))
  }
}

/** What the AAD of an envelope ciphertext begins with. */
export const AAD_START = Buffer.of(MAGIC, VERSION, Suite.Envelope)
