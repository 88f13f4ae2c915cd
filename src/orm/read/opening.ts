import { dataKeyId, shareDataKey } from '../../cipher/data-key'
import { isCiphertext, Suite, suiteOf } from '../../cipher/format'
import { KmsEncryptionError } from '../../errors'
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
  opened: Opened | undefined
}

/** Values that wait for the same answer of KMS. */
interface Group {
  /** True if that is their data key, false if they are one and the same value. */
  readonly byDataKey: boolean
  readonly values: [Opening, ...Opening[]]
}

/**
 * Opens values: those whose data key is at hand first, since room may have to be made for those that others wait
 * for. `undefined` if that was all; otherwise one call to KMS is made per data key, side by side.
 */
export function openTogether(values: readonly Opening[]): Promise<unknown> | undefined {
  const groups = new Map<string, Group>()
  let last: Group | undefined
  for (const value of values) {
    // Mostly a row waits for the same data key as the one before it.
    if (last?.byDataKey && isAlike(last.values[0], value)) last.values.push(value)
    else if (!openNow(value)) last = lineUp(value, groups)
  }
  return groups.size === 0 ? undefined : Promise.all(Array.from(groups.values(), openGroup))
}

function isAlike(first: Opening, next: Opening): boolean {
  return (
    first.recipe.scope.contextKey === next.recipe.scope.contextKey && shareDataKey(first.bytes, next.bytes)
  )
}

/** Opens a value if that needs no call to KMS, or finds out that it never will; or else returns false. */
function openNow(value: Opening): boolean {
  const { column, recipe, stored, bytes } = value
  try {
    value.opened = column.opener.openNow(stored, recipe.scopes, bytes)
  } catch (error) {
    value.opened = failureOf(error)
  }
  return value.opened !== undefined
}

function lineUp(value: Opening, groups: Map<string, Group>): Group {
  const { column, recipe, bytes } = value
  const byDataKey = isCiphertext(bytes) && suiteOf(bytes) === Suite.Envelope
  const id = byDataKey
    ? `${recipe.scope.contextKey} ${dataKeyId(bytes)}`
    : `${column.name} ${recipe.scope.aad.toString('latin1')} ${bytes.toString('latin1')}`
  const group = groups.get(id)
  if (!group) {
    const made: Group = { byDataKey, values: [value] }
    groups.set(id, made)
    return made
  }
  group.values.push(value)
  return group
}

/** Opens the values of a group: if KMS gives no answer, none is asked for on behalf of the rest. */
async function openGroup({ byDataKey, values }: Group): Promise<void> {
  const [first] = values
  let failure: KmsEncryptionError | undefined
  for (const value of values) {
    if (!byDataKey && value !== first) value.opened = first.opened
    else if (openNow(value)) continue
    else if (failure) value.opened = failure
    else {
      value.opened = await open(value)
      if (value.opened instanceof KmsEncryptionError && value.opened.code !== 'CIPHERTEXT_TAMPERED')
        failure = value.opened
    }
  }
}

async function open({ column, recipe, stored, bytes }: Opening): Promise<Opened> {
  try {
    return await column.opener.open(stored, recipe.scopes, bytes)
  } catch (error) {
    return failureOf(error)
  }
}

function failureOf(error: unknown): KmsEncryptionError {
  if (error instanceof KmsEncryptionError) return error
  throw error
}
