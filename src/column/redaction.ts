import { inspect, type InspectOptions } from 'node:util'

/**
 * Whether the values of a column show when their entity is printed: `true` hides them from `util.inspect`, and so from
 * `console.log`; with `json` from `JSON.stringify` as well.
 */
export type RedactOption = boolean | { json?: boolean }

/** Stands for a value in what is printed of its entity. */
class RedactedValue {
  readonly #text: string

  constructor(name: string) {
    this.#text = `[encrypted ${name}]`
  }

  toString(): string {
    return this.#text
  }

  toJSON(): string {
    return this.#text
  }

  [inspect.custom](): string {
    return this.#text
  }
}

interface Redaction {
  readonly value: RedactedValue
  readonly json: boolean
}

type Inspect = (this: object, depth: number, options: InspectOptions, print: typeof inspect) => unknown
type ToJson = (this: object, key: string) => unknown
type Purpose = 'inspect' | 'json'

/** What is redacted of the instances of a prototype, or of one object. */
const redactions = new WeakMap<object, Map<string, Redaction>>()

/** What is printed instead of an object: the same for as long as it is there, so that circles are seen. */
const views: Readonly<Record<Purpose, WeakMap<object, object>>> = {
  inspect: new WeakMap<object, object>(),
  json: new WeakMap<object, object>(),
}
const areViews = new WeakSet()

/**
 * Has `[encrypted name]` shown in place of a property, and leaves the property itself as it is: whoever reads, compares,
 * copies or stores it finds the value.
 *
 * @param owner the prototype of a class, or an object that has none.
 * @param name of the column, for people.
 */
export function redact(owner: object, property: string, name: string, option: RedactOption): void {
  if (option === false) return
  const json = typeof option === 'object' && option.json === true
  let own = redactions.get(owner)
  if (!own) redactions.set(owner, (own = new Map<string, Redaction>()))
  // Another DataSource may ask for more.
  own.set(property, { value: new RedactedValue(name), json: json || own.get(property)?.json === true })
  replace<Inspect>(owner, inspect.custom, (original) => {
    return function (depth, options, print) {
      if (areViews.has(this)) return this
      const view = viewOf(this, 'inspect')
      return original ? printedBy(original, view, [depth, options, print]) : view
    }
  })
  if (!json) return
  replace<ToJson>(owner, 'toJSON', (original) => {
    return function (key) {
      return original ? withoutValues(original.call(this, key), this) : viewOf(this, 'json')
    }
  })
}

/**
 * A value as loggers may have it that take properties one by one, or copy them: encrypted properties of entities with
 * `redact` are replaced, in plain objects and arrays, too. Everything else is left as it is.
 *
 * @example
 * ```ts
 * const logger = pino({ formatters: { log: redacted } })
 * ```
 */
export function redacted<Value>(value: Value): Value {
  return redactedIn(value, new Map()) as Value
}

function redactedIn(value: unknown, seen: Map<unknown, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (seen.has(value)) return seen.get(value)
  if (Array.isArray(value)) {
    const copy: unknown[] = []
    seen.set(value, copy)
    for (const each of value as unknown[]) copy.push(redactedIn(each, seen))
    return copy
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === null
  if (!isPlain && redactionsOf(value).size === 0) return value
  const copy: Record<string, unknown> = {}
  seen.set(value, copy)
  // Getters are left out: that of a lazy relation would ask the database.
  for (const [name, { value: each, enumerable }] of Object.entries(
    Object.getOwnPropertyDescriptors(viewOf(value, 'inspect')),
  )) {
    if (enumerable !== true) continue
    copy[name] = each instanceof RedactedValue ? String(each) : redactedIn(each, seen)
  }
  return copy
}

/** The nearest declaration of a property counts. */
function redactionsOf(object: object): Map<string, Redaction> {
  const all = new Map<string, Redaction>()
  for (let each: object | null = object; each; each = Object.getPrototypeOf(each) as object | null) {
    for (const [property, redaction] of redactions.get(each) ?? []) {
      if (!all.has(property)) all.set(property, redaction)
    }
  }
  return all
}

function viewOf(object: object, purpose: Purpose): object {
  let view = views[purpose].get(object)
  if (!view) {
    view = Object.create(Object.getPrototypeOf(object) as object | null) as object
    views[purpose].set(object, view)
    areViews.add(view)
  }
  const all = redactionsOf(object)
  for (const key of Reflect.ownKeys(view)) Reflect.deleteProperty(view, key)
  for (const key of Reflect.ownKeys(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, key)
    if (!descriptor) continue
    const redaction = typeof key === 'string' ? all.get(key) : undefined
    const isHidden = redaction !== undefined && (purpose === 'inspect' || redaction.json)
    // That there is no value can be seen in the database as well.
    const isThere = !('value' in descriptor) || (descriptor.value !== null && descriptor.value !== undefined)
    Object.defineProperty(
      view,
      key,
      isHidden && isThere
        ? { value: redaction.value, enumerable: descriptor.enumerable === true, configurable: true }
        : { ...descriptor, configurable: true },
    )
  }
  return view
}

/** What a class prints of itself, where it finds no value. It may need what only its own instances have. */
function printedBy(print: Inspect, view: object, args: Parameters<Inspect>): unknown {
  try {
    return print.apply(view, args)
  } catch {
    return view
  }
}

/** What a class makes of itself for JSON, without the values that it took over as they are. */
function withoutValues(made: unknown, entity: object): unknown {
  if (typeof made !== 'object' || made === null) return made
  if (made === entity) return viewOf(entity, 'json')
  const all = redactionsOf(entity)
  const hidden = [...all].filter(([property, { json }]) => {
    // What was not read yet (`open: 'on-read'`) was not taken over.
    if (Object.getOwnPropertyDescriptor(entity, property)?.get) return false
    const value: unknown = Reflect.get(entity, property)
    return json && value !== null && value !== undefined && Reflect.get(made, property) === value
  })
  if (hidden.length === 0) return made
  return { ...made, ...Object.fromEntries(hidden.map(([property, { value }]) => [property, value])) }
}

const ours = new WeakSet<object>()

/** Puts a method, not to be enumerated, before the one that the owner has or inherits. Once. */
function replace<Method extends (...args: never[]) => unknown>(
  owner: object,
  name: string | symbol,
  make: (original: Method | undefined) => Method,
): void {
  const original: unknown = Reflect.get(owner, name)
  if (typeof original === 'function' && ours.has(original)) return
  const method = make(typeof original === 'function' ? (original as Method) : undefined)
  ours.add(method)
  Object.defineProperty(owner, name, { value: method, configurable: true, writable: true, enumerable: false })
}
