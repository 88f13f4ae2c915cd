import { type EncryptionContext } from '../../cipher/context'
import { type OwnDataKey } from './column-contexts'
import { type ForgottenColumn } from './forget-count'

/**
 * - `nothing`: there are no data keys of the context.
 * - `planned`: counted, and nothing changed.
 * - `waiting`: they will be destroyed at `destroyAt`, and until then that can be undone.
 * - `destroyed`: no value under them can be read any more.
 * - `restored`: they are not to be destroyed any more.
 */
export type ForgetState = 'nothing' | 'planned' | 'waiting' | 'destroyed' | 'restored'

/** A stored data key in a report. */
export interface ForgottenDataKey {
  /** In hexadecimal. */
  id: string
  purpose: string
  context: EncryptionContext
  /** ARN of the KMS key, as the key table has it. */
  kmsKey: string
  createdAt: Date
}

/** What was forgotten, for people who have to account for it. */
export interface ForgetReport {
  state: ForgetState
  /** What was asked for. */
  pairs: EncryptionContext
  keyTable: string
  dataKeys: readonly ForgottenDataKey[]
  columns: readonly ForgottenColumn[]
  /** Rows of all columns that can be read no more, or will be. */
  rows: number
  kmsKeys: readonly string[]
  retiredAt: Date | undefined
  destroyAt: Date | undefined
  destroyedAt: Date | undefined
  /** Until then, processes that have read such values may have their data keys in memory. */
  inMemoryUntil: Date | undefined
  /** Data keys of the context that the application made meanwhile. They were not forgotten. */
  madeMeanwhile: number
  /** What this does not reach, in sentences. */
  remains: readonly string[]
}

/** The data keys as a report has them. */
export function described(own: readonly OwnDataKey[]): ForgottenDataKey[] {
  return own.map(({ row, context }) => ({
    id: row.id.toString('hex'),
    purpose: row.purpose,
    context,
    kmsKey: row.keyReference,
    createdAt: row.createdAt,
  }))
}

/** What forgetting does not reach. */
export function remainsOf(
  { keyTable, columns, madeMeanwhile }: Pick<ForgetReport, 'keyTable' | 'columns' | 'madeMeanwhile'>,
  isContextKept: boolean,
): string[] {
  const inline = columns.reduce((sum, column) => sum + column.inline, 0)
  return [
    `Backups, snapshots, binary logs and write-ahead logs of ${keyTable} still have the encrypted data keys: whoever restores one and may use the KMS key can read the values again. They are forgotten for good when those are gone, or the KMS key is deleted.`,
    'Copies of plaintexts elsewhere (logs, exports, search indexes, caches of the application) are not reached.',
    ...(isContextKept
      ? [`The rows stay in ${keyTable}, with the context as text. --empty-context removes that, too.`]
      : []),
    ...(inline > 0
      ? [`${inline} values of the context carry their data keys and can be read as before.`]
      : []),
    ...(madeMeanwhile > 0
      ? [
          `${madeMeanwhile} data keys of the context were made meanwhile: the application goes on to write for it. Stop that, and repeat.`,
        ]
      : []),
  ]
}
