import { type Caller } from '../../kms/key-service'
import { type PlaintextBytes } from '../bytes'
import { type Ciphertext } from '../ciphertext'
import { type Scope } from '../scope'

/** How values are encrypted. */
export type Mode = 'envelope' | 'direct'

/** How the ciphertexts of one suite are opened. */
export interface Suite<C extends Ciphertext = Ciphertext> {
  /** The mode of the columns that write it, as events name it. */
  readonly mode: Mode
  /** True if KMS must be asked to open it. */
  needsKms(ciphertext: C, scope: Scope): boolean
  /** The plaintext, or `undefined` if KMS must be asked. */
  openNow(ciphertext: C, scope: Scope): PlaintextBytes | undefined
  /** Asks KMS for what opens it. */
  load(ciphertext: C, scope: Scope, caller?: Caller): Promise<Opener<C>>
  /** Names that call to KMS: values with the same name share one, and what it brings opens them all. */
  callOf(ciphertext: C, scope: Scope): string
}

/** Opens the ciphertexts for which one call to KMS was made. */
export interface Opener<C extends Ciphertext = Ciphertext> {
  /** The plaintext. Throws for a ciphertext that does not open. */
  open(ciphertext: C, scope: Scope): PlaintextBytes
}

/** One implementation for each suite: the compiler refuses a forgotten one. */
export type Suites = { readonly [C in Ciphertext as C['suite']]: Suite<C> }
