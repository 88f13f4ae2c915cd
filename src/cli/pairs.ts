import { UsageError } from './command'

/**
 * The pairs that the user typed as the value of an option: `name=value`, with commas, or a JSON object for values that
 * have some. Throws `UsageError`.
 */
export function pairsOf(option: string, text: string): Record<string, string> {
  const pairs = text.trim().startsWith('{') ? fromJson(option, text) : fromText(option, text)
  if (pairs.length === 0) throw new UsageError(`${option} has no pair`)
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new UsageError(`${option} has a name twice`)
  }
  return Object.fromEntries(pairs)
}

function fromText(option: string, text: string): [string, string][] {
  return text.split(',').map((pair) => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError(`${option} takes name=value, with commas, not ${JSON.stringify(pair)}`)
    return [pair.slice(0, at).trim(), pair.slice(at + 1)]
  })
}

function fromJson(option: string, text: string): [string, string][] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UsageError(`${option} is no JSON`)
  }
  const pairs = Object.entries(value as Record<string, unknown>)
  if (pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string')) return pairs
  throw new UsageError(`${option} takes texts only: { "tenant_id": "42" }`)
}
