import { KeyTableMissingError } from '../../../errors'
import { type Caller } from '../../../kms/key-service'
import { type PlaintextBytes } from '../../bytes'
import { type StoredKeyCiphertext } from '../../ciphertext'
import { type StoredKeys } from '../../data-keys/stored-keys'
import { type Scope } from '../../scope'
import { type Opener, type Suite } from '../suite'

/** Suite 4: AES-256-GCM under a key derived from a data key of a store. */
export class StoredKeySuite implements Suite<StoredKeyCiphertext> {
  readonly mode = 'envelope'
  readonly #keys: StoredKeys | undefined

  /** Without a store nothing of it can be opened. */
  constructor(keys: StoredKeys | undefined) {
    this.#keys = keys
  }

  needsKms(ciphertext: StoredKeyCiphertext, scope: Scope): boolean {
    return this.#keys?.forOpening(ciphertext, scope) === undefined
  }

  openNow(ciphertext: StoredKeyCiphertext, scope: Scope): PlaintextBytes | undefined {
    const key = this.#keys?.forOpening(ciphertext, scope)
    if (!key) return undefined
    this.#keys?.hit('decrypt')
    return key.open(ciphertext, scope)
  }

  async load(
    ciphertext: StoredKeyCiphertext,
    scope: Scope,
    caller?: Caller,
  ): Promise<Opener<StoredKeyCiphertext>> {
    if (!this.#keys) {
      throw new KeyTableMissingError(
        'the ciphertext names a stored data key, and this cipher has no table of them. Read it through a DataSource that was configured.',
      )
    }
    const key = await this.#keys.load(ciphertext, scope, caller)
    return { open: (each, under) => key.open(each, under) }
  }

  callOf(ciphertext: StoredKeyCiphertext, scope: Scope): string {
    return scope.contextKey + ciphertext.dataKeyName
  }

  announce(ciphertexts: Iterable<StoredKeyCiphertext>): void {
    this.#keys?.announce(ciphertexts)
  }
}
