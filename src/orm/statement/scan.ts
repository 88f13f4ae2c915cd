import { type LexicalRules, type Quote } from '../../dialects/lexical-rules'

/* Where the parts of a text end. */

export function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

export function isNameStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code >= 128
}

export function endOfName(text: string, start: number, withDollar: boolean): number {
  let end = start
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (!isNameStart(code) && !isDigit(code) && !(withDollar && code === 36)) break
  }
  return end
}

export function endOfQuoted(text: string, opened: number, quote: Quote): number | undefined {
  const { close, isDoubled, hasBackslashes } = quote
  if (!hasBackslashes) {
    for (let at = text.indexOf(close, opened + 1); at >= 0; at = text.indexOf(close, at + 2)) {
      if (!isDoubled || text[at + 1] !== close) return at + 1
    }
    return undefined
  }
  for (let at = opened + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\') at++
    else if (char === close) {
      if (text[at + 1] !== close) return at + 1
      at++
    }
  }
  return undefined
}

/** True if the pattern, a sticky one, matches there. */
export function isAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}

/** Where a comment ends that is not run; before its beginning is over, if it does not. */
export function endOfComment(text: string, start: number, rules: LexicalRules): number {
  if (rules.hasNestedComments) return endOfNested(text, start, Infinity)
  const { skippedComment } = rules
  if (skippedComment && isAt(skippedComment, text, start + 2)) return endOfNested(text, start, 2)
  return text.indexOf('*/', start + 2) + 2
}

/** Where a comment ends that may have others inside, as deep as that; 0 if it does not. */
function endOfNested(text: string, start: number, deepest: number): number {
  let depth = 0
  for (let at = start; at < text.length - 1; at++) {
    const two = text.charCodeAt(at) === 47 ? '/*' : text.charCodeAt(at) === 42 ? '*/' : ''
    if (two === '' || !text.startsWith(two, at) || (two === '/*' && depth === deepest)) continue
    depth += two === '/*' ? 1 : -1
    at++
    if (depth === 0) return at + 1
  }
  return 0
}

/** `\0061`, `\+000061` and a doubled escape character. */
export function unicodeUnescaped(name: string, escape: string): string {
  const pattern = new RegExp(
    `${escape.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')}(?:\\+([\\da-fA-F]{6})|([\\da-fA-F]{4})|(.))`,
    'gsu',
  )
  return name.replace(pattern, (all, six: string | undefined, four: string | undefined) => {
    const code = Number.parseInt(six ?? four ?? '', 16)
    if (Number.isNaN(code)) return all.slice(escape.length)
    return code <= 0x10ffff ? String.fromCodePoint(code) : all
  })
}
