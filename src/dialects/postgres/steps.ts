import {
  addition,
  type ChangedColumn,
  type MigrationSteps,
  type Step,
  storageAround,
  type TypeSteps,
} from '../steps'

const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`

/** One `ALTER … TYPE … USING` each way. */
export const steps: MigrationSteps = {
  add: addition,
  rename: ({ tableSql }, from, to) => ({
    sql: `ALTER TABLE ${tableSql} RENAME COLUMN "${from}" TO "${to}"`,
  }),
  types,
  storage: (column, rotate) => storageAround(column, types(column), rotate),
  asText: (sql) => `CAST(${sql} AS text)`,
  whole: (all) => all,
  rebuilt: () => [],
}

function types(column: ChangedColumn): TypeSteps {
  const { tableSql, nameSql, type, kind, old } = column
  const alter = (what: string): Step => ({ sql: `ALTER TABLE ${tableSql} ALTER COLUMN ${nameSql} ${what}` })
  if (old.kind === 'binary' && kind === 'binary') return { up: [], down: [] }
  if (old.kind === 'binary') {
    return { up: [alter(`TYPE ${type} USING convert_from(${nameSql}, 'UTF8')`)], down: [] }
  }
  const toText = asText(column)
  const asNew = kind === 'binary' ? `convert_to(${toText}, 'UTF8')` : toText
  const text = kind === 'binary' ? `convert_from(${nameSql}, 'UTF8')` : nameSql
  const asOld = isDigit(column) ? translated(text, ['false', '0'], ['true', '1']) : text
  const nullable = nullability(column)
  return {
    up: [
      ...(old.default === undefined ? [] : [alter('DROP DEFAULT')]),
      ...dateComments(column),
      alter(`TYPE ${type} USING ${asNew}`),
      ...nullable.up.map(alter),
    ],
    down: [
      ...nullable.down.map(alter),
      alter(`TYPE ${old.fullType} USING ${isDigit(column) ? `(${asOld})` : asOld}::${old.fullType}`),
      ...(old.default === undefined ? [] : [alter(`SET DEFAULT ${old.default}`)]),
    ],
  }
}

/** The text of a value as the library serialises it. */
function asText(column: ChangedColumn): string {
  const { nameSql, old, valueType } = column
  const text = `${nameSql}::text`
  if (old.kind !== 'other') return text
  if (valueType === 'date') return dateAsText(column)
  return isDigit(column) ? translated(text, ['0', 'false'], ['1', 'true']) : text
}

/** A boolean in a number or in a bit, of which an application makes 0 and 1. */
function isDigit({ old, valueType }: ChangedColumn): boolean {
  return valueType === 'boolean' && old.kind === 'other' && old.type !== 'boolean'
}

/** What is none of these stays as it is, so that the encryption names its row, or the database refuses it. */
function translated(text: string, ...pairs: readonly (readonly [from: string, to: string])[]): string {
  const cases = pairs.map(([from, to]) => `WHEN '${from}' THEN '${to}'`)
  return `CASE ${text} ${cases.join(' ')} ELSE ${text} END`
}

/** Only a `timestamptz` is an instant. `AT TIME ZONE` would shift the others by the session's time zone. */
function isInstant({ old }: ChangedColumn): boolean {
  return old.type === 'timestamp with time zone'
}

/** What JavaScript's dates have no such text for stays as it is, so that the encryption names its row. */
function dateAsText(column: ChangedColumn): string {
  const { nameSql } = column
  const moment = `${nameSql}${isInstant(column) ? " AT TIME ZONE 'UTC'" : ''}`
  return `CASE WHEN EXTRACT(YEAR FROM ${moment}) BETWEEN 1 AND 9999 THEN to_char(${moment}, ${ISO}) ELSE ${nameSql}::text END`
}

function dateComments(column: ChangedColumn): Step[] {
  const { valueType, old, nameSql } = column
  if (valueType !== 'date' || old.kind !== 'other') return []
  if (old.type === 'date')
    return [{ comment: `date has no time: this takes the values of ${nameSql} for midnight in UTC.` }]
  if (isInstant(column)) return [{ comment: `The values of ${nameSql} keep milliseconds, not microseconds.` }]
  return [
    {
      comment: `${old.type} has no time zone: this takes the values of ${nameSql} for UTC, and keeps milliseconds. If the application means another zone, use AT TIME ZONE.`,
    },
  ]
}

function nullability({ old, nullable }: ChangedColumn): { up: string[]; down: string[] } {
  if (old.nullable === nullable) return { up: [], down: [] }
  const [drop, set] = [['DROP NOT NULL'], ['SET NOT NULL']]
  return nullable ? { up: drop, down: set } : { up: set, down: drop }
}
