import { inspect } from 'node:util'

/** A parameter that neither a logger nor an error shows: it is long, and where rows are decrypted it is plaintext. */
export class HiddenParameter {
  readonly #value: Buffer | string | null | readonly (Buffer | string | null)[]

  constructor(value: Buffer | string | null | readonly (Buffer | string | null)[]) {
    this.#value = value
  }

  /** mysql2 calls this. */
  toSqlString(): string {
    const value = this.#value as Buffer | string | null
    if (value === null) return 'NULL'
    const hex = Buffer.from(value).toString('hex')
    if (typeof value === 'string') return hex === '' ? "''" : `CONVERT(X'${hex}' USING utf8mb4)`
    return `X'${hex}'`
  }

  /** pg calls this. */
  toPostgres(): unknown {
    return this.#value
  }

  toJSON(): string {
    return '[hidden]'
  }

  [inspect.custom](): string {
    return '[hidden]'
  }
}
