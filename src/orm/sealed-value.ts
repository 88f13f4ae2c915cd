import { inspect } from 'node:util'
import { type KmsEncryptionError, NotDecryptedError } from '../errors'
import { type EncryptedColumn } from './encrypted-column'

/**
 * The sealed values behind their placeholders, and behind what those are proxies of. All loaded copies of the package
 * share it, so that `undecryptable()` of one knows the markers of another.
 */
const behind = shared('typeorm-kms-encrypted/sealed-values', () => new WeakMap<object, SealedValue>())

/**
 * A stored value that is not decrypted (yet, or because it cannot be). Entities hold its `placeholder`: read as
 * plaintext, that throws; saved, it is left out of the UPDATE.
 */
export class SealedValue {
  /** True once there was one in this process: until then nobody need look for them. */
  static exists = false

  /** What a property holds. It has no members of its own, so that none can be mistaken for one of the plaintext. */
  readonly placeholder: object

  constructor(
    readonly column: EncryptedColumn,
    /** As it is in the database. */
    readonly stored: Buffer | string,
    /** Why it could not be decrypted; `undefined` if that was not tried. */
    readonly failure: KmsEncryptionError | undefined,
    /** True where it is there to be compared, and stays as it is. */
    readonly isCompared = false,
  ) {
    SealedValue.exists = true
    const target = new EncryptedValue()
    this.placeholder = new Proxy(target, refusing)
    behind.set(target, this)
    behind.set(this.placeholder, this)
  }

  /** The sealed value that a property's value stands for, if it is a placeholder. */
  static of(value: unknown): SealedValue | undefined {
    return typeof value === 'object' && value !== null ? behind.get(value) : undefined
  }

  /** Throws why there is no plaintext. */
  refuse(): never {
    throw (
      this.failure ??
      this.column.error(
        NotDecryptedError,
        this.isCompared
          ? 'the row was loaded to be compared only, by a process that may not decrypt its values.'
          : 'the value was not decrypted, because the query ran without listeners and its data key was not at hand. Leave out callListeners(false), or read it with encryption.decrypt().',
      )
    )
  }
}

function shared<Value>(name: string, make: () => Value): Value {
  const all = globalThis as unknown as Record<symbol, Value | undefined>
  return (all[Symbol.for(name)] ??= make())
}

/** The class of a placeholder, as far as anybody can tell. */
class EncryptedValue {
  [inspect.custom](): string {
    return `[encrypted ${behind.get(this)?.column.name ?? ''}]`
  }
}

/**
 * What is looked for in any object: by promises, by TypeORM (`InstanceChecker` and `OrmUtils.isPlainObject`) and by
 * whoever prints. Nothing of it is a plaintext's.
 */
const PROBES: ReadonlySet<string | symbol> = new Set([
  'then',
  'constructor',
  '@instanceof',
  inspect.custom,
  Symbol.toStringTag,
])

function refuse(target: EncryptedValue): never {
  behind.get(target)?.refuse()
  throw new TypeError('this value is encrypted') // Never: each target has its sealed value behind it.
}

/** Refuses to be read, changed, listed, iterated, cloned or turned into anything else. */
const refusing: ProxyHandler<EncryptedValue> = {
  get: (target, property) =>
    PROBES.has(property) ? (Reflect.get(target, property) as unknown) : refuse(target),
  has: refuse,
  ownKeys: refuse,
  getOwnPropertyDescriptor: refuse,
  set: refuse,
  defineProperty: refuse,
  deleteProperty: refuse,
  setPrototypeOf: refuse,
  preventExtensions: refuse,
}
