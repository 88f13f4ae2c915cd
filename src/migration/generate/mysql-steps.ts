import { type ColumnChange } from './column-change'
import { type Step, type TypeSteps } from './steps'

const UTF8 = 'longtext CHARACTER SET utf8mb4'

/**
 * MySQL and MariaDB: through a text in utf8mb4, whatever the column's character set is. A migration that failed in
 * the middle is not undone there, so each step may be run again.
 */
export function mysqlSteps(change: ColumnChange): TypeSteps {
  const { oldType, newType, oldKind, newKind, column } = change
  const { isNullable } = column.metadata
  const wasNullable = change.old!.isNullable
  const last = modify(change, newType, isNullable)
  const back = modify(change, oldType, wasNullable)
  if (oldKind === 'binary' && newKind === 'binary') return { up: [last], down: [back] }
  const serialise = serialisation(change)
  const [toUtc, toLocal] = inUtc(change)
  const up = [...toUtc, modify(change, UTF8, wasNullable), ...toLocal, ...serialise.up]
  const down = [...serialise.down, ...checks(change), ...toUtc, back, ...toLocal]
  const utf8 = modify(change, UTF8, isNullable)
  if (newKind === 'binary')
    return { up: [{ unless: isBinary(change), steps: [...up, last] }], down: [utf8, ...down] }
  // The declared type has the table's character set: enough for base64, and perhaps not for the plaintext.
  return { up, afterEncryption: [last], beforeDecryption: [utf8], down }
}

/** Between base64 and bytes, with room for base64 in between. */
export function mysqlStorageSteps(change: ColumnChange, rotate: Step): Step[] {
  const { newType, newKind, column } = change
  const { isNullable } = column.metadata
  const [utf8, bytes] = [UTF8, 'longblob'].map((type) => modify(change, type, isNullable)) as [Step, Step]
  const last = modify(change, newType, isNullable)
  if (newKind === 'text') return [bytes, rotate, utf8, last]
  return [{ unless: isBinary(change), steps: [utf8, bytes] }, rotate, last]
}

function modify({ tableSql, nameSql }: ColumnChange, type: string, nullable: boolean): Step {
  return { sql: `ALTER TABLE ${tableSql} MODIFY ${nameSql} ${type} ${nullable ? 'NULL' : 'NOT NULL'}` }
}

function isBinary({ column: { metadata } }: ColumnChange): string {
  return `await isBinaryColumn(queryRunner, '${metadata.entityMetadata.name}', '${metadata.propertyPath}')`
}

/** Around a statement that makes text of a `timestamp`, or the other way round: an instant, shown in the session's zone. */
function inUtc({ old, column }: ColumnChange): [Step[], Step[]] {
  if (old!.type !== 'timestamp' || column.scheme.type.name !== 'date') return [[], []]
  return [
    [{ sql: "SET @kms_time_zone = @@SESSION.time_zone, SESSION time_zone = '+00:00'" }],
    [{ sql: 'SET SESSION time_zone = @kms_time_zone' }],
  ]
}

/** Between the text that MySQL makes of a value and the serialised form. */
function serialisation({ column, tableSql, nameSql, old, oldKind }: ColumnChange): TypeSteps {
  if (oldKind !== 'other') return { up: [], down: [] }
  const update = (value: string): Step => ({
    sql: `UPDATE ${tableSql} SET ${nameSql} = ${value} WHERE ${nameSql} IS NOT NULL`,
  })
  switch (column.scheme.type.name) {
    case 'boolean':
      return {
        up: [update(`CASE WHEN ${nameSql} IN ('0', 'false') THEN 'false' ELSE 'true' END`)],
        down: [update(`CASE WHEN ${nameSql} IN ('0', 'false') THEN '0' ELSE '1' END`)],
      }
    case 'date':
      return old!.type === 'date'
        ? {
            up: [
              { comment: `date has no time: this takes the values of ${nameSql} for midnight in UTC.` },
              update(`CONCAT(SUBSTR(${nameSql}, 1, 10), 'T00:00:00.000Z')`),
            ],
            down: [update(`SUBSTR(${nameSql}, 1, 10)`)],
          }
        : {
            up: [
              { comment: zoneComment(old!.type, nameSql) },
              update(
                `CONCAT(REPLACE(RPAD(CONCAT(SUBSTR(${nameSql}, 1, 19), '.', SUBSTR(${nameSql}, 21, 3)), 23, '0'), ' ', 'T'), 'Z')`,
              ),
            ],
            down: [update(`REPLACE(REPLACE(${nameSql}, 'T', ' '), 'Z', '')`)],
          }
    default:
      return { up: [], down: [] }
  }
}

function zoneComment(type: string, nameSql: string): string {
  if (type === 'timestamp') return `The values of ${nameSql} keep milliseconds, not microseconds.`
  return `${type} has no time zone: this takes the values of ${nameSql} for UTC, and keeps milliseconds. If the driver's timezone option is another one, use CONVERT_TZ.`
}

/** Without strict mode, MySQL cuts off what does not fit. */
function checks({ oldKind, oldType }: ColumnChange): Step[] {
  if (oldKind === 'binary') return []
  return [
    {
      comment: `A value that ${oldType} cannot hold makes the next statement fail, in strict mode. Outside of it, the value would be cut off.`,
    },
    { sql: "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')" },
  ]
}
