import { type DataSource } from 'typeorm'
import { type ResultOpener } from './read/result-opener'
import { type SearchPlan } from './search/search-plan'
import { FoundRows, refuseUncompared } from './search/found-rows'
import { namedParameters, searchedIn } from './search/cached-search'
import { type StatementGuard } from './statement-guard'
import { NOT_INDEXED } from './write/tokens'

type Cache = NonNullable<DataSource['queryResultCache']>

/** What TypeORM writes between a statement and its parameters, and makes the cache's key of them. */
const PARAMETERS = ' -- PARAMETERS: '

/**
 * Makes a query result cache do what the query runner does with statements and rows. It is asked before the query
 * runner, with the statement and its parameters in its key: what must not be sent must not get there. And the rows
 * that it gives are decrypted before TypeORM makes entities of them: listeners must see plaintext. Only this one
 * instance is changed, and what it holds stays ciphertext.
 */
export function guardCachedResults(
  cache: Cache,
  results: () => ResultOpener | undefined,
  statements: () => StatementGuard | undefined,
): void {
  const getFromCache = cache.getFromCache.bind(cache)
  cache.getFromCache = async (options, queryRunner) => {
    // Before anything is awaited.
    const opener = results()
    const isForEntities = opener !== undefined && opener.takeUse() !== 'raw'
    const statement = statementOf(options.query ?? '')
    if (options.query?.includes(NOT_INDEXED) === true) return undefined
    const plan = statements()?.checkCached(statement)
    if (plan && isForEntities) refuseUncompared(plan)
    const key = plan ? namedKey(plan, options.query ?? '') : options.query
    // The cache is asked again when the index key is there.
    if (plan && key === undefined) return undefined
    const saved = await getFromCache(key === undefined ? options : { ...options, query: key }, queryRunner)
    if (!isForEntities || !saved || cache.isExpired(saved)) return saved
    const searched = plan && searchedInKey(plan, options.query ?? '')
    // What was searched cannot be told from the key: then its rows cannot be compared.
    if (plan && !searched) return undefined
    const found = plan && searched && FoundRows.of(plan, searched)
    const isUsable = await results()?.openCached(statement, rowsOf(saved.result), found)
    return isUsable === false ? undefined : saved
  }
  const storeInCache = cache.storeInCache.bind(cache)
  cache.storeInCache = async (options, saved, queryRunner) => {
    if (options.query?.includes(NOT_INDEXED) === true) return
    const plan = statements()?.checkCached(statementOf(options.query ?? ''))
    if (!plan) return storeInCache(options, saved, queryRunner)
    const key = namedKey(plan, options.query ?? '')
    if (key !== undefined) await storeInCache({ ...options, query: key }, saved, queryRunner)
  }
}

/** What a cached query searched, as its key has it; `undefined` where that cannot be told. */
function searchedInKey(plan: SearchPlan, key: string): ReturnType<typeof searchedIn> {
  const statement = statementOf(key)
  const parameters: unknown =
    statement === key ? [] : JSON.parse(key.slice(statement.length + PARAMETERS.length))
  return searchedIn(plan, Array.isArray(parameters) ? parameters : [])
}

/** The key of a search, which shows nothing of what is searched; `undefined` while there is no index key. */
function namedKey(plan: SearchPlan, key: string): string | undefined {
  const statement = statementOf(key)
  if (statement === key) return undefined
  const parameters: unknown = JSON.parse(key.slice(statement.length + PARAMETERS.length))
  const named = Array.isArray(parameters) ? namedParameters(plan, parameters) : undefined
  return named && `${statement}${PARAMETERS}${JSON.stringify(named)}`
}

/** Without the parameters. If it is not clear where they begin, they stay: each database reads them as a comment. */
function statementOf(key: string): string {
  const at = key.indexOf(PARAMETERS)
  return at >= 0 && at === key.lastIndexOf(PARAMETERS) ? key.slice(0, at) : key
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
