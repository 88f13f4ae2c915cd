import { type KmsEncryptionError, RawSqlRefusedError, SearchRefusedError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { searchRefusal } from '../write/tokens'
import { type ColumnUse, type Place } from './statement'

/** Makes the error anew each time, with its own stack. */
export type Refusal = () => KmsEncryptionError

/** What an encrypted column may be used for: nothing of it depends on what the ciphertext is. */
const HARMLESS: ReadonlySet<Place> = new Set([
  'selected',
  'target',
  'null-test',
  'counted',
  'unchanged-test',
  'grouped-by-key',
  'itself',
])

export function isHarmless({ place, isRaw }: ColumnUse): boolean {
  return isRaw || HARMLESS.has(place)
}

const RAW = ' If the ciphertext itself is meant, write the expression as encryption.raw(…).'

/** Why a use of the column is refused, in words that fit the place. */
export function refusalOf(column: BoundColumn, { place, called }: ColumnUse): Refusal {
  const refuse =
    (reason: string): Refusal =>
    () =>
      column.error(SearchRefusedError, reason)
  switch (place) {
    case 'ordered':
      return refuse(
        'an encrypted column cannot be sorted by: the database would sort the ciphertexts, in random order. Sort by another column, or sort the loaded entities.',
      )
    case 'counted-distinct':
    case 'aggregated':
      return refuse(
        `${called ?? 'an aggregate'} of an encrypted column would be computed from ciphertexts. Load the values and compute it from them.${RAW}`,
      )
    case 'grouped':
      return refuse(
        'DISTINCT, GROUP BY, PARTITION BY and UNION tell equal values by their ciphertexts, which are different each time. Add the whole primary key of the table, in a UNION the same one in each branch, or write UNION ALL, or load the values and group them; or declare search: true, without normalize, and write GROUP BY or DISTINCT with the column alone.',
      )
    case 'computed':
      return refuse(
        `${called === undefined ? 'an expression' : `${called}(…)`} with an encrypted column would be computed from ciphertexts. Load the values and compute it from them.${RAW}`,
      )
    case 'raw-value':
      return rawValueRefusal(column)
    case 'unplaced':
      return refuse(
        `it cannot be told what this name stands for in the statement. Qualify it with the alias of its table. Load the values and compare them where the column itself is meant.${RAW}`,
      )
    default:
      return () => searchRefusal(column)
  }
}

export function rawValueRefusal(column: BoundColumn): Refusal {
  return () =>
    column.error(
      RawSqlRefusedError,
      'SQL, instead of a value, cannot be stored in an encrypted column, and its ciphertext in no other: it would be stored unencrypted, or never open. Load the values and save them; to copy ciphertexts within the column, use dataSource.query().',
    )
}

export function unreadableRefusal(column: BoundColumn, reason: string): Refusal {
  return () =>
    column.error(
      SearchRefusedError,
      `the statement names the encrypted column and cannot be read (${reason}), so that it cannot be told whether it searches by it. Load the values and compare them, or send the statement with dataSource.query().`,
    )
}

export function indexRefusal(name: string): Refusal {
  return () =>
    new RawSqlRefusedError(
      `the column ${name} holds a blind index, which is written with the value and never alone. Set the value; with dataSource.query(), set what encryption.encryptAll() gives.`,
    )
}
