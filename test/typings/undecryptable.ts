import {
  isUndecryptable,
  type KmsEncryptionError,
  type Undecryptable,
  undecryptable,
} from 'typeorm-kms-encrypted'
import { expectType } from './expect-type'

declare const user: { privateKey: string; recovery: { stored: string } | null }

/** What could not be decrypted is looked at through a function: the property keeps its declared type. */
export function report(): unknown {
  const broken = undecryptable(user.privateKey)
  expectType<Undecryptable | undefined, typeof broken>(true)
  if (broken) {
    expectType<Buffer | string, typeof broken.stored>(true)
    // @ts-expect-error it is to be read
    broken.stored = ''
    expectType<KmsEncryptionError, typeof broken.failure>(true)
    return broken.failure
  }
  expectType<boolean, ReturnType<typeof isUndecryptable>>(true)
  if (isUndecryptable(user.recovery)) {
    // @ts-expect-error the property itself is no way to the failure
    return user.recovery.failure
  }
  return user.recovery?.stored
}
