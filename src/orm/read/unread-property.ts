import { NotDecryptedError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { UnreadValue } from './unread-value'

/** On the getter of an unread property: whose it is. */
const PROPERTY = Symbol('property')

interface Getter {
  (this: object): unknown
  [PROPERTY]?: UnreadProperty
}

/**
 * The property of a column whose values are opened when they are read: an accessor until then, own and enumerable, so that
 * whoever copies, compares or serialises its object reads it as any other; a plain one from then on. The value waits in
 * the object, under a symbol that is not enumerable: proxies, heirs and copies of all accessors find it. All objects
 * have the same accessor; one of its own would make a dictionary of each for V8.
 */
export class UnreadProperty {
  readonly #waiting = Symbol('unread')
  readonly #accessor: PropertyDescriptor & { readonly get: Getter }
  /** Used again for each. */
  readonly #hidden: PropertyDescriptor = { writable: true, enumerable: false, configurable: true }

  constructor(
    readonly name: string,
    readonly column: EncryptedColumn,
  ) {
    const read = (object: object): unknown => this.#read(object)
    const get: Getter = function (this: object): unknown {
      return read(this)
    }
    get[PROPERTY] = this
    const set = function (this: object, value: unknown): void {
      Object.defineProperty(this, name, plain(value))
    }
    this.#accessor = { get, set, enumerable: true, configurable: true }
  }

  /** That of an object, if it has one of this name that was not read. Reads nothing. */
  static of(object: object, name: string): UnreadProperty | undefined {
    if (!UnreadValue.exists) return undefined
    return (Object.getOwnPropertyDescriptor(object, name)?.get as Getter | undefined)?.[PROPERTY]
  }

  define(object: object, value: UnreadValue): void {
    this.#hidden.value = value
    Object.defineProperty(object, this.#waiting, this.#hidden)
    this.#hidden.value = undefined
    Object.defineProperty(object, this.name, this.#accessor)
  }

  /** What waits in an object. Throws where somebody copied the accessor without it. */
  valueIn(object: object): UnreadValue {
    const value: unknown = Reflect.get(object, this.#waiting)
    if (value instanceof UnreadValue) return value
    throw this.column.error(
      NotDecryptedError,
      "the accessor of a value that was not read yet (open: 'on-read') was copied to another object without its value. Read the property, or copy the entity with { ...entity } or Object.assign().",
    )
  }

  /** It was opened: from now on it is a plain property. Returns false where the object cannot be changed. */
  settle(object: object, value: unknown): boolean {
    if (!Reflect.defineProperty(object, this.name, plain(value))) return false
    Reflect.deleteProperty(object, this.#waiting)
    return true
  }

  /** `object`: what has the accessor, a proxy of that, or an heir. */
  #read(object: object): unknown {
    const unread = this.valueIn(object)
    if (unread.kept) return unread.kept.value
    const value = unread.open()
    const owner = this.#ownerOf(object)
    if (!owner || !this.settle(owner, value)) unread.kept = { value }
    return value
  }

  #ownerOf(object: object): object | undefined {
    for (let each: object | null = object; each; each = Object.getPrototypeOf(each) as object | null)
      if (UnreadProperty.of(each, this.name) === this) return each
    return undefined
  }
}

function plain(value: unknown): PropertyDescriptor {
  return { value, writable: true, enumerable: true, configurable: true }
}
