import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/** The version of a row, or `null` where it is deleted or was never there. */
export type State = number | null

type Entry = { id: number; to: State } | { id: number; done: true }

/**
 * What the rows of one worker may hold. Each write is noted before it is sent and once more when it has succeeded, in
 * a file that outlives a killed process; in between, and after a failure, the row may be in either state.
 */
export class Journal {
  readonly #states = new Map<number, State[]>()
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    for (const line of text.split('\n')) if (line !== '') this.#apply(JSON.parse(line) as Entry)
  }

  /** All states that the row may be in. */
  of(id: number): readonly State[] {
    return this.#states.get(id) ?? [null]
  }

  get ids(): number[] {
    return [...this.#states.keys()]
  }

  /** Before writes are sent: all of them are made, or none. */
  begin(writes: readonly { id: number; to: State }[]): void {
    this.#note(writes)
  }

  /** After they have succeeded. */
  done(writes: readonly { id: number }[]): void {
    this.#note(writes.map(({ id }) => ({ id, done: true })))
  }

  #note(entries: readonly Entry[]): void {
    appendFileSync(this.#file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    for (const entry of entries) this.#apply(entry)
  }

  #apply(entry: Entry): void {
    const states = this.of(entry.id)
    this.#states.set(entry.id, 'done' in entry ? states.slice(-1) : [...states, entry.to])
  }
}
