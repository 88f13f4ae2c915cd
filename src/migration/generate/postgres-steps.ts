import { type ColumnChange } from './column-change'
import { type Step, type TypeSteps } from './steps'

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`

/** PostgreSQL: one `ALTER … TYPE … USING` each way. */
export function postgresSteps(change: ColumnChange): TypeSteps {
  const { tableSql, nameSql, oldType, newType, oldKind, newKind, old, column } = change
  const alter = (what: string): Step => ({ sql: `ALTER TABLE ${tableSql} ALTER COLUMN ${nameSql} ${what}` })
  const toText =
    oldKind === 'other' && column.scheme.type.name === 'date' ? dateAsText(change) : `${nameSql}::text`
  const asNew = newKind === 'binary' ? `convert_to(${toText}, 'UTF8')` : toText
  const asOld = newKind === 'binary' ? `convert_from(${nameSql}, 'UTF8')` : nameSql
  const comments = dateComments(change)
  if (oldKind === 'binary' && newKind === 'binary') return { up: [], down: [] }
  if (oldKind === 'binary')
    return { up: [alter(`TYPE ${newType} USING convert_from(${nameSql}, 'UTF8')`)], down: [] }
  const hadDefault = old!.default !== undefined && old!.default !== null
  const nullable = nullability(change)
  return {
    up: [
      ...(hadDefault ? [alter('DROP DEFAULT')] : []),
      ...comments,
      alter(`TYPE ${newType} USING ${asNew}`),
      ...nullable.up.map(alter),
    ],
    down: [
      ...nullable.down.map(alter),
      alter(`TYPE ${oldType} USING ${asOld}::${oldType}`),
      ...(hadDefault ? [alter(`SET DEFAULT ${String(old!.default)}`)] : []),
    ],
  }
}

/** Only a `timestamptz` is an instant. `AT TIME ZONE` would shift the others by the session's time zone. */
function isInstant({ old }: ColumnChange): boolean {
  return old!.type === 'timestamp with time zone'
}

function dateAsText(change: ColumnChange): string {
  return `to_char(${change.nameSql}${isInstant(change) ? " AT TIME ZONE 'UTC'" : ''}, ${ISO})`
}

function dateComments(change: ColumnChange): Step[] {
  const { column, old, oldKind, nameSql } = change
  if (column.scheme.type.name !== 'date' || oldKind !== 'other') return []
  if (old!.type === 'date')
    return [{ comment: `date has no time: this takes the values of ${nameSql} for midnight in UTC.` }]
  if (isInstant(change)) return [{ comment: `The values of ${nameSql} keep milliseconds, not microseconds.` }]
  return [
    {
      comment: `${old!.type} has no time zone: this takes the values of ${nameSql} for UTC, and keeps milliseconds. If the application means another zone, use AT TIME ZONE.`,
    },
  ]
}

function nullability({ old, column }: ColumnChange): { up: string[]; down: string[] } {
  const { isNullable } = column.metadata
  if (old!.isNullable === isNullable) return { up: [], down: [] }
  const [drop, set] = [['DROP NOT NULL'], ['SET NOT NULL']]
  return isNullable ? { up: drop, down: set } : { up: set, down: drop }
}
