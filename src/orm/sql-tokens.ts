/** A piece of SQL that matters to the statement guard. Names are unescaped, words upper-case. */
export type SqlToken =
  | { kind: 'name'; text: string }
  | { kind: 'word'; text: string; name: string }
  | { kind: 'placeholder'; index: number }
  | { kind: 'literal' }
  | { kind: 'symbol'; text: string }

/** Splits a statement that TypeORM's query builders made. `quote`: what the database puts around names. */
export function sqlTokens(sql: string, quote: '"' | '`'): SqlToken[] {
  const tokens: SqlToken[] = []
  let placeholders = 0
  for (const [text] of sql.matchAll(PIECES[quote])) {
    const first = text.charAt(0)
    if (first === quote) tokens.push({ kind: 'name', text: unescaped(text, quote) })
    else if (first === "'" || first === '"' || /\d/.test(first)) tokens.push({ kind: 'literal' })
    else if (first === '?') tokens.push({ kind: 'placeholder', index: placeholders++ })
    else if (first === '$') tokens.push({ kind: 'placeholder', index: Number(text.slice(1)) - 1 })
    else if (/[A-Z_]/i.test(first)) tokens.push({ kind: 'word', text: text.toUpperCase(), name: text })
    else if (!text.startsWith('--') && !text.startsWith('/*')) tokens.push({ kind: 'symbol', text })
  }
  return tokens
}

/** Comments, quoted names, texts, words, numbers, placeholders and single characters. MySQL escapes with `\`. */
const PIECES = {
  '"': /--.*|\/\*[^]*?\*\/|"(?:[^"]|"")*"|'(?:[^']|'')*'|[A-Z_][\w$]*|\d+(?:\.\d+)?|\$\d+|\S/gi,
  '`': /--\s.*|\/\*[^]*?\*\/|`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|[A-Z_][\w$]*|\d+(?:\.\d+)?|\S/gis,
} as const

function unescaped(name: string, quote: string): string {
  return name.slice(1, -1).replaceAll(quote + quote, quote)
}
