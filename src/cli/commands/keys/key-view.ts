import { type KeyInfo } from '../../../kms/aws/key-info'
import { type LastUsage } from '../../../kms/aws/last-usage'
import { printable, type Terminal } from '../../terminal'

/** A key in the results of `--json`. */
export function keyJson(key: KeyInfo): Record<string, unknown> {
  const { id, arn, aliases, description, manager, state, spec, usage, rotation, created, deletion } = key
  return { id, arn, aliases, description, manager, state, spec, usage, rotation, created, deletion }
}

/** The state, in the colour of its gravity. */
export function stateOf({ state }: KeyInfo, terminal: Terminal): string {
  if (state === undefined) return '?'
  return terminal.style(state === 'Enabled' ? 'green' : state === 'PendingDeletion' ? 'red' : 'yellow', state)
}

/** `yearly`, `every 90 days`, `off`; empty where it does not apply or is not known. */
export function rotationOf({ rotation }: KeyInfo): string {
  if (!rotation) return ''
  if (!rotation.enabled) return 'off'
  const { periodInDays = 365 } = rotation
  return periodInDays === 365 ? 'yearly' : `every ${periodInDays} days`
}

export function day(date: Date | undefined): string {
  return date?.toISOString().slice(0, 10) ?? ''
}

/** To the minute, in UTC: `2026-03-01 09:30 UTC`. */
export function moment(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** `last used 2026-03-01 09:30 UTC, for Decrypt`. */
export function usageOf({ at, operation, trackedSince }: LastUsage): string {
  if (at) return `last used ${moment(at)}${operation === undefined ? '' : `, for ${operation}`}`
  return trackedSince ? `not used since ${day(trackedSince)}, when KMS began to keep account` : 'never used'
}

/** What is known of one key. */
export function printKey(key: KeyInfo, terminal: Terminal, more: readonly [string, string][] = []): void {
  const next = key.rotation?.next ? `, next on ${day(key.rotation.next)}` : ''
  terminal.fields([
    ['alias', key.aliases.join(', ')],
    ['id', key.id],
    ['ARN', key.arn],
    ['description', printable(key.description)],
    ['managed by', key.manager],
    ['state', stateOf(key, terminal)],
    ['kind', key.spec && `${key.spec}, ${key.usage ?? ''}`],
    ['rotation', rotationOf(key) && `${rotationOf(key)}${next}`],
    ['created', key.created && moment(key.created)],
    ['deletion', key.deletion && terminal.style('red', moment(key.deletion))],
    ...more,
  ])
}
