import { type DataSource, type QueryRunner } from 'typeorm'
import { type BoundColumn } from '../../orm/bound-column'
import { boundColumns } from '../../orm/bound-columns'
import { type ColumnChange, columnChange } from './column-change'
import { migrationFile } from './migration-file'
import { type Step, stepsOf } from './steps'

/**
 * Writes a migration for what TypeORM's `migration:generate` would do with loss of data: columns that are to be
 * encrypted, or whose encryption changed. The values keep their bytes and are encrypted; `down` brings type and
 * plaintext back. The changes that have nothing to do with encrypted columns are in it as TypeORM writes them.
 *
 * @param name Name of the class, without the timestamp.
 * @returns TypeScript, or `undefined` if the database is as the entities declare it.
 *
 * @example
 * ```ts
 * const timestamp = Date.now()
 * const text = await generateMigration(dataSource, 'EncryptPrivateKeys', timestamp)
 * if (text) await writeFile(`migrations/${timestamp}-EncryptPrivateKeys.ts`, text)
 * ```
 */
export async function generateMigration(
  dataSource: DataSource,
  name: string,
  timestamp = Date.now(),
): Promise<string | undefined> {
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    const changes = await columnChanges(queryRunner, dataSource)
    const others = await otherChanges(dataSource, changes)
    const steps = changes.map(stepsOf)
    const up = [...others.up, ...steps.flatMap((step) => step.up)]
    const down = [...steps.flatMap((step) => step.down), ...others.down]
    if (up.length === 0) return undefined
    const className = `${name.charAt(0).toUpperCase()}${name.slice(1).replace(/[^\w$]/g, '')}${timestamp}`
    return migrationFile(className, up, down)
  } finally {
    await queryRunner.release()
  }
}

async function columnChanges(queryRunner: QueryRunner, dataSource: DataSource): Promise<ColumnChange[]> {
  const columns = dataSource.entityMetadatas
    .filter(({ tableType }) => tableType === 'regular' || tableType === 'entity-child')
    .flatMap((metadata) => boundColumns(metadata))
  const cells = new Map<string, BoundColumn>(columns.map((column) => [column.cell, column]))
  const changes: ColumnChange[] = []
  for (const column of cells.values()) {
    const change = await columnChange(queryRunner, column)
    if (change) changes.push(change)
  }
  return changes
}

/** TypeORM's statements, without those for the columns that are taken care of. */
async function otherChanges(
  dataSource: DataSource,
  changes: readonly ColumnChange[],
): Promise<{ up: Step[]; down: Step[] }> {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const isOther = ({ query }: { query: string }): boolean =>
    !changes.some(({ tableSql, nameSql, old, database }) => {
      const names = [nameSql, ...(old ? [nameSql.charAt(0) + old.name + nameSql.charAt(0)] : [])]
      // SQLite's tables are made anew as a whole, under a temporary name.
      const table = database === 'sqlite' ? tableSql.slice(1, -1) : tableSql
      return query.includes(table) && (database === 'sqlite' || names.some((name) => query.includes(name)))
    })
  const touched = upQueries.some((query) => !isOther(query))
  if (touched && changes.some(({ database }) => database === 'sqlite')) {
    const comment =
      "Other changes of the schema, if there are any, are not in here: run TypeORM's migration:generate once this has run."
    return { up: [{ comment }], down: [] }
  }
  const up: Step[] = upQueries.filter(isOther).map(({ query }) => ({ sql: query }))
  const down: Step[] = downQueries
    .filter(isOther)
    .reverse()
    .map(({ query }) => ({ sql: query }))
  return { up, down }
}
