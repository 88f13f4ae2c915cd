/** Kinds of tokens. A word is not quoted, a name is; a symbol is an operator or a punctuation mark. */
export const Kind = { End: 0, Word: 1, Name: 2, Text: 3, Number: 4, Placeholder: 5, Symbol: 6 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** The tokens of a text: three lists of numbers, because a statement of 20 MB has millions. */
export class Tokens {
  /** Why the text could not be read to its end, if so. */
  error: string | undefined
  /** Pieces of the text for which the application says that it means the ciphertext. */
  readonly raw: [start: number, end: number][] = []
  /** Names that are spelled otherwise than they are, by token. */
  readonly spelled = new Map<number, string>()
  length = 0
  /** True if a placeholder's number may stand in the text more than once. */
  hasRepeatedNumbers = false
  /** The highest number of a placeholder; -1 if there is none. */
  highestNumber = -1
  #kinds = new Uint8Array(64)
  #starts = new Int32Array(64)
  #ends = new Int32Array(64)
  /** Numbers of placeholders. */
  #numbers = new Int32Array(64)

  constructor(readonly text: string) {}

  push(kind: Kind, start: number, end: number, number = 0): void {
    if (this.length === this.#kinds.length) this.#grow()
    this.#kinds[this.length] = kind
    this.#starts[this.length] = start
    this.#ends[this.length] = end
    this.#numbers[this.length] = number
    this.length++
    if (kind !== Kind.Placeholder) return
    if (number <= this.highestNumber) this.hasRepeatedNumbers = true
    this.highestNumber = Math.max(this.highestNumber, number)
  }

  kind(index: number): Kind {
    return index >= 0 && index < this.length ? (this.#kinds[index] as Kind) : Kind.End
  }

  start(index: number): number {
    return index < this.length ? (this.#starts[index] ?? 0) : this.text.length
  }

  end(index: number): number {
    return index < this.length ? (this.#ends[index] ?? 0) : this.text.length
  }

  number(index: number): number {
    return this.#numbers[index] ?? -1
  }

  /** As it is written. */
  written(index: number): string {
    return this.text.slice(this.start(index), this.end(index))
  }

  #grow(): void {
    const size = this.#kinds.length * 2
    const grown = (list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const longer = new Int32Array(size)
      longer.set(list)
      return longer
    }
    const kinds = new Uint8Array(size)
    kinds.set(this.#kinds)
    this.#kinds = kinds
    this.#starts = grown(this.#starts)
    this.#ends = grown(this.#ends)
    this.#numbers = grown(this.#numbers)
  }
}
