import { UsageError } from '../../command'

/** The pairs that the user typed: `name=value`, with commas, or a JSON object for values that have some. */
export function pairsOf(text: string | undefined): Record<string, string> {
  if (text === undefined)
    throw new UsageError('--context is missing: what is to be forgotten, e.g. tenant_id=42')
  const pairs = text.trim().startsWith('{') ? fromJson(text) : fromText(text)
  if (pairs.length === 0) throw new UsageError('--context has no pair')
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new UsageError('--context has a name twice')
  }
  return Object.fromEntries(pairs)
}

function fromText(text: string): [string, string][] {
  return text.split(',').map((pair) => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError(`--context takes name=value, with commas, not ${JSON.stringify(pair)}`)
    return [pair.slice(0, at).trim(), pair.slice(at + 1)]
  })
}

function fromJson(text: string): [string, string][] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UsageError('--context is no JSON')
  }
  const pairs = Object.entries(value as Record<string, unknown>)
  if (pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string')) return pairs
  throw new UsageError('--context takes texts only: { "tenant_id": "42" }')
}
