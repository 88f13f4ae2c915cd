import { type Caller } from '../../kms/key-service'
import { type PlaintextBytes } from '../bytes'
import { type EnvelopeCiphertext } from '../ciphertext'
import { type DataKeyCache } from '../data-keys/data-key-cache'
import { type Scope } from '../scope'
import { type Opener, type Suite } from './suite'

/** Suite 1: AES-256-GCM under a data key that the ciphertext carries. */
export class Envelope implements Suite<EnvelopeCiphertext> {
  readonly mode = 'envelope'
  readonly #dataKeys: DataKeyCache

  constructor(dataKeys: DataKeyCache) {
    this.#dataKeys = dataKeys
  }

  needsKms(ciphertext: EnvelopeCiphertext, scope: Scope): boolean {
    return !this.#dataKeys.has(ciphertext, scope)
  }

  openNow(ciphertext: EnvelopeCiphertext, scope: Scope): PlaintextBytes | undefined {
    return this.#dataKeys.forOpening(ciphertext, scope)?.open(ciphertext, scope.aad)
  }

  async load(
    ciphertext: EnvelopeCiphertext,
    scope: Scope,
    caller?: Caller,
  ): Promise<Opener<EnvelopeCiphertext>> {
    const key = await this.#dataKeys.load(ciphertext, scope, caller)
    return { open: (each, { aad }) => key.open(each, aad) }
  }

  callOf(ciphertext: EnvelopeCiphertext, scope: Scope): string {
    return scope.contextKey + ciphertext.dataKeyId
  }
}
