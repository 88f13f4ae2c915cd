import { causeOf } from '../../cause'

/** How bad a finding is. A problem makes the tool's exit status 1. */
export type Level = 'ok' | 'note' | 'warning' | 'problem'

/** One thing that was looked at. */
export interface Finding {
  area: 'application' | 'KMS' | 'database'
  level: Level
  /** What was found, with its meaning. */
  message: string
  /** What to do about it. */
  remedy?: string
}

export function finding(area: Finding['area'], level: Level, message: string, remedy?: string): Finding {
  return { area, level, message, ...(remedy === undefined ? {} : { remedy }) }
}

/** A failure as a finding: the errors of this library say what to do themselves. */
export function failureOf(area: Finding['area'], what: string, error: unknown): Finding {
  const cause = causeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  return finding(area, 'problem', `${what}: ${message}${cause === undefined ? '' : ` (${cause})`}`)
}

/** `1 row`, `2,000 rows`. */
export function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
}
