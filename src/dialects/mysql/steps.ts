import {
  addition,
  type ChangedColumn,
  type MigrationSteps,
  type NewColumn,
  type OldColumn,
  type Step,
  type TypeSteps,
} from '../steps'

const UTF8 = 'longtext CHARACTER SET utf8mb4'

/**
 * Through a text in utf8mb4, whatever the column's character set is. A change of structure ends the transaction, so
 * that a migration that failed in the middle is not undone: each step may be run again.
 */
export const steps: MigrationSteps = {
  add: (column) => ({ unless: hasColumn(column, column.name), steps: [addition(column)] }),
  rename: (column, from, to) => ({
    unless: hasColumn(column, to),
    steps: [{ sql: `ALTER TABLE ${column.tableSql} RENAME COLUMN \`${from}\` TO \`${to}\`` }],
  }),
  types,
  storage,
  asText: (sql) => `CAST(${sql} AS CHAR)`,
  whole: (all) => all,
  rebuilt: () => [],
}

function types(column: ChangedColumn): TypeSteps {
  const { type, kind, nullable, old } = column
  const last = modify(column, type, nullable)
  const back = modify(column, old.fullType, old.nullable, attributes(old))
  if (old.kind === 'binary' && kind === 'binary') return { up: [last], down: [back] }
  const serialise = serialisation(column)
  const [toUtc, toLocal] = inUtc(column)
  const up = [...losses(column), ...toUtc, modify(column, UTF8, old.nullable), ...toLocal, ...serialise.up]
  const down = [...serialise.down, ...checks(column), ...toUtc, back, ...toLocal]
  const utf8 = modify(column, UTF8, nullable)
  if (kind === 'binary') {
    return { up: [{ unless: isBinary(column), steps: [...up, last] }], down: [utf8, ...down] }
  }
  // The declared type has the table's character set: enough for base64, and perhaps not for the plaintext.
  return { up, afterEncryption: [last], beforeDecryption: [utf8], down }
}

/** Between base64 and bytes, with room for base64 in between. */
function storage(column: ChangedColumn, rotate: Step): Step[] {
  const { type, kind, nullable } = column
  const [utf8, bytes, last] = [
    modify(column, UTF8, nullable),
    modify(column, 'longblob', nullable),
    modify(column, type, nullable),
  ]
  if (kind === 'text') return [bytes, rotate, utf8, last]
  return [{ unless: isBinary(column), steps: [utf8, bytes] }, rotate, last]
}

function modify({ tableSql, nameSql }: NewColumn, type: string, nullable: boolean, more = ''): Step {
  return { sql: `ALTER TABLE ${tableSql} MODIFY ${nameSql} ${type} ${nullable ? 'NULL' : 'NOT NULL'}${more}` }
}

/** What a column loses with MODIFY unless it is said again. */
function attributes({ default: expression, comment }: OldColumn): string {
  return (
    (expression === undefined ? '' : ` DEFAULT ${expression}`) +
    (comment === undefined ? '' : ` COMMENT '${comment.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`)
  )
}

function isBinary({ entity, property }: NewColumn): string {
  return `await isBinaryColumn(queryRunner, '${entity}', '${property}')`
}

function hasColumn({ tablePath }: NewColumn, name: string): string {
  return `await queryRunner.hasColumn('${tablePath}', '${name}')`
}

/** Around a statement that makes text of a `timestamp`, or the other way round: an instant, shown in the session's zone. */
function inUtc({ old, valueType }: ChangedColumn): [Step[], Step[]] {
  if (old.type !== 'timestamp' || valueType !== 'date') return [[], []]
  return [
    [{ sql: "SET @kms_time_zone = @@SESSION.time_zone, SESSION time_zone = '+00:00'" }],
    [{ sql: 'SET SESSION time_zone = @kms_time_zone' }],
  ]
}

/** Between the text that MySQL makes of a value and the serialised form. */
function serialisation(column: ChangedColumn): TypeSteps {
  const { valueType, tableSql, nameSql, old } = column
  if (old.kind !== 'other') return { up: [], down: [] }
  const update = (value: string): Step => ({
    sql: `UPDATE ${tableSql} SET ${nameSql} = ${value} WHERE ${nameSql} IS NOT NULL`,
  })
  switch (valueType) {
    case 'boolean':
      return {
        up: [
          update(
            old.type === 'bit'
              ? `CASE REPLACE(HEX(${nameSql}), '0', '') WHEN '' THEN 'false' ELSE 'true' END`
              : `CASE WHEN ${nameSql} IN ('0', 'false') THEN 'false' ELSE 'true' END`,
          ),
        ],
        down: [update(`CASE WHEN ${nameSql} IN ('0', 'false') THEN '0' ELSE '1' END`)],
      }
    case 'date':
      return old.type === 'date' ? dates(nameSql, update) : moments(column, update)
    default:
      return { up: [], down: [] }
  }
}

type Update = (value: string) => Step

function dates(nameSql: string, update: Update): TypeSteps {
  return {
    up: [
      { comment: `date has no time: this takes the values of ${nameSql} for midnight in UTC.` },
      update(`CONCAT(SUBSTR(${nameSql}, 1, 10), 'T00:00:00.000Z')`),
    ],
    down: [update(`SUBSTR(${nameSql}, 1, 10)`)],
  }
}

function moments({ nameSql, old }: ChangedColumn, update: Update): TypeSteps {
  return {
    up: [
      { comment: zoneComment(old.type, nameSql) },
      update(
        `CONCAT(REPLACE(RPAD(CONCAT(SUBSTR(${nameSql}, 1, 19), '.', SUBSTR(${nameSql}, 21, 3)), 23, '0'), ' ', 'T'), 'Z')`,
      ),
    ],
    down: [update(`REPLACE(REPLACE(${nameSql}, 'T', ' '), 'Z', '')`)],
  }
}

function zoneComment(type: string, nameSql: string): string {
  if (type === 'timestamp') return `The values of ${nameSql} keep milliseconds, not microseconds.`
  return `${type} has no time zone: this takes the values of ${nameSql} for UTC, and keeps milliseconds. If the driver's timezone option is another one, use CONVERT_TZ.`
}

const STRICT: Step = {
  sql: "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
}

/** Without strict mode, MySQL makes an empty text of NULL, and `?` of what a character set does not define. */
function losses({ nullable, old }: ChangedColumn): Step[] {
  const comments: Step[] = []
  if (!nullable && old.nullable) {
    comments.push({ comment: 'A row without a value makes the change to NOT NULL fail, in strict mode.' })
  }
  if (old.kind === 'text' && / CHARACTER SET (?!utf8)/i.test(old.fullType)) {
    comments.push({
      comment: 'A text that has no form in UTF-8 makes the next statement fail, in strict mode.',
    })
  }
  return comments.length === 0 ? [] : [...comments, STRICT]
}

/** Without strict mode, MySQL cuts off what does not fit. */
function checks({ old }: ChangedColumn): Step[] {
  if (old.kind === 'binary') return []
  return [
    {
      comment: `A value that ${old.fullType} cannot hold makes the next statement fail, in strict mode. Outside of it, the value would be cut off.`,
    },
    STRICT,
  ]
}
