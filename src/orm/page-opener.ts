import { type DataSource } from 'typeorm'
import { type DataKey, dataKeyId, shareDataKey } from '../cipher/data-key'
import { isCiphertext, Suite, suiteOf } from '../cipher/format'
import { type KmsEncryptionError, TamperedCiphertextError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumns } from './bound-columns'
import { ColumnPage } from './column-pages'

type Row = Record<string, unknown>
/** Values to open: their places on a page. */
type Places = { page: ColumnPage; places: number[] }

/**
 * Decrypts the rows of a query before TypeORM makes entities of them, if KMS must be asked for that: hydration is
 * synchronous. There is one call to KMS per data key. What it misses is decrypted later, by `BoundColumn` or after
 * load; what it opens for the wrong column is not used.
 */
export class PageOpener {
  readonly #dataSource: DataSource
  readonly #columnsByName = new Map<string, BoundColumn[]>()

  /** Takes the encrypted columns of an initialised DataSource. */
  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource
    const bindings = new Set<string>()
    for (const column of dataSource.entityMetadatas.flatMap(boundColumns)) {
      if (bindings.has(column.binding)) continue
      bindings.add(column.binding)
      const { databaseName } = column.metadata
      this.#columnsByName.set(databaseName, [...(this.#columnsByName.get(databaseName) ?? []), column])
    }
  }

  open(sql: string, rows: readonly Row[]): Promise<unknown> | undefined {
    const [first] = rows
    if (typeof first !== 'object') return undefined
    const pages = Object.keys(first).flatMap((name) => {
      const column = this.#columnOf(unshortened(name, sql), sql)
      return column ? [new ColumnPage(column, name, rows)] : []
    })
    if (!pages.some((page) => page.needsKms)) {
      for (const page of pages) if (page.length > 1) page.column.pages.addForThisTurn(page)
      return undefined
    }
    const waiting = new Map<string, Places[]>()
    for (const page of pages) openNow(page, waiting)
    return Promise.all(Array.from(waiting.values(), openTogether)).then(() => {
      for (const page of pages) page.column.pages.add(page)
    })
  }

  /** The encrypted column behind a name in the result: `alias_column`, or `column` of a RETURNING clause. */
  #columnOf(resultName: string, sql: string): BoundColumn | undefined {
    const candidates: [BoundColumn, string][] = []
    for (const [name, columns] of this.#columnsByName) {
      const alias =
        resultName === name
          ? ''
          : resultName.endsWith(`_${name}`)
            ? resultName.slice(0, -name.length - 1)
            : null
      if (alias !== null) for (const column of columns) candidates.push([column, alias])
    }
    if (candidates.length <= 1) return candidates[0]?.[0]
    return candidates.find(([column, alias]) => sql.includes(this.#tableInSql(column, alias)))?.[0]
  }

  /** How TypeORM writes a table, with its alias, into FROM and JOIN. */
  #tableInSql({ metadata }: BoundColumn, alias: string): string {
    const { driver } = this.#dataSource
    const table = metadata.entityMetadata.tablePath
      .split('.')
      .map((part) => driver.escape(part))
      .join('.')
    return alias === '' ? table : `${table} ${driver.escape(alias)}`
  }
}

/** TypeORM shortens a long `alias_column` to its SHA-1. The statement says what that stands for. */
function unshortened(resultName: string, sql: string): string {
  if (!/^[0-9a-f]{40}$/.test(resultName)) return resultName
  const end = /(["`])([^"`]+)\1\.\1([^"`]+)\1 AS ["`]$/.exec(
    sql.slice(0, Math.max(0, sql.indexOf(resultName))),
  )
  return end ? `${end[2]!}_${end[3]!}` : resultName
}

/**
 * Opens the values of a page whose data key is at hand: room may have to be made for those that others wait for,
 * which are lined up.
 */
function openNow(page: ColumnPage, waiting: Map<string, Places[]>): void {
  let lined: number[] | undefined
  for (let place = 0; place < page.length; place++) {
    // Mostly a row waits for the same data key as the one before it.
    if (lined && shareDataKey(page.bytesAt(lined[0]!), page.bytesAt(place))) lined.push(place)
    else if (!page.openNow(place)) lined = lineUp(page, place, waiting)
  }
}

/** Adds a value to those that wait for the same call to KMS. Returns the places of those on its page. */
function lineUp(page: ColumnPage, place: number, waiting: Map<string, Places[]>): number[] {
  const group = waitingKey(page.bytesAt(place), page.column, waiting.size)
  let all = waiting.get(group)
  if (!all) waiting.set(group, (all = []))
  let own = all.find((each) => each.page === page)
  if (!own) all.push((own = { page, places: [] }))
  own.places.push(place)
  return own.places
}

function waitingKey(bytes: Buffer, { recipe }: BoundColumn, unique: number): string {
  if (!isCiphertext(bytes) || suiteOf(bytes) !== Suite.Envelope) return String(unique)
  return recipe.scope.contextKey + dataKeyId(bytes)
}

/** Opens values that share a data key: one call to KMS, and if it fails, no other is made for the rest. */
async function openTogether(waiting: readonly Places[]): Promise<void> {
  let failure: KmsEncryptionError | undefined
  let dataKey: DataKey | undefined
  for (const { page, places } of waiting) {
    for (const place of places) {
      if (failure) page.fail(place, failure)
      else if (!page.openNow(place, dataKey)) {
        const own = await page.open(place)
        if (own && !(own instanceof TamperedCiphertextError)) failure = own
        dataKey = page.column.opener.dataKeyAtHand()
      }
    }
  }
}
