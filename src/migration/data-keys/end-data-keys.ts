import { setTimeout as sleep } from 'node:timers/promises'
import { InterruptedError, InvalidOptionError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { type MigrationOptions } from '../options'
import { dataSourceOf, type Executor } from '../target'
import { contextsOf, type OwnDataKey, ownDataKeys } from './column-contexts'
import { KeyTableRows } from './key-table-rows'

export type EndOptions = Pick<MigrationOptions, 'dryRun' | 'signal' | 'onNote'> & {
  /** Only data keys that were made before this time. Default: all that there are. */
  madeBefore?: Date | undefined
}

/**
 * Has nothing more sealed under the stored data keys of some columns, and waits for the lease: until then applications
 * may go on to do so. Returns the data keys that go on, in hexadecimal.
 */
export async function endDataKeys(
  executor: Executor,
  columns: readonly BoundColumn[],
  { madeBefore, dryRun, signal, onNote }: EndOptions,
): Promise<ReadonlySet<string>> {
  if (madeBefore && Number.isNaN(madeBefore.getTime()))
    throw new InvalidOptionError('madeBefore must be a time that there is')
  const rows = new KeyTableRows(dataSourceOf(executor))
  const usesTable = columns.some(({ recipes }) => recipes.usesStoredKey) || (await rows.table.exists())
  if (!usesTable) return new Set()
  const begun = new Date().toISOString()
  const own = ownDataKeys(await rows.all(), contextsOf(columns))
  const isMeant = ({ row }: OwnDataKey): boolean => !madeBefore || row.createdAt < madeBefore
  const sealing = own.filter((each) => each.row.purpose === 'value' && !each.row.retiredAt && isMeant(each))
  const kept = new Set(own.filter((each) => !isMeant(each)).map(({ row }) => row.id.toString('hex')))
  const [first] = sealing
  if (dryRun === true || !first) return kept
  if (!madeBefore) {
    onNote?.(
      `${sealing.length} stored data keys seal nothing any more. Should this be ended before its time, go on with --made-before ${begun} (madeBefore), or it begins anew.`,
    )
  }
  await rows.end(
    sealing.map(({ row }) => row),
    new Date(),
  )
  try {
    await sleep(rows.table.settings.lease, undefined, { signal })
  } catch {
    throw first.column.error(InterruptedError, 'stopped as asked, before the first value')
  }
  return kept
}
