import { type RowValueForm } from '../../column/row-value'
import { type Queries, type TableName } from '../dialect'
import { assigningTrigger, inexact, integer, type RowColumn } from '../row-column'

interface Found {
  number: number
  name: string
  type: string
  modifier: number
  /** As text, and so the next: the application's driver may make something else of a boolean. */
  notnull: string
  deterministic: string | null
  collation: string | null
  generated: string
  identity: string
  fallback: string | null
  sequence: string | null
  relation: string
}

const FORMS: Readonly<Record<string, RowValueForm>> = {
  int2: integer(16),
  int4: integer(32),
  int8: integer(64),
  uuid: { kind: 'uuid' },
  bool: { kind: 'boolean' },
  bytea: { kind: 'bytes', length: undefined },
}

export async function rowColumns(
  queryRunner: Queries,
  table: TableName,
  names: readonly string[],
): Promise<ReadonlyMap<string, RowColumn>> {
  const found = (await queryRunner.query(
    `SELECT a.attnum AS number, a.attname::text AS name, t.typname::text AS type, a.atttypmod AS modifier,
       a.attnotnull::text AS notnull, c.collisdeterministic::text AS deterministic, c.collname::text AS collation,
       a.attgenerated::text AS generated, k.relkind::text AS relation, a.attidentity::text AS identity,
       pg_get_expr(d.adbin, d.adrelid) AS fallback, pg_get_serial_sequence($1, a.attname::text) AS sequence
     FROM pg_attribute a JOIN pg_class k ON k.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
       LEFT JOIN pg_collation c ON c.oid = a.attcollation
       LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND a.attname::text = ANY($2)`,
    [table.sql, names],
  )) as Found[]
  if (found.length === 0) return new Map()
  const cascading = (await queryRunner.query(
    `SELECT unnest(conkey) AS number FROM pg_constraint
       WHERE conrelid = to_regclass($1) AND contype = 'f' AND confupdtype IN ('c', 'n', 'd')`,
    [table.sql],
  )) as { number: number }[]
  const triggers = (await queryRunner.query(
    `SELECT tgname::text AS name, prosrc AS text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
       WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND tgtype & 3 = 3 AND tgenabled <> 'D'`,
    [table.sql],
  )) as { name: string; text: string }[]
  return new Map(
    found.map((each): [string, RowColumn] => {
      const trigger = assigningTrigger(triggers, each.name)
      const changed = each.generated
        ? 'a generated expression'
        : cascading.some(({ number }) => number === each.number)
          ? 'a foreign key with ON UPDATE CASCADE, SET NULL or SET DEFAULT'
          : undefined
      return [
        each.name,
        {
          type: each.type,
          form: formOf(each),
          // What a view selects is nullable for the catalogue, whatever it is.
          isNullable: each.notnull !== 'true' && !['v', 'm'].includes(each.relation),
          changedBy: changed ?? (trigger === undefined ? undefined : `the trigger ${trigger}`),
          made: madeBy(each),
        },
      ]
    }),
  )
}

function madeBy({ generated, identity, fallback, sequence }: Found): RowColumn['made'] {
  if (generated) return undefined
  if (identity && sequence !== null) {
    const expression = `nextval('${sequence.replaceAll("'", "''")}'::regclass)`
    return { kind: 'asked', expression, isAlways: identity === 'a' }
  }
  return fallback === null ? undefined : { kind: 'asked', expression: fallback, isAlways: false }
}

function formOf({ type, modifier, deterministic, collation }: Found): RowColumn['form'] {
  const form = FORMS[type]
  if (form) return form
  if (type !== 'varchar' && type !== 'text') return 'is of a type that has no text of its own'
  if (deterministic !== 'true') {
    return inexact(
      collation ?? 'unknown',
      'Give the column a deterministic collation; or use an integer or a uuid.',
    )
  }
  return { kind: 'text', length: modifier > 4 ? modifier - 4 : undefined, isAscii: false }
}
