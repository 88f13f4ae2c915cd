import { type DataSource } from 'typeorm'
import { dataKeyId } from '../cipher/data-key'
import { isCiphertext, Suite, suiteOf } from '../cipher/format'
import { KmsEncryptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumns } from './bound-columns'
import { OpenedPage, openedAs } from './opened-values'
import { normaliseStored } from './stored-value'
import { type Stored } from './value-opener'

type Row = Record<string, unknown>
/** A value to open; `key` is what hydration will find it by. */
type Cell = { page: OpenedPage; stored: Stored; bytes: Buffer; key: Stored }

/**
 * Decrypts the rows of a query in one pass before TypeORM makes entities of them, which it does synchronously:
 * values whose data key is at hand at once, the others after one call to KMS per data key. What it misses is
 * decrypted later, by `BoundColumn` or after load; what it opens for the wrong column is not used.
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
    const waiting = new Map<string, Cell[]>()
    const pages: OpenedPage[] = []
    for (const name of Object.keys(first)) {
      const column = this.#columnOf(unshortened(name, sql), sql)
      if (!column) continue
      const page = new OpenedPage(column)
      pages.push(page)
      for (const row of rows) openNow(page, row[name], waiting)
    }
    if (waiting.size > 0) {
      return Promise.all(Array.from(waiting.values(), openTogether)).then(() => {
        handOver(pages)
      })
    }
    handOver(pages)
    return undefined
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

/** Makes the values known to the columns, which hydration asks. */
function handOver(pages: readonly OpenedPage[]): void {
  for (const page of pages) page.column.opened.add(page)
}

/** Decrypts a value if its data key is at hand; else lines it up with the others that wait for the same. */
function openNow(page: OpenedPage, value: unknown, waiting: Map<string, Cell[]>): void {
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return
  const { column } = page
  const stored = normaliseStored(value)
  const key = openedAs(value, stored)
  const bytes = column.opener.bytesOf(stored)
  try {
    const plaintext = column.opener.openNow(stored, bytes)
    if (plaintext) {
      page.add(key, column.toHydrate(plaintext))
      return
    }
    const group = waitingKey(bytes, column, waiting.size)
    const cells = waiting.get(group)
    if (cells) cells.push({ page, stored, bytes, key })
    else waiting.set(group, [{ page, stored, bytes, key }])
  } catch (error) {
    page.add(key, asKmsEncryptionError(error))
  }
}

function waitingKey(bytes: Buffer, { recipe }: BoundColumn, unique: number): string {
  if (!isCiphertext(bytes) || suiteOf(bytes) !== Suite.Envelope) return String(unique)
  return recipe.scope.contextKey + dataKeyId(bytes)
}

/** Decrypts values that share a data key: one call to KMS, and if it fails, no other is made for the rest. */
async function openTogether(cells: readonly Cell[]): Promise<void> {
  let failure: KmsEncryptionError | undefined
  for (const { page, stored, bytes, key } of cells) {
    const { column } = page
    try {
      if (failure) {
        page.add(key, failure)
        continue
      }
      const plaintext = column.opener.openNow(stored, bytes) ?? (await column.opener.open(stored, bytes))
      page.add(key, column.toHydrate(plaintext))
    } catch (error) {
      const reason = asKmsEncryptionError(error)
      page.add(key, reason)
      if (!reason.code.startsWith('CIPHERTEXT_TAMPERED')) failure = reason
    }
  }
}

function asKmsEncryptionError(error: unknown): KmsEncryptionError {
  if (error instanceof KmsEncryptionError) return error
  throw error
}
