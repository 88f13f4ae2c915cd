import { type DataSource } from 'typeorm'
import { type ResultOpener } from './read/result-opener'

type Cache = NonNullable<DataSource['queryResultCache']>

/**
 * Makes a query result cache decrypt the rows that it gives before TypeORM makes entities of them, as the query
 * runner does with rows that come from the database: listeners must see plaintext. Only this one instance is
 * changed, and what it holds stays ciphertext.
 */
export function openCachedResults(cache: Cache, results: () => ResultOpener | undefined): void {
  const getFromCache = cache.getFromCache.bind(cache)
  cache.getFromCache = async (options, queryRunner) => {
    const saved = await getFromCache(options, queryRunner)
    if (!saved || cache.isExpired(saved)) return saved
    const isOpened = await results()?.openCached(options.query ?? '', rowsOf(saved.result))
    return isOpened === false ? undefined : saved
  }
}

/** TypeORM itself tells of a result that is not JSON. */
function rowsOf(result: unknown): Record<string, unknown>[] {
  try {
    const rows: unknown = JSON.parse(String(result))
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
  } catch {
    return []
  }
}
