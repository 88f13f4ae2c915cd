import { type ValueTypeName } from '../column/types'
import { type KmsEncryptionError } from '../errors'
import { SealedValue } from './sealed-value'

/**
 * Stands for a value that cannot be decrypted, where `onUndecryptable` is `'marker'`. Read as plaintext, it throws;
 * saved, it is stored as it was.
 */
export interface Undecryptable {
  /** Why; with entity, property and primary key. */
  readonly failure: KmsEncryptionError
  /** The value as it is in the database. */
  readonly stored: Buffer | string
}

/**
 * True for the value of an encrypted property that could not be decrypted.
 *
 * @example
 * ```ts
 * for (const user of await users.find()) {
 *   if (isUndecryptable(user.privateKey)) report(user.privateKey.failure)
 *   else use(user.privateKey)
 * }
 * ```
 */
export function isUndecryptable(value: unknown): value is Undecryptable {
  return value instanceof SealedValue && value.failure !== undefined
}

/** Failures of KMS rather than of one value: the next attempt may well succeed, so they are always thrown. */
const PASSING: ReadonlySet<string> = new Set([
  'KMS_UNAVAILABLE',
  'KMS_THROTTLED',
  'KMS_CREDENTIALS',
  'KMS_REGION',
  'KMS_REQUEST_FAILED',
  'CLOSED',
])

/** True if the value or its KMS key is the cause, and not that KMS cannot be asked at the moment. */
export function isLasting({ code }: KmsEncryptionError): boolean {
  return !PASSING.has(code)
}

/** A sealed value with a failure, for the application: what a plaintext of its type would have throws the failure. */
export function markerOf(sealed: SealedValue): SealedValue {
  const type = sealed.column.scheme.type.name
  return new Proxy(sealed, {
    get(target, property) {
      if (property in target) {
        const value: unknown = Reflect.get(target, property)
        const isMethod = value instanceof Function && property !== 'constructor'
        return isMethod ? (value.bind(target) as unknown) : value
      }
      if (isPlaintextMember(type, property)) target.refuse()
      return undefined
    },
    ownKeys(target) {
      if (type === 'json') target.refuse()
      return Reflect.ownKeys(target)
    },
  })
}

const PROTOTYPES: Readonly<Record<Exclude<ValueTypeName, 'json'>, object>> = {
  string: String.prototype,
  buffer: Buffer.prototype as object,
  number: Number.prototype,
  bigint: BigInt.prototype,
  boolean: Boolean.prototype,
  date: Date.prototype,
}

/** What promises, TypeORM and test runners look for in any object. */
const PROBES: ReadonlySet<string> = new Set([
  'then',
  '@instanceof',
  'asymmetricMatch',
  '$$typeof',
  'nodeType',
])

function isPlaintextMember(type: ValueTypeName, property: string | symbol): boolean {
  if (typeof property === 'symbol') return false
  if (type === 'json') return !PROBES.has(property)
  return property in PROTOTYPES[type] || /^\d+$/.test(property)
}
