import { type ObjectLiteral } from 'typeorm'
import { UnreadValue } from './unread-value'

/** On the getter of an unread property: what it reads. */
const READS = Symbol('reads')

interface Getter {
  (this: object): unknown
  [READS]?: UnreadProperty
}

/**
 * A property whose value is opened when it is read: an accessor until then, own and enumerable, so that whoever copies,
 * compares or serialises its object reads it as any other; a plain one from then on. It has no need of `this`: copies of
 * the accessor, heirs of the object and proxies read the same value.
 */
export class UnreadProperty {
  /** The value, where the property can no longer be changed. */
  #kept: { readonly value: unknown } | undefined

  private constructor(
    readonly value: UnreadValue,
    readonly owner: object,
    readonly name: string,
    /** The owner, or what it is embedded in. */
    readonly entity: ObjectLiteral,
  ) {}

  static define(value: UnreadValue, owner: object, name: string, entity: ObjectLiteral): void {
    const property = new UnreadProperty(value, owner, name, entity)
    const get: Getter = function (this: object): unknown {
      return property.#read(this)
    }
    get[READS] = property
    const set = function (this: object, given: unknown): void {
      Object.defineProperty(this, name, plain(given))
    }
    Object.defineProperty(owner, name, { get, set, enumerable: true, configurable: true })
  }

  /** That of an object, if it has one of this name. Reads nothing. */
  static of(object: object, name: string): UnreadProperty | undefined {
    if (!UnreadValue.exists) return undefined
    return (Object.getOwnPropertyDescriptor(object, name)?.get as Getter | undefined)?.[READS]
  }

  /** It was opened: from now on it is a plain property. */
  settle(value: unknown, object: object = this.owner): void {
    const { name, owner } = this
    let isSettled = false
    for (const each of object === owner ? [owner] : [object, owner]) {
      if (UnreadProperty.of(each, name) !== this) continue
      isSettled = Reflect.defineProperty(each, name, plain(value)) || isSettled
    }
    if (!isSettled) this.#kept = { value }
  }

  /** `object`: what it is read from: its owner, or a copy, a proxy or an heir of that. */
  #read(object: object): unknown {
    if (this.#kept) return this.#kept.value
    const value = this.value.open(this.entity)
    this.settle(value, object)
    return value
  }
}

function plain(value: unknown): PropertyDescriptor {
  return { value, writable: true, enumerable: true, configurable: true }
}
