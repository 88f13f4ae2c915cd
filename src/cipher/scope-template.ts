import { BoundedMap } from './bounded-map'
import { type EncryptionContext, serialiseContext } from './context'
import { checkPairsSize } from './pairs'
import { AAD_START, Binding, Scope, type Tally } from './scope'

/** The pairs of a scope that are the same in every row. */
export interface FixedPairs {
  readonly context: EncryptionContext
  readonly binding: EncryptionContext
}

/** A data key's part of a scope, which many rows share. */
interface Keyed {
  readonly context: EncryptionContext
  readonly contextKey: string
}

/**
 * Makes the scopes of rows whose values are bound to their row (`boundTo.row`) or keyed by it (`keyPer`). Only the
 * values of those pairs differ from row to row, so everything else is serialised once.
 */
export class ScopeTemplate {
  readonly #fixed: FixedPairs
  readonly #keys: readonly string[]
  readonly #rowNames: readonly string[]
  readonly #tally: Tally | undefined
  /** What stands in the AAD before each value, in the order of the AAD; and behind the last. */
  readonly #before: Buffer[]
  readonly #end: Buffer
  /** Of all that is the same in each, the lengths of the values included. */
  readonly #size: number
  /** Places of the values in that order. */
  readonly #order: readonly number[]
  readonly #contexts: BoundedMap<string, Keyed>
  /** The one that was made last: of a template without keys, the only one. */
  #only: Keyed | undefined

  /**
   * @param keys names of the pairs of `keyPer`.
   * @param rowNames names of the pairs of `boundTo.row`, before `row.` is put in front.
   * @param maxContexts contexts that are remembered: no more are in use than data keys in memory.
   */
  constructor(
    fixed: FixedPairs,
    keys: readonly string[],
    rowNames: readonly string[],
    tally: Tally | undefined,
    maxContexts: number,
  ) {
    this.#contexts = new BoundedMap(maxContexts)
    this.#fixed = fixed
    this.#keys = keys
    this.#rowNames = rowNames.map((name) => `row.${name}`)
    this.#tally = tally
    const varying = [...this.#keys, ...this.#rowNames]
    const all = { ...fixed.context, ...fixed.binding }
    const named = [...Object.keys(all), ...varying]
      .map((name) => ({ bytes: Buffer.from(name), name }))
      .sort((a, b) => a.bytes.compare(b.bytes))
    const order: number[] = []
    const before: Buffer[] = []
    let pieces: Buffer[] = [AAD_START, uint16(named.length)]
    for (const { name, bytes } of named) {
      pieces.push(uint16(bytes.length), bytes)
      const place = varying.indexOf(name)
      if (place < 0) {
        const value = Buffer.from(all[name] ?? '')
        pieces.push(uint16(value.length), value)
      } else {
        order.push(place)
        before.push(Buffer.concat(pieces))
        pieces = []
      }
    }
    this.#order = order
    this.#before = before
    this.#end = Buffer.concat(pieces)
    this.#size = before.reduce((sum, { length }) => sum + length + 2, this.#end.length)
  }

  /** @param values those of `keys`, then those of `rowNames`. */
  of(values: readonly string[]): Scope {
    const { context, contextKey } = this.#keyed(values)
    const binding = new Binding(this.#bindingOf, values)
    return new Scope(context, binding, this.#tally, contextKey, this.#aad(values))
  }

  readonly #bindingOf = (values: readonly string[]): EncryptionContext => {
    const binding = { ...this.#fixed.binding }
    for (const [index, name] of this.#rowNames.entries()) {
      binding[name] = values[this.#keys.length + index] ?? ''
    }
    return binding
  }

  #keyed(values: readonly string[]): Keyed {
    if (this.#keys.length === 0 && this.#only) return this.#only
    // Lengths in front, so that no two lists of values give one text.
    let id = ''
    for (let index = 0; index < this.#keys.length; index++) {
      const value = values[index] ?? ''
      id += `${value.length}:${value}`
    }
    let keyed = this.#contexts.get(id)
    if (!keyed) {
      const context = { ...this.#fixed.context }
      for (const [index, name] of this.#keys.entries()) context[name] = values[index] ?? ''
      keyed = { context, contextKey: serialiseContext(context).toString('latin1') }
      checkPairsSize(keyed.contextKey.length)
      this.#contexts.set(id, keyed)
      this.#only = keyed
    }
    return keyed
  }

  /** This runs for each row. */
  #aad(values: readonly string[]): Buffer {
    let size = this.#size
    for (const place of this.#order) size += utf8Length(values[place] ?? '')
    const aad = Buffer.allocUnsafe(size)
    let end = 0
    for (let at = 0; at < this.#order.length; at++) {
      const before = this.#before[at] ?? NOTHING
      aad.set(before, end)
      const start = end + before.length + 2
      end = start + writeUtf8(aad, values[this.#order[at] ?? 0] ?? '', start)
      aad[start - 2] = (end - start) >>> 8
      aad[start - 1] = end - start
    }
    aad.set(this.#end, end)
    return aad
  }
}

const NOTHING = Buffer.alloc(0)

/** Most texts are short and ASCII: for those, a call of Node's takes longer than to look at each character. */
const SHORT = 48

function isShortAscii(text: string): boolean {
  if (text.length > SHORT) return false
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

function utf8Length(text: string): number {
  return isShortAscii(text) ? text.length : Buffer.byteLength(text)
}

/** Returns how many bytes it has. */
function writeUtf8(bytes: Buffer, text: string, start: number): number {
  if (!isShortAscii(text)) return bytes.write(text, start)
  for (let at = 0; at < text.length; at++) bytes[start + at] = text.charCodeAt(at)
  return text.length
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
