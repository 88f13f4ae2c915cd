import { type Pieces } from './numbers'

/** What is kept of a text, and where numbers stand in it that may be others. */
interface Kept<Value> {
  readonly value: Value
  readonly numbers: Pieces
  /** The text without those numbers. */
  readonly rest: string
}

/**
 * Remembers something by its text, or by that of another which differs in nothing but numbers. TypeORM's driver for
 * SQLite writes numbers into the text, so that the UPDATE of each row has another. Bounded: an application's texts
 * repeat.
 */
export class Remembered<Value> {
  readonly #maxTexts: number
  readonly #maxCharacters: number
  readonly #byText = new Map<string, Value>()
  /** By the text with a zero for each digit. */
  readonly #byShape = new Map<string, Kept<Value>[]>()
  #texts = 0
  #characters = 0
  /** What was asked for last: the same is asked several times for one statement. */
  #last: { readonly text: string; readonly value: Value } | undefined

  constructor(maxTexts: number, maxCharacters: number) {
    this.#maxTexts = maxTexts
    this.#maxCharacters = maxCharacters
  }

  get(text: string): Value | undefined {
    if (this.#last?.text === text) return this.#last.value
    const value = this.#byText.get(text) ?? this.#alike(text)
    if (value !== undefined) this.#last = { text, value }
    return value
  }

  /** `numbersIn`: where others of as many digits may stand. */
  set(text: string, value: Value, numbersIn: () => Pieces = () => []): void {
    if (text.length > this.#maxCharacters / 10) return
    if (this.#texts >= this.#maxTexts || this.#characters > this.#maxCharacters) {
      this.#byText.clear()
      this.#byShape.clear()
      this.#texts = this.#characters = 0
    }
    this.#texts++
    this.#characters += text.length
    const numbers = numbersIn()
    if (numbers.length === 0) {
      this.#byText.set(text, value)
      return
    }
    const shape = shapeOf(text)
    const kept = { value, numbers, rest: without(text, numbers) }
    const others = this.#byShape.get(shape)
    if (others) others.push(kept)
    else this.#byShape.set(shape, [kept])
  }

  #alike(text: string): Value | undefined {
    if (this.#byShape.size === 0 || text.length > this.#maxCharacters / 10) return undefined
    const kept = this.#byShape.get(shapeOf(text))
    return kept?.find(({ numbers, rest }) => without(text, numbers) === rest)?.value
  }
}

function shapeOf(text: string): string {
  return text.replace(/\d/g, '0')
}

function without(text: string, pieces: Pieces): string {
  let rest = ''
  let at = 0
  for (const [start, end] of pieces) {
    rest += text.slice(at, start)
    at = end
  }
  return rest + text.slice(at)
}
