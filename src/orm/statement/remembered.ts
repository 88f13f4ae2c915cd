import { type Pieces } from './numbers'

/** What is kept of a text, and where numbers stand in it that may be others. */
interface Kept<Value> {
  readonly text: string
  readonly value: Value
  readonly numbers: Pieces
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
  readonly #byShape = new Map<number, Kept<Value>[]>()
  #texts = 0
  #characters = 0
  /** What was asked for last: the same is asked several times for one statement. */
  #last: { text: string; readonly value: Value; readonly kept: Kept<Value> | undefined } | undefined

  constructor(maxTexts: number, maxCharacters: number) {
    this.#maxTexts = maxTexts
    this.#maxCharacters = maxCharacters
  }

  /** What is kept of the text that was asked for last, if this is the same or differs from it in numbers only. */
  again(text: string): Value | undefined {
    const last = this.#last
    if (!last) return undefined
    if (last.text === text) return last.value
    if (!last.kept || !differsInNumbers(text, last.kept)) return undefined
    last.text = text
    return last.value
  }

  get(text: string): Value | undefined {
    const again = this.again(text)
    if (again !== undefined) return again
    const value = this.#byText.get(text)
    if (value !== undefined) {
      this.#last = { text, value, kept: undefined }
      return value
    }
    const kept = this.#alike(text)
    if (kept) this.#last = { text, value: kept.value, kept }
    return kept?.value
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
      this.#last = { text, value, kept: undefined }
      return
    }
    const shape = shapeOf(text)
    const kept = { text, value, numbers }
    this.#last = { text, value, kept }
    const others = this.#byShape.get(shape)
    if (others) others.push(kept)
    else this.#byShape.set(shape, [kept])
  }

  #alike(text: string): Kept<Value> | undefined {
    if (this.#byShape.size === 0 || text.length > this.#maxCharacters / 10) return undefined
    return this.#byShape.get(shapeOf(text))?.find((kept) => differsInNumbers(text, kept))
  }
}

/**
 * A hash of the text to which all digits are one. Texts have a number for each of a thousand rows, so that making
 * another text of one would cost more than all else that is done for the statement.
 */
function shapeOf(text: string): number {
  let hash = text.length
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    hash = (Math.imul(hash, 31) + (isDigit(code) ? 0 : code)) | 0
  }
  return hash
}

/** True if the text is that which is kept but for the digits of its numbers. A hash that is equal does not tell. */
export function differsInNumbers(text: string, kept: Pick<Kept<unknown>, 'text' | 'numbers'>): boolean {
  if (text.length !== kept.text.length) return false
  let next = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === kept.text.charCodeAt(at)) continue
    while ((kept.numbers[next]?.[1] ?? Infinity) <= at) next++
    const start = kept.numbers[next]?.[0] ?? Infinity
    if (at < start || !isDigit(code)) return false
  }
  return true
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
