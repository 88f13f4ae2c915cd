import { type ColumnChange } from './column-change'
import { type Step, type TypeSteps } from './steps'

const UTF8 = 'longtext CHARACTER SET utf8mb4'

/** MySQL and MariaDB: through a text in utf8mb4, whatever the column's character set is. */
export function mysqlSteps(change: ColumnChange): TypeSteps {
  const { tableSql, nameSql, oldType, newType, oldKind, newKind, column } = change
  const nullability = (nullable: boolean): string => (nullable ? 'NULL' : 'NOT NULL')
  const modify = (type: string, nullable: boolean): Step => ({
    sql: `ALTER TABLE ${tableSql} MODIFY ${nameSql} ${type} ${nullability(nullable)}`,
  })
  const { isNullable } = column.metadata
  const wasNullable = change.old!.isNullable
  const last = modify(newType, isNullable)
  const back = modify(oldType, wasNullable)
  if (oldKind === 'binary' && newKind === 'binary') return { up: [last], down: [back] }
  const serialise = serialisation(change)
  return {
    up: [modify(UTF8, wasNullable), ...serialise.up, last],
    down: [modify(UTF8, isNullable), ...serialise.down, ...checks(change), back],
  }
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
        up: [update(`IF(${nameSql} = '0', 'false', 'true')`)],
        down: [update(`IF(${nameSql} = 'false', '0', '1')`)],
      }
    case 'date':
      return {
        up: [
          {
            comment: `${old!.type} has no time zone: this takes the values of ${nameSql} for UTC, and keeps milliseconds. If the driver's timezone option is another one, use CONVERT_TZ.`,
          },
          update(`CONCAT(REPLACE(RPAD(SUBSTR(RPAD(${nameSql}, 20, '.'), 1, 23), 23, '0'), ' ', 'T'), 'Z')`),
        ],
        down: [update(`REPLACE(REPLACE(${nameSql}, 'T', ' '), 'Z', '')`)],
      }
    default:
      return { up: [], down: [] }
  }
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
