import { type Span } from './statement'
import { Kind, type Tokens } from './tokens'

/** Where placeholders stand between two places; needed only where one stands for several. */
export function placeholderSpans(tokens: Tokens, start: number, end: number): Span[] {
  if (!tokens.hasRepeatedNumbers) return []
  const spans: Span[] = []
  for (let at = 0; at < tokens.length; at++) {
    if (tokens.kind(at) !== Kind.Placeholder || tokens.start(at) < start || tokens.end(at) > end) continue
    spans.push([tokens.start(at), tokens.end(at)])
  }
  return spans
}

const NONE_REPEATED: ReadonlyMap<number, number> = new Map()

/** How often those stand in the statement that stand there several times, by their number. */
export function repeatedPlaceholders(tokens: Tokens): ReadonlyMap<number, number> {
  if (!tokens.hasRepeatedNumbers) return NONE_REPEATED
  const counts = new Map<number, number>()
  for (let at = 0; at < tokens.length; at++) {
    if (tokens.kind(at) !== Kind.Placeholder) continue
    const number = tokens.number(at)
    counts.set(number, (counts.get(number) ?? 0) + 1)
  }
  return new Map([...counts].filter(([, count]) => count > 1))
}
