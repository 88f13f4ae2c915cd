import { type DataSource, type QueryRunner } from 'typeorm'
import { dialectOf } from '../../dialects'
import { encryptedColumns } from '../encrypted-columns'
import { withRunner } from '../target'
import { type ColumnChange, columnChange } from './column-change'
import { migrationFile } from './migration-file'
import { keyTableChanges } from './key-table-changes'
import { otherChanges } from './other-changes'
import { stepsOf } from './steps'

/**
 * Writes a migration for what TypeORM's `migration:generate` would do with loss of data: columns that are to be
 * encrypted, or whose encryption changed. The values keep their bytes and are encrypted; `down` brings type and
 * plaintext back. The changes that have nothing to do with encrypted columns are in it as TypeORM writes them.
 *
 * Where new values are to be sealed under stored data keys and there is no key table yet, the migration makes that and
 * nothing else: run it, and generate once more. A data key must be committed before values are sealed under it.
 *
 * @throws RowsHiddenError where row level security hides rows from the role; DeclaredTypeError where stored values are not of the type that the column declares.
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
  return withRunner(dataSource, async (queryRunner) => {
    const changes = await columnChanges(queryRunner, dataSource)
    const dialect = dialectOf(dataSource.options)
    const altered = changes.filter(({ kind }) => kind === 'alteration')
    const className = `${name.charAt(0).toUpperCase()}${name.slice(1).replace(/[^\w$]/g, '')}${timestamp}`
    const keyTable = altered.length > 0 ? await keyTableChanges(dataSource) : undefined
    if (keyTable) return migrationFile(className, keyTable.up, keyTable.down)
    const others = await otherChanges(dataSource, changes, dialect, queryRunner)
    const steps = changes.map((change) => stepsOf(change, dialect))
    const up = [...others.up, ...steps.flatMap((step) => step.up)]
    const down = [...steps.flatMap((step) => step.down), ...others.down]
    if (up.length === 0) return undefined
    const tables = [...new Set([...altered.map(({ column }) => column.tablePath), ...others.rebuilt])]
    return migrationFile(className, dialect.steps.whole(up, tables), dialect.steps.whole(down, tables))
  })
}

async function columnChanges(queryRunner: QueryRunner, dataSource: DataSource): Promise<ColumnChange[]> {
  const changes: ColumnChange[] = []
  for (const column of encryptedColumns(dataSource)) {
    const change = await columnChange(queryRunner, column)
    if (change) changes.push(change)
  }
  return changes
}
