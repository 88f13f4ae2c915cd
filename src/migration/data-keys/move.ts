import { type DataSource } from 'typeorm'
import { type StoredDataKey, storedContext } from '../../cipher/data-keys/store'
import { KeyTableUnavailableError } from '../../errors'
import { type Encrypted, type KeyService } from '../../kms/key-service'
import { type BoundColumn } from '../../orm/bound-column'
import { contextsOf, type OwnDataKey, ownDataKeys } from './column-contexts'
import { KeyTableRows } from './key-table-rows'

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
 * says of it is not believed.
 *
 * @throws KeyTableUnavailableError, and what KMS refuses; what is done stays done.
 */
export async function moveDataKeys(
  dataSource: DataSource,
  columns: readonly BoundColumn[],
  { to, dryRun = false, signal }: MoveOptions,
): Promise<MovedDataKeys> {
  const [column] = columns
  if (!column) return { found: 0, moved: 0 }
  const rows = new KeyTableRows(dataSource)
  const living = ownDataKeys(await rows.all(), contextsOf(columns)).filter(({ row }) => row.encrypted)
  let moved = 0
  for (const own of living) {
    if (signal?.aborted === true) break
    const target = to ?? (own.columns[0] ?? column).recipes.keyIdFor(own.context)
    if (await moveOne(rows, own, { kms: column.cipher.kms, to: target, dryRun })) moved++
  }
  return { found: living.length, moved }
}

interface Mover {
  kms: KeyService
  to: string
  dryRun: boolean
}

/** True if the row was changed. */
async function moveOne(rows: KeyTableRows, own: OwnDataKey, { kms, to, dryRun }: Mover): Promise<boolean> {
  let row: StoredDataKey | undefined = own.row
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    // Destroyed meanwhile: then there is nothing to move.
    if (!row?.encrypted) return false
    const moved = await reEncrypted(kms, row.encrypted, storedContext(own.context, row.purpose), to)
    if (moved.wasUnderIt === true && moved.keyReference === row.keyReference) return false
    if (dryRun || (await rows.move(row, moved))) return true
    ;[row] = await rows.find([row.id])
  }
  throw new KeyTableUnavailableError(
    `the row of the data key ${own.row.id.toString('hex')} in ${rows.table.name} was changed by others again and again. Repeat the rotation.`,
  )
}

/** With a service that cannot re-encrypt, the data key passes through this process. */
async function reEncrypted(
  kms: KeyService,
  encrypted: Uint8Array,
  context: Readonly<Record<string, string>>,
  to: string,
): Promise<Encrypted & { wasUnderIt?: boolean }> {
  if (kms.reEncrypt) return kms.reEncrypt(encrypted, context, to, context)
  const { plaintext } = await kms.decrypt(encrypted, context)
  try {
    return await kms.encrypt(to, plaintext, context)
  } finally {
    plaintext.fill(0)
  }
}
