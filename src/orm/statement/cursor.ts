import { type LexicalRules } from '../../dialects/lexical-rules'
import { nameOf, type Name } from './names'
import { Kind, type Tokens } from './tokens'

/** The reader has no rule for what stands there. */
export class Unreadable extends Error {}

/** Parentheses in each other that are read; statements that TypeORM writes have a dozen. */
const DEEPEST = 200

/** A place in a list of tokens, and what is asked there. */
export class Cursor {
  protected at = 0
  #depth = 0
  readonly #words = new Map<number, string>()

  constructor(
    protected readonly tokens: Tokens,
    protected readonly rules: LexicalRules,
  ) {}

  protected kind(ahead = 0): Kind {
    return this.tokens.kind(this.at + ahead)
  }

  /** The word there, upper-case; empty if it is none. */
  protected word(ahead = 0): string {
    const index = this.at + ahead
    if (this.tokens.kind(index) !== Kind.Word) return ''
    let word = this.#words.get(index)
    if (word === undefined) {
      // Words are looked at many times, but never far back.
      if (this.#words.size > 64) this.#words.clear()
      this.#words.set(index, (word = this.tokens.written(index).toUpperCase()))
    }
    return word
  }

  /** The symbol there; empty if it is none. */
  protected symbol(ahead = 0): string {
    const index = this.at + ahead
    return this.tokens.kind(index) === Kind.Symbol ? this.tokens.written(index) : ''
  }

  protected get isAtEnd(): boolean {
    return this.at >= this.tokens.length
  }

  /** Of the token there. */
  protected get start(): number {
    return this.tokens.start(this.at)
  }

  /** Of the token before. */
  protected get end(): number {
    return this.tokens.end(this.at - 1)
  }

  protected takeWord(...words: string[]): boolean {
    const isThere = words.includes(this.word())
    if (isThere) this.at++
    return isThere
  }

  /** Takes all of the words, or none. */
  protected takeWords(...words: string[]): boolean {
    const areThere = words.every((word, ahead) => this.word(ahead) === word)
    if (areThere) this.at += words.length
    return areThere
  }

  protected takeSymbol(symbol: string): boolean {
    const isThere = this.symbol() === symbol
    if (isThere) this.at++
    return isThere
  }

  protected expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) this.fail()
  }

  protected expectWord(...words: string[]): void {
    if (!this.takeWord(...words)) this.fail()
  }

  /** True for a word or a quoted name, and for a text where the database takes one for a name. */
  protected isName(ahead = 0): boolean {
    const kind = this.kind(ahead)
    return kind === Kind.Word || kind === Kind.Name || (kind === Kind.Text && this.rules.hasTextNames)
  }

  protected takeName(): Name {
    if (!this.isName()) this.fail()
    return this.nameAt(this.at++)
  }

  /** `a.b.c`; a star is left. */
  protected takePath(): Name[] {
    const path = [this.takeName()]
    while (this.symbol() === '.' && this.isName(1)) {
      this.at++
      path.push(this.takeName())
    }
    return path
  }

  /** `(a, b)` */
  protected takeNames(): Name[] {
    this.expectSymbol('(')
    const names: Name[] = []
    while (!this.takeSymbol(')')) {
      names.push(this.takeName())
      if (this.symbol() !== ')') this.expectSymbol(',')
    }
    return names
  }

  /** Skips to behind the parenthesis that closes the one there. */
  protected skipParentheses(): void {
    this.expectSymbol('(')
    for (let depth = 1; depth > 0; this.at++) {
      if (this.isAtEnd) this.fail()
      const symbol = this.symbol()
      if (symbol === '(') depth++
      else if (symbol === ')') depth--
    }
  }

  protected nameAt(index: number): Name {
    const { tokens } = this
    const kind = tokens.kind(index)
    const isQuoted = kind !== Kind.Word
    const written = tokens.written(index)
    const text = tokens.spelled.get(index) ?? (isQuoted ? written.slice(1, -1) : written)
    return nameOf(kind === Kind.Text ? text.replaceAll("''", "'") : text, isQuoted, this.rules)
  }

  /** Reads something inside, unless there is too much around it. */
  protected nested<T>(read: () => T): T {
    if (++this.#depth > DEEPEST) this.fail()
    const result = read()
    this.#depth--
    return result
  }

  protected fail(): never {
    throw new Unreadable(`no rule for what stands at character ${this.start}`)
  }
}
