import { randomBytes } from 'node:crypto'
import { KmsEncryptionError, SearchRefusedError } from '../../errors'
import { boundColumn } from '../bound-columns'
import { type Opening, openTogether } from '../read/opening'
import { type Stored } from '../read/value-opener'
import { type Looker } from './completeness'
import { type Insertions } from './insertions'
import { type KeyedIndex } from './keyed-index'
import { type Narrowed, type SearchLanguage } from './plan-draft'
import { type Answered, hashesIn } from './hashes'
import { escapedPath } from '../../dialects/escaped-path'

/*
 * An index of few bits finds rows with other values, too. So the rows with those bits are read and opened first, and the
 * statement is sent for the ciphertexts of those that are meant: `(index = ? AND column IN (?, …))`. That is right
 * wherever it stands: counts, pages, joins, updates.
 */

/** Rows that are opened at most for one comparison. */
const MAX_ROWS = 10_000

/** The ciphertexts that are meant, for each comparison. */
export type Matches = ReadonlyMap<Narrowed, readonly Stored[]>
type Row = Record<string, unknown>

/** Finds the ciphertexts that a comparison means. Throws `SearchRefusedError` if too many rows have the same bits. */
export async function matchesOf(
  { index, searched }: Narrowed,
  keyed: KeyedIndex,
  all: Answered['searched'],
  language: SearchLanguage,
  { query }: Looker,
): Promise<readonly Stored[]> {
  const column = boundColumn(index.column.metadata)
  const hashes = searched.flatMap((each) => hashesIn(all.get(each)))
  if (!column || hashes.length === 0) return []
  const { escape, placeholder } = language
  const stored = [...new Map(hashes.map((hash) => [textOf(index.stored(hash)), index.stored(hash)])).values()]
  const bound = column.recipes.opensBy.map(({ name }) => name)
  const names = [
    `${escape(column.metadata.databaseName)} AS _v`,
    ...bound.map((name, at) => `${escape(name)} AS _b${at}`),
  ]
  const table = escapedPath(column.metadata.entityMetadata.tablePath, escape)
  const places = stored.map((_, at) => placeholder(at + 1)).join(', ')
  const sql = `SELECT ${names.join(', ')} FROM ${table} WHERE ${escape(index.metadata.databaseName)} IN (${places}) LIMIT ${MAX_ROWS + 1}`
  const rows = (await query(sql, stored)) as Row[]
  if (rows.length > MAX_ROWS) {
    throw column.error(
      SearchRefusedError,
      `more than ${MAX_ROWS} rows have the bits that are searched, and each would have to be opened. Search fewer values at once, or declare an index of more bits.`,
    )
  }
  const values = rows.flatMap((row) => {
    const value = column.storedIfDelivered(row['_v'])
    if (value === undefined) return []
    const recipe = column.recipeOfStored((name) => row[`_b${bound.indexOf(name)}`])
    // Rows under other keys may have the same bits.
    if (!index.under(recipe.scope.context).isLike(keyed)) return []
    const opening: Opening = {
      column,
      recipe,
      stored: value,
      bytes: column.opener.bytesOf(value),
      opened: undefined,
    }
    return [opening]
  })
  await openTogether(values)
  const wanted = new Set(hashes.map((hash) => hash.toString('hex')))
  return values.flatMap(({ opened, stored: value }) => {
    if (opened instanceof KmsEncryptionError) {
      // A value that does not open is none that is searched; trouble of the service says nothing about it.
      if (opened.kind !== 'value') throw column.placed(opened)
      return []
    }
    return opened && wanted.has(keyed.hashOf(index.hashed([opened])).toString('hex')) ? [value] : []
  })
}

/** Narrows a statement to what was found. */
export function narrow(insertions: Insertions, sql: string, matches: Matches): void {
  for (const [{ end, column, behind, index }, found] of matches) {
    // Nothing equals it: then the condition is false, and still NULL where the column is.
    const values = found.length > 0 ? found : [nothing(index.column.scheme.options.storage)]
    const places = insertions.add(behind, values).join(', ')
    insertions.edit(end, end, ` AND ${sql.slice(...column)} IN (${places}))`)
  }
}

function nothing(storage: string | undefined): Stored {
  const bytes = randomBytes(32)
  return storage === 'text' ? bytes.toString('hex') : bytes
}

function textOf(index: Buffer | string): string {
  return typeof index === 'string' ? index : index.toString('hex')
}
