import {
  KeyDisabledError,
  KmsEncryptionError,
  type KmsEncryptionErrorCode,
  type KmsEncryptionErrorKind,
  type UnknownValueTypeError,
} from 'typeorm-kms-encrypted'
import * as library from 'typeorm-kms-encrypted'
import { expectType } from './expect-type'

/** Each subclass has a code of its own, which the compiler knows. */
type Errors = {
  [Name in keyof typeof library as Name extends `${string}Error` ? Name : never]: (typeof library)[Name]
}
type Subclasses = Omit<Errors, 'KmsEncryptionError'>
type CodeOf<Name extends keyof Subclasses> = InstanceType<Subclasses[Name]>['code']
/** Names of the subclasses that share their code with another, or whose code is any string. */
type Ambiguous = {
  [Name in keyof Subclasses]: string extends CodeOf<Name>
    ? Name
    : CodeOf<Name> extends CodeOf<Exclude<keyof Subclasses, Name>>
      ? Name
      : never
}[keyof Subclasses]
expectType<never, Ambiguous>(true)

expectType<'KMS_KEY_DISABLED', KeyDisabledError['code']>(true)
expectType<'UNKNOWN_VALUE_TYPE', UnknownValueTypeError['code']>(true)
expectType<'key', KeyDisabledError['kind']>(true)
expectType<KmsEncryptionErrorCode, KmsEncryptionError['code']>(true)
expectType<KmsEncryptionErrorKind, KmsEncryptionError['kind']>(true)
/** The union has the codes of the classes, no more and no less. */
expectType<KmsEncryptionErrorCode, CodeOf<keyof Subclasses>>(true)
expectType<string | undefined, KmsEncryptionError['entity']>(true)
expectType<string | undefined, KmsEncryptionError['property']>(true)
expectType<Readonly<Record<string, unknown>> | undefined, KmsEncryptionError['primaryKey']>(true)

export const subclasses: Readonly<Record<keyof Subclasses, typeof KmsEncryptionError>> = library

export function remedy(error: unknown): string {
  if (error instanceof KeyDisabledError) return `enable the key, ${error.entity ?? 'somewhere'}`
  if (error instanceof KmsEncryptionError && error.code === 'KMS_THROTTLED') return 'wait'
  // @ts-expect-error codes are stable
  if (error instanceof KmsEncryptionError) error.code = 'OTHER'
  // @ts-expect-error the base class stands for all and is none of them
  return String(new KmsEncryptionError('no code'))
}
