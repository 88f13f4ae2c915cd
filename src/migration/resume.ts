import { TypeORMError } from 'typeorm'
import { codeOf, mayQuoteValue } from '../dialects/failure'
import { DatabaseFailedError, type InterruptedError, KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type Conversion } from './conversion'
import { type MigrationProgress } from './options'

/** A run over the rows of a column that did not come to its end. */
export interface EndedRun {
  readonly progress: Pick<MigrationProgress, 'rows' | 'total' | 'changed'>
  readonly conversion: Pick<Conversion, 'done' | 'certifies' | 'startsOver'>
  readonly dryRun?: boolean | undefined
  /** It wrote in a transaction of somebody else. */
  readonly inTransaction?: boolean
}

/** The error with which a run ended, saying what stays of it, and what running the same again does. */
export function toResume(error: unknown, column: BoundColumn, run: EndedRun): unknown {
  const { rows, total } = run.progress
  if (rows + total === 0) return error
  if (error instanceof TypeORMError) {
    const isShown = !mayQuoteValue(error)
    const what = isShown ? `the database failed: ${error.message}` : unshown(error)
    const reason = `${sentence(what)} ${whatStays(run, 'At least ')}`
    return column.error(DatabaseFailedError, reason, isShown ? error : undefined)
  }
  if (!(error instanceof KmsEncryptionError)) return error
  const Class = error.constructor as new (
    reason: string,
    details: ConstructorParameters<typeof InterruptedError>[1],
  ) => KmsEncryptionError
  const { entity, property, primaryKey, cause } = error
  const place = {
    ...(entity && { entity }),
    ...(property && { property }),
    ...(primaryKey && { primaryKey }),
  }
  return new Class(`${sentence(error.reason)} ${whatStays(run)}`, { ...place, cause })
}

/** `least`: a batch whose answer was lost may have been written as well. */
function whatStays({ progress, conversion, dryRun, inTransaction }: EndedRun, least = ''): string {
  const { changed, total } = progress
  const { done, certifies, startsOver } = conversion
  if (dryRun === true || certifies === true) return 'Nothing was changed; run the same again.'
  if (inTransaction === true) return 'The transaction around it decides what stays; running it again is safe.'
  const stays = `${least}${changed} of ${total} rows were ${done} and stay so`
  return startsOver === undefined
    ? `${stays}; run the same again to go on.`
    : `${stays}. Run the same again: it begins with the first row, ${startsOver}.`
}

/** A driver may quote a plaintext. */
function unshown(error: TypeORMError): string {
  return `the database failed with the code ${codeOf(error)}. What it says may quote a value, and is not repeated: its own log has it`
}

function sentence(text: string): string {
  return text.replace(/\.?$/, '.')
}
