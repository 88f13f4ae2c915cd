import { type Cipher } from '../../cipher/cipher'
import { type NamedRow } from '../../diagnostics'
import { DecryptionLimitError, KmsEncryptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type RowRecipe } from '../recipe'
import { type Opened } from './opened-results'
import { type Stored } from './value-opener'

/** A stored value that is to be opened. */
export interface Opening {
  readonly column: BoundColumn
  readonly recipe: RowRecipe
  readonly stored: Stored
  readonly bytes: Buffer
  /** Names its row, for whoever watches. */
  readonly row?: NamedRow | undefined
  opened: Opened | undefined
}

/**
 * Opens values: those whose data key is at hand first, since room may have to be made for those that others wait
 * for. `undefined` if that was all; otherwise KMS is asked for the others together. `trouble`: why it need not be asked.
 */
export function openTogether(
  values: readonly Opening[],
  trouble?: KmsEncryptionError,
): Promise<unknown> | undefined {
  const waiting = values.filter((value) => !openNow(value))
  const [first] = waiting
  if (trouble) {
    for (const value of waiting) value.opened = failureOf(trouble)
    return undefined
  }
  return first && askFor(first.column.cipher, waiting)
}

/** Opens a value if that needs no call to KMS, or finds out that it never will; or else returns false. */
function openNow(value: Opening): boolean {
  const { column, recipe, stored, bytes, row } = value
  try {
    value.opened = column.opener.openNow(stored, recipe.scopes, bytes, row)
  } catch (error) {
    value.opened = failureOf(error)
  }
  return value.opened !== undefined
}

async function askFor(cipher: Cipher, waiting: readonly Opening[]): Promise<void> {
  const outcomes = await cipher.openAll(
    waiting.map(({ bytes, recipe: { scopes }, row }) => ({ stored: bytes, scopes, row })),
    { untilFailure: waiting.every(({ column }) => column.onUndecryptable === 'throw') },
  )
  for (const [index, value] of waiting.entries()) {
    const outcome = outcomes[index]
    value.opened = outcome instanceof KmsEncryptionError ? failureOf(outcome) : outcome
  }
}

/** That a request has reached its limit says nothing about the value, which others may be about to read. */
export function failureOf(error: unknown): KmsEncryptionError {
  if (error instanceof DecryptionLimitError) throw error
  if (error instanceof KmsEncryptionError) return error
  throw error
}
