import { inspect, styleText } from 'node:util'
import { ClaimFailed } from './narrator'

/** Says on stderr why the story ended early. */
export function printFailure(error: unknown): void {
  const headline = error instanceof ClaimFailed ? '✗ This does not hold:' : '✗ The story ends early:'
  const lines =
    error instanceof ClaimFailed
      ? [error.claim, `expected: ${inspect(error.expected)}`, `found:    ${inspect(error.found)}`]
      : describe(error)
  process.stderr.write(`\n   ${styleText('red', headline, { stream: process.stderr })}\n`)
  for (const line of lines) process.stderr.write(`     ${line}\n`)
}

/** An error and its causes, a line each. */
function describe(error: unknown): string[] {
  if (!(error instanceof Error)) return [inspect(error)]
  const { code } = error as { code?: unknown }
  const name = typeof code === 'string' ? `${error.name} ${code}` : error.name
  const causes = error.cause === undefined ? [] : describe(error.cause)
  const parts = error instanceof AggregateError ? error.errors.flatMap(describe) : []
  return [`${name}: ${error.message}`, ...[...parts, ...causes].map((cause) => `because of ${cause}`)]
}
