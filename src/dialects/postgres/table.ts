import { type QueryRunner } from 'typeorm'
import { type TableLayout } from '../column-layout'
import { type HiddenBy } from '../dialect'

/** Triggers and rules of the table and of the tables that inherit from it. */
export async function triggers(queryRunner: QueryRunner, { table }: TableLayout): Promise<string[]> {
  const rows = (await queryRunner.query(
    `WITH RECURSIVE tree AS (
       SELECT $1::regclass::oid AS id
       UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.id
     )
     SELECT DISTINCT tgname::text AS name FROM pg_trigger JOIN tree ON tgrelid = tree.id
       WHERE NOT tgisinternal AND tgtype & 16 <> 0 AND tgenabled <> 'D'
     UNION SELECT rulename::text FROM pg_rewrite JOIN tree ON ev_class = tree.id WHERE ev_type = '2'
     ORDER BY 1`,
    [table],
  )) as { name: string }[]
  return rows.map(({ name }) => name)
}

/** Rules that do something else instead of an UPDATE of the table. */
export async function replacedUpdates(queryRunner: QueryRunner, { table }: TableLayout): Promise<string[]> {
  const rows = (await queryRunner.query(
    `SELECT quote_ident(rulename) AS name FROM pg_rewrite
       WHERE ev_class = $1::regclass AND ev_type = '2' AND is_instead AND ev_enabled <> 'D' ORDER BY 1`,
    [table],
  )) as { name: string }[]
  return rows.map(({ name }) => name)
}

/** Of the table and of those that inherit from it; those that a partition has from its table are that table's. */
export async function foreignKeys(
  queryRunner: QueryRunner,
  { table }: TableLayout,
  column: string,
): Promise<string[]> {
  const rows = (await queryRunner.query(
    `WITH RECURSIVE tree AS (
       SELECT $1::regclass::oid AS id
       UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.id
     )
     SELECT DISTINCT quote_ident(conname) || ' of the table ' || conrelid::regclass::text AS name
       FROM pg_constraint JOIN tree ON id IN (conrelid, confrelid)
       JOIN pg_attribute ON attrelid = id AND attname = $2
       WHERE contype = 'f' AND conparentid = 0
       AND ((conrelid = id AND attnum = ANY (conkey)) OR (confrelid = id AND attnum = ANY (confkey)))
     ORDER BY 1`,
    [table, column],
  )) as { name: string }[]
  return rows.map(({ name }) => name)
}

/** Constraint triggers that wait for the end of the transaction, as `SET CONSTRAINTS` names them. */
export async function deferrable(queryRunner: QueryRunner, { table }: TableLayout): Promise<string[]> {
  const rows = (await queryRunner.query(
    `SELECT quote_ident(nspname) || '.' || quote_ident(conname) AS name
       FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint
       JOIN pg_namespace ON pg_namespace.oid = connamespace
       WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgdeferrable`,
    [table],
  )) as { name: string }[]
  return rows.map(({ name }) => name)
}

/** Rows that a policy hides from this role, or that a view leaves out, are neither counted nor changed. */
export async function hiddenBy(
  queryRunner: QueryRunner,
  { table }: TableLayout,
): Promise<HiddenBy | undefined> {
  const [row] = (await queryRunner.query(
    `SELECT row_security_active(oid)::text AS policy, (relkind IN ('v', 'm', 'f'))::text AS view
       FROM pg_class WHERE oid = $1::regclass`,
    [table],
  )) as { policy: string; view: string }[]
  // As text: the application's driver may make something else of a boolean.
  if (row?.policy === 'true') return 'policy'
  return row?.view === 'true' ? 'view' : undefined
}

export async function indexDefinitions(
  queryRunner: QueryRunner,
  { table }: TableLayout,
): Promise<ReadonlyMap<string, string>> {
  const rows = (await queryRunner.query(
    `SELECT relname::text AS name, pg_get_indexdef(indexrelid) AS sql
       FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = $1::regclass`,
    [table],
  )) as { name: string; sql: string }[]
  return new Map(rows.map(({ name, sql }) => [name, sql]))
}

export async function expressionIndexes(
  queryRunner: QueryRunner,
  { table }: TableLayout,
  column: string,
): Promise<ReadonlyMap<string, string>> {
  const rows = (await queryRunner.query(
    `SELECT quote_ident(nspname) || '.' || quote_ident(relname) AS path, pg_get_indexdef(indexrelid) AS sql
       FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
       WHERE indrelid = $1::regclass AND (indexprs IS NOT NULL OR indpred IS NOT NULL) AND EXISTS (
         SELECT 1 FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
           WHERE classid = 'pg_class'::regclass AND objid = indexrelid AND refobjid = indrelid
           AND attname = $2 AND attnum <> ALL (indkey::int2[])
       ) ORDER BY 1`,
    [table, column],
  )) as { path: string; sql: string }[]
  return new Map(rows.map(({ path, sql }) => [path, sql]))
}
