import { invalid, KmsException } from './exception'

/** Limits of one string field, as the API reference gives them. */
export interface StringConstraint {
  min?: number
  max?: number
  pattern?: RegExp
  values?: readonly string[]
}

/**
 * The fields of one request, read one after the other with their constraints.
 *
 * A field of the wrong JSON type throws `SerializationException` at once. Violated constraints are collected
 * and thrown together by {@link RequestFields.check}, worded and counted as AWS does. Values of sensitive
 * fields never appear in a message. Until `check` has returned, the values read are not to be used.
 */
export class RequestFields {
  readonly #body: Readonly<Record<string, unknown>>
  readonly #prefix: string
  readonly #violations: string[]

  constructor(body: Readonly<Record<string, unknown>>, prefix = '', violations: string[] = []) {
    this.#body = body
    this.#prefix = prefix
    this.#violations = violations
  }

  /** A string that must be present; `''` stands in for a missing one until `check` throws. */
  string(name: string, constraint: StringConstraint = {}): string {
    return this.optionalString(name, constraint) ?? this.#missing(name)
  }

  optionalString(name: string, constraint: StringConstraint = {}): string | undefined {
    const value = this.#read<string>(name, 'String', (candidate) => typeof candidate === 'string')
    if (value !== undefined) this.#constrainString(name, value, constraint)
    return value
  }

  optionalInteger(name: string, min: number, max: number): number | undefined {
    const value = this.#read<number>(name, 'Integer', Number.isSafeInteger)
    if (value !== undefined) {
      if (value < min) this.#violate(name, `'${value}'`, `value greater than or equal to ${min}`)
      if (value > max) this.#violate(name, `'${value}'`, `value less than or equal to ${max}`)
    }
    return value
  }

  optionalBoolean(name: string): boolean | undefined {
    return this.#read<boolean>(name, 'Boolean', (candidate) => typeof candidate === 'boolean')
  }

  /** A base64 field. With `sensitive`, its value is plaintext; it is not shown for other blobs either. */
  bytes(name: string, min: number, max: number): Buffer {
    const text = this.#read<string>(name, 'ByteBuffer', isBase64)
    if (text === undefined) {
      this.#violations.push(
        `Value at '${this.#path(name)}' failed to satisfy constraint: Member must not be null`,
      )
      return Buffer.alloc(0)
    }
    const value = Buffer.from(text, 'base64')
    if (value.length < min) this.#violate(name, '', `length greater than or equal to ${min}`)
    if (value.length > max) this.#violate(name, '', `length less than or equal to ${max}`)
    return value
  }

  /** A map of strings to strings, empty when absent. */
  stringMap(name: string): Record<string, string> {
    const map = this.#read<Record<string, unknown>>(name, 'Map', isObject) ?? {}
    for (const value of Object.values(map)) {
      if (typeof value !== 'string') throw wrongType(value, 'String')
    }
    return map as Record<string, string>
  }

  /** A list of strings, empty when absent. */
  strings(name: string, constraint: StringConstraint = {}): string[] {
    const list = this.#read<unknown[]>(name, 'List', Array.isArray) ?? []
    return list.map((value, index) => {
      if (typeof value !== 'string') throw wrongType(value, 'String')
      this.#constrainString(`${name}.${index + 1}.member`, value, constraint)
      return value
    })
  }

  /** A list of structures, empty when absent. */
  structures(name: string): RequestFields[] {
    const list = this.#read<unknown[]>(name, 'List', Array.isArray) ?? []
    return list.map((value, index) => {
      if (!isObject(value)) throw wrongType(value, 'Structure')
      return new RequestFields(value, `${this.#path(name)}.${index + 1}.member.`, this.#violations)
    })
  }

  /** Whether the request has the field at all. */
  has(name: string): boolean {
    return this.#body[name] !== undefined && this.#body[name] !== null
  }

  /** Throws the `ValidationException` for all constraints violated so far. */
  check(): void {
    const count = this.#violations.length
    if (count === 0) return
    const noun = count === 1 ? 'error' : 'errors'
    throw invalid(`${count} validation ${noun} detected: ${this.#violations.join('; ')}`)
  }

  #read<T>(name: string, type: string, accepts: (candidate: unknown) => boolean): T | undefined {
    const value = this.#body[name]
    if (value === undefined || value === null) return undefined
    if (!accepts(value)) throw wrongType(value, type)
    return value as T
  }

  #constrainString(
    name: string,
    value: string,
    { min = 0, max = Infinity, pattern, values }: StringConstraint,
  ) {
    const shown = `'${value}'`
    if (value.length < min) this.#violate(name, shown, `length greater than or equal to ${min}`)
    if (value.length > max) this.#violate(name, shown, `length less than or equal to ${max}`)
    if (pattern && !pattern.test(value)) {
      this.#violate(name, shown, `regular expression pattern: ${pattern.source}`, 'satisfy')
    }
    if (values && !values.includes(value)) {
      this.#violate(name, shown, `enum value set: [${values.join(', ')}]`, 'satisfy')
    }
  }

  #missing(name: string): string {
    this.#violations.push(
      `Value null at '${this.#path(name)}' failed to satisfy constraint: Member must not be null`,
    )
    return ''
  }

  #violate(name: string, shown: string, rule: string, verb = 'have'): void {
    const value = shown === '' ? 'Value' : `Value ${shown}`
    this.#violations.push(
      `${value} at '${this.#path(name)}' failed to satisfy constraint: Member must ${verb} ${rule}`,
    )
  }

  #path(name: string): string {
    return this.#prefix + name.charAt(0).toLowerCase() + name.slice(1)
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isBase64 = (value: unknown): boolean =>
  typeof value === 'string' && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value)

/** Names the JSON type that was sent, never the value: it may be a plaintext. */
const wrongType = (value: unknown, expected: string) => {
  const sent = Array.isArray(value) ? 'LIST' : typeof value === 'object' ? 'STRUCTURE' : typeof value
  return new KmsException(
    'SerializationException',
    `${sent.toUpperCase()}_VALUE can not be converted to ${expected}`,
  )
}
