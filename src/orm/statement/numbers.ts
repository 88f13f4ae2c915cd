import { Kind, type Tokens } from './tokens'

/** Pieces of a text, in its order: where each begins and ends. */
export type Pieces = readonly (readonly [start: number, end: number])[]

const BEFORE = new Set(['=', '<>', '!=', '<', '>', '<=', '>=', 'LIMIT', 'OFFSET'])

/**
 * The numbers of a text in whose place any others of as many digits are read alike: those that something is compared
 * with or set to, those in the lists of IN and VALUES, and those of LIMIT and OFFSET.
 */
export function freeNumbers(tokens: Tokens): Pieces {
  const pieces: [number, number][] = []
  /** How many parentheses are open, counted from that of the list; 0 outside of lists. */
  let depth = 0
  let isOfValues = false
  for (let at = 0; at < tokens.length; at++) {
    const kind = tokens.kind(at)
    if (kind === Kind.Number) {
      const isFree = depth === 0 ? BEFORE.has(before(tokens, at)) : depth === 1 && isItem(tokens, at)
      if (isFree && isWhole(tokens, at)) pieces.push([tokens.start(at), tokens.end(at)])
    } else if (kind === Kind.Symbol) {
      const symbol = tokens.written(at)
      if (symbol === ')' && depth > 0) depth--
      else if (symbol === '(') {
        if (depth === 0) isOfValues = opensValues(tokens, at, isOfValues)
        if (depth > 0 || isOfValues || before(tokens, at) === 'IN') depth++
      }
    }
  }
  return pieces
}

/** True for the parenthesis of `VALUES (…), (…)`. `isBehindValues`: the list before this one was one of those. */
function opensValues(tokens: Tokens, at: number, isBehindValues: boolean): boolean {
  return (
    before(tokens, at) === 'VALUES' ||
    (isBehindValues && before(tokens, at) === ',' && before(tokens, at - 1) === ')')
  )
}

/** True for an item of a list that is nothing else. */
function isItem(tokens: Tokens, at: number): boolean {
  return '(,'.includes(tokens.written(at - 1)) && ',)'.includes(tokens.written(at + 1))
}

/** True for a number of digits only that ends where they end. */
function isWhole(tokens: Tokens, at: number): boolean {
  return /^\d+$/.test(tokens.written(at)) && /^[\s,;)]?$/.test(tokens.text.charAt(tokens.end(at)))
}

/** The word or symbol before a token. */
function before(tokens: Tokens, at: number): string {
  return tokens.written(at - 1).toUpperCase()
}
