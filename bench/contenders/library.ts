import { Cipher, type Recipe } from '../../src/cipher/cipher'
import { Scope } from '../../src/cipher/scope'
import { AwsKms } from '../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../src/kms/aws/trusted-keys'
import { type BenchKms, KEY } from '../support/kms'

export const scope = new Scope({ table: 'user' }, { column: 'privateKey' })
const recipe: Recipe = { mode: 'envelope', keyId: KEY, scope }

/** The library's cipher with its data key in the cache, as TypeORM's values meet it. */
export class LibraryCipher {
  readonly #cipher: Cipher

  private constructor(cipher: Cipher) {
    this.#cipher = cipher
  }

  static async withDataKey({ client }: BenchKms): Promise<LibraryCipher> {
    const kms = new AwsKms({ client, concurrency: 20, trustedKeys: new TrustedKeys(undefined) })
    const cipher = new Cipher(kms, { maxAge: 3_600_000, maxValues: 2 ** 32, maxKeys: 1_000 })
    await cipher.prepare(recipe)
    return new LibraryCipher(cipher)
  }

  seal(text: string): Buffer {
    return present(this.#cipher.encryptNow(text, recipe))
  }

  open(bytes: Buffer): string {
    return present(this.#cipher.decryptNow(bytes, scope)).toString('utf8')
  }

  close(): void {
    this.#cipher.close()
  }
}

function present(bytes: Buffer | undefined): Buffer {
  if (bytes) return bytes
  throw new Error('The data key is not in the cache')
}
