import { type StoredDataKey, storedContext } from '../../cipher/data-keys/store'
import { isEncryptedDataKeyLength } from '../../cipher/ciphertext'
import { ForgedDataKeyError, KeyTableUnavailableError, UntrustedKeyError } from '../../errors'
import { isOfOtherScope } from '../../errors/kinds'
import { type Encrypted, type KeyService } from '../../kms/key-service'
import { type BoundColumn } from '../../orm/bound-column'
import { dataSourceOf, type Executor } from '../target'
import { contextsOf, type OwnDataKey, ownDataKeys } from './column-contexts'
import { KeyTableRows } from './key-table-rows'
import { SharedContexts } from './shared-contexts'

/** How often a row that others changed meanwhile is tried again. */
const MAX_ATTEMPTS = 5

export interface MoveOptions {
  /** Id, ARN or alias of the KMS key to move to. Default: the one that the columns have for the context. */
  to?: string | undefined
  /** Asks KMS and writes nothing. */
  dryRun?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** What became of the stored data keys of some columns. */
export interface MovedDataKeys {
  /** Data keys in the contexts of the columns that are not destroyed. */
  found: number
  /** Those that are under the KMS key since now, or with `dryRun` would be. */
  moved: number
}

/**
 * Moves the stored data keys of columns to another KMS key: one `ReEncrypt` and one update of the key table for each,
 * no value is read or written. A data key that is under the KMS key already costs the call and no update: what the table
 * says of it is not believed. One that was under neither KMS key is moved as well, so that its values stay readable, and
 * retired: it seals nothing more. Where another column has the same context and a KMS key of its own, that is done only
 * with what these columns use.
 *
 * @throws KeyTableUnavailableError; ForgedDataKeyError for a row that does not hold what it says; and what KMS refuses; what is done stays done.
 */
export async function moveDataKeys(
  executor: Executor,
  columns: readonly BoundColumn[],
  { to, dryRun = false, signal }: MoveOptions,
): Promise<MovedDataKeys> {
  const [column] = columns
  if (!column) return { found: 0, moved: 0 }
  const rows = new KeyTableRows(dataSourceOf(executor))
  const living = ownDataKeys(await rows.all(), contextsOf(columns)).filter(({ row }) => row.encrypted)
  const mover = new Mover(rows, column.cipher.kms, dryRun)
  const shared = new SharedContexts(executor, columns)
  let moved = 0
  for (const own of living) {
    if (signal?.aborted === true) break
    const configured = own.column.recipes.keyIdFor(own.context)
    const isAlone = living.filter((other) => isRival(own, other)).length === 1
    const isOfOthers = (): Promise<boolean> => shared.isOfOthers(own, configured)
    if (await mover.move(own, { from: configured, to: to ?? configured, isAlone, isOfOthers })) moved++
  }
  return { found: living.length, moved }
}

interface Move {
  /** The KMS key that the application seals with now. */
  from: string
  to: string
  /** There is no other data key of its purpose and context. */
  isAlone: boolean
  /** A data key under neither KMS key is a matter of other columns. */
  isOfOthers: () => Promise<boolean>
}

class Mover {
  readonly #rows: KeyTableRows
  readonly #kms: KeyService
  readonly #dryRun: boolean

  constructor(rows: KeyTableRows, kms: KeyService, dryRun: boolean) {
    this.#rows = rows
    this.#kms = kms
    this.#dryRun = dryRun
  }

  /** True if the row was changed. */
  async move(own: OwnDataKey, move: Move): Promise<boolean> {
    const rows = this.#rows
    let row: StoredDataKey | undefined = own.row
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      // Destroyed meanwhile: then there is nothing to move.
      if (!row?.encrypted) return false
      const moved = await this.#reEncrypted({ ...own, row }, move)
      if (moved.wasUnderIt && moved.keyReference === row.keyReference) return false
      const isForeign = !moved.wasUnderIt && !moved.isOurs
      if (isForeign && (await move.isOfOthers())) return false
      if (isForeign && row.purpose === 'index' && !move.isAlone) throw this.#forged(row)
      // Whoever can write the table may have put a data key of theirs there, under a KMS key of theirs. It opens what is
      // under it, and seals nothing.
      const retiredAt = isForeign && row.purpose === 'value' ? new Date() : undefined
      if (this.#dryRun || (await rows.move(row, moved, retiredAt))) return true
      ;[row] = await rows.find([row.id])
    }
    throw new KeyTableUnavailableError(
      `the row of the data key ${own.row.id.toString('hex')} in ${rows.table.name} was changed by others again and again. Repeat the rotation.`,
    )
  }

  /** One call where the table tells the truth about the KMS key. It is believed in nothing else. */
  async #reEncrypted({ row, context }: OwnDataKey, { from, to }: Move): Promise<MovedDataKey> {
    const encrypted = row.encrypted ?? new Uint8Array()
    if (!isEncryptedDataKeyLength(encrypted.length)) throw this.#forged(row)
    const pairs = storedContext(context, row.purpose)
    const moved = (keyReference?: string): Promise<Encrypted & { wasUnderIt?: boolean }> =>
      reEncrypted(this.#kms, encrypted, pairs, to, keyReference)
    try {
      if (row.keyReference === to) {
        const answer = await moved()
        if (answer.wasUnderIt === true) return { ...answer, wasUnderIt: true, isOurs: false }
      }
      try {
        return { wasUnderIt: from === to, ...(await moved(from)), isOurs: true }
      } catch (error) {
        if (!(error instanceof UntrustedKeyError)) throw error
        return { wasUnderIt: false, ...(await moved()), isOurs: false }
      }
    } catch (error) {
      throw isOfOtherScope(error) ? this.#forged(row, error) : error
    }
  }

  #forged({ id, purpose }: StoredDataKey, cause?: unknown): ForgedDataKeyError {
    const what =
      purpose === 'index'
        ? 'is not the only one for the blind indexes of its context, and not under the KMS key of the application'
        : 'was changed: it does not hold that data key, or not for this context'
    return new ForgedDataKeyError(
      `the row of the data key ${id.toString('hex')} in ${this.#rows.table.name} ${what}. It was not moved. Restore the row from a backup, or delete it if the application did not make it; then repeat the rotation.`,
      { cause },
    )
  }
}

type MovedDataKey = Encrypted & {
  wasUnderIt: boolean
  /** KMS opened it with the key that the application seals with. */
  isOurs: boolean
}

function isRival({ row }: OwnDataKey, { row: other }: OwnDataKey): boolean {
  return other.purpose === row.purpose && other.contextHash.equals(row.contextHash)
}

/** With a service that cannot re-encrypt, the data key passes through this process. */
async function reEncrypted(
  kms: KeyService,
  encrypted: Uint8Array,
  context: Readonly<Record<string, string>>,
  to: string,
  keyReference: string | undefined,
): Promise<Encrypted & { wasUnderIt?: boolean }> {
  if (kms.reEncrypt) return kms.reEncrypt(encrypted, context, to, context, { keyReference })
  const { plaintext } = await kms.decrypt(encrypted, context, { keyReference })
  try {
    return await kms.encrypt(to, plaintext, context)
  } finally {
    plaintext.fill(0)
  }
}
