import { type DataSource } from 'typeorm'
import { type EncryptionContext } from '../../cipher/context'
import { InlineValuesLeftError, InvalidOptionError } from '../../errors'
import { type OwnDataKey } from './column-contexts'
import { type ForgottenColumn } from './forget-count'
import { type ForgetReport } from './forget-report'
import { Forgetting } from './forgetting'

/** Options of `forget`. */
export interface ForgetOptions {
  /**
   * Milliseconds until the data keys may be destroyed: until then that can be undone, and values are read as before.
   * Default 0: they are destroyed at once, which takes as long as the lease.
   */
  wait?: number
  /** Goes on where values of the context carry their data keys, and so can be read afterwards. Default `false`. */
  leaveInline?: boolean
  /** Removes the context from the rows of the key table as well: it may hold a name. Default `false`. */
  emptyContext?: boolean
  /** Counts, and changes nothing. Default `false`. */
  dryRun?: boolean
  /** Called with what is going to be forgotten before anything is changed. Throw to refuse. */
  confirm?: (plan: ForgetReport) => Promise<void> | void
}

const LONGEST_WAIT = 365 * 86_400_000

/**
 * Destroys the stored data keys of all contexts that have these pairs, so that the values under them cannot be read any
 * more. From the beginning on nothing is sealed under them; then the lease is waited for, the rows are counted again, and
 * the data keys destroyed. With `wait` they are destroyed by `forgetDue`, once that time is over.
 *
 * @throws InvalidOptionError; InlineValuesLeftError; KeyTableMissingError and KeyTableUnavailableError.
 */
export async function forget(
  dataSource: DataSource,
  pairs: EncryptionContext,
  options: ForgetOptions = {},
): Promise<ForgetReport> {
  const { wait = 0, leaveInline = false, dryRun = false, emptyContext, confirm } = options
  checkPairs(pairs)
  if (!(Number.isSafeInteger(wait) && wait >= 0 && wait <= LONGEST_WAIT))
    throw new InvalidOptionError('wait must be a whole number of milliseconds, at most 365 days')
  const work = new Forgetting(dataSource, pairs, emptyContext)
  const own = (await work.find()).filter(({ row }) => !row.destroyedAt)
  const columns = await work.count(own)
  const inline = columns.reduce((sum, column) => sum + column.inline, 0)
  if (inline > 0 && !leaveInline && !dryRun) throw inlineLeft(columns, inline)
  const plan = work.report(own.length === 0 ? 'nothing' : 'planned', own, columns)
  if (own.length === 0 || dryRun) return plan
  await confirm?.(plan)
  const now = new Date()
  const retired = await work.retire(own, now, new Date(now.getTime() + wait))
  return wait > 0 ? work.report('waiting', retired, columns) : work.destroy(retired)
}

/**
 * Destroys the data keys whose waiting time is over, of all contexts.
 *
 * @throws KeyTableMissingError and KeyTableUnavailableError.
 */
export async function forgetDue(
  dataSource: DataSource,
  { dryRun = false, emptyContext }: Pick<ForgetOptions, 'dryRun' | 'emptyContext'> = {},
): Promise<ForgetReport> {
  const work = new Forgetting(dataSource, {}, emptyContext)
  const own = (await work.find()).filter(isDue)
  if (own.length === 0) return work.report('nothing', [], [])
  return dryRun ? work.report('planned', own, await work.count(own)) : work.destroy(own)
}

/**
 * Undoes `forget` for the data keys of these pairs that wait to be destroyed.
 *
 * @throws InvalidOptionError, KeyTableMissingError and KeyTableUnavailableError.
 */
export async function cancelForgetting(
  dataSource: DataSource,
  pairs: EncryptionContext,
): Promise<ForgetReport> {
  checkPairs(pairs)
  const work = new Forgetting(dataSource, pairs)
  const waiting = (await work.find()).filter(({ row }) => row.destroyAt && !row.destroyedAt)
  return waiting.length === 0 ? work.report('nothing', [], []) : work.restore(waiting)
}

function isDue({ row: { destroyAt, destroyedAt } }: OwnDataKey): boolean {
  return destroyAt !== undefined && destroyAt.getTime() <= Date.now() && !destroyedAt
}

/** No pairs would be all values of the application. */
function checkPairs(pairs: EncryptionContext): void {
  const entries = typeof pairs === 'object' && (pairs as unknown) !== null ? Object.entries(pairs) : []
  if (entries.length > 0 && entries.every(([name, value]) => name !== '' && typeof value === 'string')) return
  throw new InvalidOptionError(
    "name what to forget by pairs of the encryption context, as texts: { tenant_id: '42' }, or { table: 'user' } for all of a table",
  )
}

function inlineLeft(columns: readonly ForgottenColumn[], inline: number): InlineValuesLeftError {
  const names = columns
    .filter((column) => column.inline > 0)
    .map(({ entity, property }) => `${entity}.${property}`)
  return new InlineValuesLeftError(
    `${inline} values of the context in ${names.join(', ')} carry their data keys, and could be read afterwards. Convert them first (dataKeys: 'stored' and mode: 'envelope', since direct values have no data key; then typeorm-kms rotate; earlier versions of rows can only be deleted: DELETE HISTORY), or say leaveInline (--leave-inline). Nothing was changed.`,
  )
}
