import { NewerCiphertextError } from '../../../errors'
import { type StoredKeyCiphertext } from '../../ciphertext'
import { type Opener, type Suite } from '../suite'

/** Suite 4: the data key is in a table. This release reads no such table yet, and says so. */
export class StoredKeys implements Suite<StoredKeyCiphertext> {
  readonly mode = 'envelope'

  needsKms(): boolean {
    return false // Opening it will say why it cannot be.
  }

  openNow(): undefined {
    throw notYet()
  }

  load(): Promise<Opener<StoredKeyCiphertext>> {
    return Promise.reject(notYet())
  }

  callOf(ciphertext: StoredKeyCiphertext): string {
    return ciphertext.dataKeyId.toString('latin1')
  }
}

function notYet(): NewerCiphertextError {
  return new NewerCiphertextError(
    'the ciphertext refers to a stored data key (suite 4), which this release does not read. A newer release wrote it: install that one. Nothing was changed.',
  )
}
