import { type QueryRunner } from 'typeorm'
import { RebuildRefusedError } from '../errors'

/**
 * SQLite only: does `work`, which makes tables anew, as TypeORM changes a column there, with no row of another table
 * lost. `DROP TABLE` deletes the rows of tables that refer to it with ON DELETE CASCADE while SQLite enforces
 * references, and that cannot be switched off inside of a transaction. TypeORM's `migration:run` switches it off
 * before its transaction; its `migration:revert` comes too late. Outside of a transaction this opens one of its own.
 * Triggers of the tables are kept. Generated migrations call it.
 *
 * @param tables Paths of the tables, as `EntityMetadata.tablePath` has them.
 * @throws RebuildRefusedError, before anything is changed, where references to a table are enforced.
 *
 * @example
 * ```ts
 * await rebuildTables(queryRunner, ['user'], async () => {
 *   await queryRunner.changeColumn('user', 'secret', new TableColumn({ name: 'secret', type: 'blob' }))
 * })
 * ```
 */
export async function rebuildTables(
  queryRunner: QueryRunner,
  tables: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const ownTransaction = !queryRunner.isTransactionActive
  const enforced = await enforcesReferences(queryRunner)
  if (enforced && ownTransaction) await queryRunner.query('PRAGMA foreign_keys = OFF')
  try {
    if (await enforcesReferences(queryRunner)) await refuseReferenced(queryRunner, tables)
    const triggers = await triggersOf(queryRunner, tables)
    if (ownTransaction) await queryRunner.startTransaction()
    try {
      await work()
      await restore(queryRunner, tables, triggers)
      if (ownTransaction) await queryRunner.commitTransaction()
    } catch (error) {
      // A full disk, for one, has ended the transaction already.
      if (ownTransaction) await queryRunner.rollbackTransaction().catch(() => undefined)
      throw error
    }
  } finally {
    if (enforced && ownTransaction) await queryRunner.query('PRAGMA foreign_keys = ON')
  }
}

async function enforcesReferences(queryRunner: QueryRunner): Promise<boolean> {
  const [row] = (await queryRunner.query('PRAGMA foreign_keys')) as [{ foreign_keys: number }?]
  return row?.foreign_keys === 1
}

async function refuseReferenced(queryRunner: QueryRunner, tables: readonly string[]): Promise<void> {
  for (const path of tables) {
    const { schema, name } = partsOf(path)
    const rows = (await queryRunner.query(
      `SELECT DISTINCT m.name AS name FROM "${schema}".sqlite_master m JOIN pragma_foreign_key_list(m.name, ?) f` +
        ` WHERE m.type = 'table' AND f."table" = ? COLLATE NOCASE`,
      [schema, name],
    )) as { name: string }[]
    if (rows.length === 0) continue
    const others = rows.map((row) => row.name).join(', ')
    throw new RebuildRefusedError(
      `the table ${name} is referenced by ${others}, and SQLite enforces that inside of a transaction that is open already: making ${name} anew would delete rows of ${others} or leave them without their parent. Nothing was changed. Run the migration without TypeORM's transaction; it opens its own: typeorm migration:revert -d FILE --transaction none (or undoLastMigration({ transaction: 'none' })).`,
    )
  }
}

interface Trigger {
  schema: string
  name: string
  sql: string
}

async function triggersOf(queryRunner: QueryRunner, tables: readonly string[]): Promise<Trigger[]> {
  const found: Trigger[] = []
  for (const path of tables) {
    const { schema, name } = partsOf(path)
    const triggers = (await queryRunner.query(
      `SELECT name, sql FROM "${schema}".sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE`,
      [name],
    )) as Omit<Trigger, 'schema'>[]
    found.push(...triggers.map((trigger) => ({ ...trigger, schema })))
  }
  return found
}

/** A dropped table takes its triggers with it, and TypeORM does not know of them. */
async function restore(
  queryRunner: QueryRunner,
  tables: readonly string[],
  triggers: readonly Trigger[],
): Promise<void> {
  const idOf = ({ schema, name }: Trigger): string => `"${schema}".${name}`
  const left = new Set((await triggersOf(queryRunner, tables)).map(idOf))
  for (const trigger of triggers) {
    if (left.has(idOf(trigger))) continue
    // SQLite keeps the statement without the database that the trigger is in.
    await queryRunner.query(
      trigger.sql.replace(/^CREATE TRIGGER /, (begin) => `${begin}"${trigger.schema}".`),
    )
  }
}

/** TypeORM writes `attached.table` for the tables of attached databases. */
function partsOf(path: string): { schema: string; name: string } {
  const dot = path.lastIndexOf('.')
  return dot === -1
    ? { schema: 'main', name: path }
    : { schema: path.slice(0, dot), name: path.slice(dot + 1) }
}
