import { type LexicalRules, type Quote } from '../../dialects/lexical-rules'
import { RAW_END, RAW_START } from './raw'
import {
  endOfComment,
  endOfName,
  endOfQuoted,
  isAt,
  isDigit,
  isNameStart,
  isSpace,
  unicodeUnescaped,
} from './scan'
import { Kind, Tokens } from './tokens'

/**
 * Splits a text into tokens, in one pass and without recursion. `placeholders`: where the driver puts values in,
 * if it does that itself. What cannot be read to its end has `error` set.
 */
export function tokenise(text: string, rules: LexicalRules, placeholders?: readonly number[]): Tokens {
  return new Lexer(text, rules, placeholders).run()
}

const NUMBER = /0[xX][\da-fA-F_]+|0[oObB][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const OPERATOR_RUN = /[-+*/<>=~!@#%^&|`?]+/y
const NAMED_PLACEHOLDER = /\?\d+|[:@$#][\w$\u0080-\uffff]+(?:::[\w$]+)*(?:\([^)\s]*\))?/y
const VARIABLE = /@@?(?:[\w$.\u0080-\uffff]+|'[^']*'|"[^"]*"|`[^`]*`)?/y

class Lexer {
  readonly #tokens: Tokens
  readonly #openRaw: number[] = []
  #at = 0
  #isExecuted = false
  /** Placeholders seen, and where in the driver's list the next one is looked for. */
  #count = 0

  constructor(
    private readonly text: string,
    private readonly rules: LexicalRules,
    private readonly placeholders: readonly number[] | undefined,
  ) {
    this.#tokens = new Tokens(text)
  }

  run(): Tokens {
    const { text } = this
    while (this.#at < text.length && this.#tokens.error === undefined) this.#next()
    if (this.#isExecuted) this.#fail('a comment')
    return this.#tokens
  }

  #next(): void {
    const { text, rules } = this
    const code = text.charCodeAt(this.#at)
    if (isSpace(code)) {
      this.#at++
      return
    }
    const char = text.charAt(this.#at)
    if (code === 0) this.#fail('a NUL character')
    else if (this.#isLineComment(char)) this.#skipLine()
    else if (char === '/' && text[this.#at + 1] === '*') this.#blockComment()
    else if (this.#isExecuted && char === '*' && text[this.#at + 1] === '/') {
      this.#isExecuted = false
      this.#at += 2
    } else if (isDigit(code) || (char === '.' && this.#isFraction())) this.#number()
    else if (isNameStart(code) || (char === '$' && rules.dollarInNames === 'anywhere')) this.#word()
    else if (rules.quotes[char]) this.#quoted(rules.quotes[char], this.#at)
    else if (char === '$' && rules.placeholders !== '?') this.#dollar()
    else if (char === '?' && rules.placeholders !== '$1') this.#question()
    else if (rules.placeholders === 'sqlite' && ':@#'.includes(char)) this.#named()
    else if (char === '@' && rules.hasVariables) this.#match(VARIABLE, Kind.Text)
    else this.#symbol(char)
  }

  /** `.5`, and not what is behind a name that may be followed by one of digits. */
  #isFraction(): boolean {
    if (!isDigit(this.text.charCodeAt(this.#at + 1))) return false
    const last = this.#tokens.length - 1
    const isBehindName = this.#tokens.kind(last) === Kind.Word || this.#tokens.kind(last) === Kind.Name
    return !(this.rules.hasDigitNames && isBehindName && this.#tokens.end(last) === this.#at)
  }

  #isLineComment(char: string): boolean {
    if (char === '#') return this.rules.hasHashComments
    if (char !== '-' || this.text[this.#at + 1] !== '-') return false
    const after = this.text.charCodeAt(this.#at + 2)
    return !this.rules.needsSpaceAfterDashes || Number.isNaN(after) || after <= 32
  }

  #skipLine(): void {
    while (this.#at < this.text.length && !this.rules.endsLineAt.includes(this.text.charAt(this.#at)))
      this.#at++
  }

  #blockComment(): void {
    const { text, rules } = this
    const start = this.#at
    const { executedComment } = rules
    if (executedComment && isAt(executedComment, text, start + 2)) {
      // Inside of another one it changes nothing: both end together.
      this.#isExecuted = true
      this.#at = executedComment.lastIndex
      return
    }
    const end = endOfComment(text, start, rules)
    if (end < start + 4) {
      if (rules.mayLeaveCommentOpen) this.#at = text.length
      else this.#fail('a comment')
      return
    }
    this.#at = end
    if (end - start < 40) this.#directive(text.slice(start + 2, end - 2).trim(), start, end)
  }

  #directive(comment: string, start: number, end: number): void {
    if (comment === RAW_START) this.#openRaw.push(end)
    if (comment !== RAW_END) return
    const opened = this.#openRaw.pop()
    if (opened !== undefined) this.#tokens.raw.push([opened, start])
  }

  #number(): void {
    const { text, rules } = this
    const start = this.#at
    if (rules.hasDigitNames) {
      const end = endOfName(text, start, true)
      const isName =
        end > start && !/^(?:\d+|0[xX][\da-fA-F]+|0b[01]+|\d+[eE]\d*)$/.test(text.slice(start, end))
      // Behind a dot, a word of digits is a name, too.
      if (isName || (text[start - 1] === '.' && end > start)) {
        this.#push(Kind.Word, start, end)
        return
      }
    }
    this.#match(NUMBER, Kind.Number)
  }

  #word(): void {
    const { text, rules } = this
    const start = this.#at
    const end = endOfName(text, start, rules.dollarInNames !== 'no')
    if (end - start <= 1 || text[start] === '_') {
      const prefix = text[start] === '_' && text[end] !== '`' ? '_' : text.slice(start, end).toLowerCase()
      const isEscaped = prefix === 'u' && text[end] === '&'
      const quote = rules.prefixes[isEscaped ? 'u&' : prefix]?.[text.charAt(isEscaped ? end + 1 : end)]
      if (quote) {
        this.#at = isEscaped ? end + 1 : end
        this.#quoted(quote, start)
        return
      }
    }
    this.#push(Kind.Word, start, end)
  }

  /** `start`: of the token, which may have a prefix before its quote. */
  #quoted(quote: Quote, start: number): void {
    const opened = this.#at
    const end = endOfQuoted(this.text, opened, quote)
    if (end === undefined) {
      this.#fail(quote.kind === 'name' ? 'a quoted name' : 'a text')
      return
    }
    const { kind } = quote
    if (kind === 'name') this.#spell(quote, opened, end)
    this.#push(kind === 'name' ? Kind.Name : Kind.Text, start, end)
  }

  /** Names are mostly what stands between the quotes; those that are not are kept beside. */
  #spell({ close, hasUnicodeEscapes }: Quote, opened: number, end: number): void {
    const inner = this.text.slice(opened + 1, end - 1)
    let name = inner.includes(close) ? inner.replaceAll(close + close, close) : inner
    if (hasUnicodeEscapes) {
      const uescape = /\s*UESCAPE\s*'([^'])'/iy
      uescape.lastIndex = end
      name = unicodeUnescaped(name, uescape.exec(this.text)?.[1] ?? '\\')
      this.#tokens.spelled.set(this.#tokens.length, name)
    } else if (name !== inner) this.#tokens.spelled.set(this.#tokens.length, name)
  }

  #dollar(): void {
    const { text, rules } = this
    if (rules.placeholders === 'sqlite') {
      this.#named()
      return
    }
    const start = this.#at
    let end = start + 1
    while (isDigit(text.charCodeAt(end))) end++
    if (end > start + 1) {
      this.#push(Kind.Placeholder, start, end, Number(text.slice(start + 1, end)) - 1)
      return
    }
    DOLLAR_TAG.lastIndex = start
    const tag = rules.hasDollarTexts ? DOLLAR_TAG.exec(text)?.[0] : undefined
    if (tag === undefined) {
      this.#symbol('$')
      return
    }
    const close = text.indexOf(tag, start + tag.length)
    if (close < 0) this.#fail('a text')
    else this.#push(Kind.Text, start, close + tag.length)
  }

  #question(): void {
    const start = this.#at
    if (this.rules.placeholders === 'sqlite') {
      if (isDigit(this.text.charCodeAt(start + 1))) this.#named()
      else this.#push(Kind.Placeholder, start, start + 1, this.#count++)
      return
    }
    let end = start + 1
    if (!this.placeholders) {
      this.#push(Kind.Placeholder, start, end, this.#count++)
      return
    }
    while (this.text[end] === '?') end++
    const { placeholders } = this
    while (this.#count < placeholders.length && (placeholders[this.#count] ?? 0) < start) this.#count++
    const number = placeholders[this.#count] === start ? this.#count : -1
    this.#push(Kind.Placeholder, start, end, number)
  }

  /** Parameters with a name or number of their own, which TypeORM does not write, have no place in its array. */
  #named(): void {
    NAMED_PLACEHOLDER.lastIndex = this.#at
    const found = NAMED_PLACEHOLDER.exec(this.text)
    if (found) this.#push(Kind.Placeholder, this.#at, NAMED_PLACEHOLDER.lastIndex, -1)
    else this.#symbol(this.text.charAt(this.#at))
  }

  #symbol(char: string): void {
    const { operators } = this.rules
    if (operators !== 'runs') {
      const operator = operators.find((each) => each.startsWith(char) && this.text.startsWith(each, this.#at))
      this.#push(Kind.Symbol, this.#at, this.#at + (operator?.length ?? 1))
      return
    }
    OPERATOR_RUN.lastIndex = this.#at
    const run = OPERATOR_RUN.exec(this.text)?.[0]
    if (run === undefined) {
      const isLong = char === ':' && ':='.includes(this.text[this.#at + 1] ?? ' ')
      this.#push(Kind.Symbol, this.#at, this.#at + (isLong ? 2 : 1))
      return
    }
    // A comment ends an operator; `+` and `-` end none, unless it has a character that standard SQL does not use.
    let operator = run.split(/--|\/\*/, 1)[0] ?? run
    if (operator.length > 1 && !/[~!@#%^&|`?]/.test(operator)) operator = operator.replace(/(?<=.)[+-]+$/, '')
    this.#push(Kind.Symbol, this.#at, this.#at + operator.length)
  }

  #match(pattern: RegExp, kind: Kind): void {
    pattern.lastIndex = this.#at
    const end = pattern.test(this.text) ? pattern.lastIndex : this.#at + 1
    this.#push(kind, this.#at, Math.max(end, this.#at + 1))
  }

  #push(kind: Kind, start: number, end: number, number?: number): void {
    this.#tokens.push(kind, start, end, number)
    this.#at = end
  }

  #fail(what: string): void {
    this.#tokens.error = `${what} does not end`
  }
}
