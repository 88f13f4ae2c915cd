import { type BoundColumn } from '../orm/bound-column'
import { contextsOf, ownDataKeys } from './data-keys/column-contexts'
import { KeyTableRows } from './data-keys/key-table-rows'
import { moveDataKeys } from './data-keys/move'
import { checkedOptions, type MigrationOptions, type MigrationResult } from './options'
import { Pass } from './pass'
import { Rotate, type RotateSettings } from './rotate'
import { readLayout } from './rows/column-layout'
import { dataSourceOf, type Executor, withRunner } from './target'
import { dataKeyIdOf, type ValueStart, valueStarts } from './value-starts'

/**
 * Brings one column up to a KMS key and to its settings: the stored data keys in the key table, and the values that are
 * not as they should be. Where all values name stored data keys of the column, none is read.
 */
export async function rotateColumn(
  executor: Executor,
  column: BoundColumn,
  options: MigrationOptions & RotateSettings,
  /** Stored data keys, in hexadecimal, that `newDataKeys` is not about. */
  kept: ReadonlySet<string>,
): Promise<MigrationResult> {
  checkedOptions(options)
  const { to, newDataKeys = false, dryRun, signal } = options
  const start = performance.now()
  const rows = new KeyTableRows(dataSourceOf(executor))
  const hasTable = column.recipes.usesStoredKey || (await rows.table.exists())
  const movesKeys = hasTable && !newDataKeys
  const dataKeys = movesKeys ? (await moveDataKeys(executor, [column], { to, dryRun, signal })).moved : 0
  const done = movesKeys ? await asTheyShouldBe(rows, executor, column) : NONE
  if (done.rows > 0) {
    const { entityMetadata, propertyPath } = column.metadata
    const { entity, property } = { entity: entityMetadata.name, property: propertyPath }
    const none = { changed: 0, contended: 0, skipped: 0, failures: [], notes: [] }
    const elapsed = performance.now() - start
    return { entity, property, total: done.rows, ...done, ...none, dataKeys, elapsed }
  }
  const result = await new Pass(column, new Rotate(column, options, kept), options).run(executor)
  return { ...result, dataKeys }
}

interface Done {
  rows: number
  /** Those whose data keys were destroyed. */
  forgotten: number
}

const NONE: Done = { rows: 0, forgotten: 0 }

/**
 * Counts the values, if all of them name stored data keys under the current context of their column, in its storage;
 * none if one does not, or nobody can tell without opening them.
 */
async function asTheyShouldBe(rows: KeyTableRows, executor: Executor, column: BoundColumn): Promise<Done> {
  const { recipes, scheme } = column
  // Of values under other settings, only opening them tells.
  if (!recipes.usesStoredKey || recipes.contexts.length > 1) return NONE
  const values = (await startsOf(executor, column)).filter(({ kind }) => kind !== 'null')
  const isText = scheme.options.storage === 'text'
  const named = values.flatMap((start) => (start.text === isText ? (dataKeyIdOf(start) ?? []) : []))
  if (named.length < values.length) return NONE
  const own = ownDataKeys(await rows.find(named), contextsOf([column]))
  const known = new Map(own.map(({ row }) => [row.id.toString('hex'), row]))
  const done: Done = { rows: 0, forgotten: 0 }
  for (const [at, { rows: count }] of values.entries()) {
    const row = known.get(named[at]?.toString('hex') ?? '')
    if (!row) return NONE
    done.rows += count
    if (row.destroyedAt) done.forgotten += count
  }
  return done
}

function startsOf(executor: Executor, column: BoundColumn): Promise<ValueStart[]> {
  return withRunner(executor, async (runner) => valueStarts(runner, await readLayout(runner, column)))
}
