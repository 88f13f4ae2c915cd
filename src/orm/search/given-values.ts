import { type DataSource } from 'typeorm'
import { dialectOf } from '../../dialects'
import { escapeRegExp } from '../../dialects/escape-regexp'
import { boundColumn } from '../bound-columns'
import { type ReplacedMethods } from '../replaced-methods'

/**
 * Keeps what a condition compares with a searched column as it was given, so that its index can be sent. TypeORM's
 * drivers of SQLite write a number that is given for `:name` into the text, and make numbers of booleans and text of
 * dates; what is given for `:...name` they leave alone. A name that a column without index has as well stays as it is,
 * so that nothing changes for other tables.
 *
 * Source: `AbstractSqliteDriver.escapeQueryWithParameters` of TypeORM.
 */
export function keepGivenValues(
  { driver, options, entityMetadatas }: DataSource,
  methods: ReplacedMethods,
): void {
  if (dialectOf(options).name !== 'sqlite') return
  const columns = entityMetadatas.flatMap((metadata) => metadata.columns)
  const isSearched = (column: (typeof columns)[number]): boolean =>
    (boundColumn(column)?.indexes ?? []).length > 0
  const others = columns.filter((column) => !isSearched(column)).map(({ databaseName }) => databaseName)
  const searched = columns.filter(isSearched).map(({ databaseName }) => databaseName)
  const names = [...new Set(searched)].filter((name) => !others.includes(name))
  if (names.length === 0) return
  const anyName = names.map(escapeRegExp).join('|')
  const compared = new RegExp(`(?<![\\w$])((?:${anyName})["\`\\]]?\\s*(?:==?|<>|!=)\\s*):([a-z0-9_.]+)`, 'gi')
  const isChanged = (value: unknown): boolean =>
    typeof value === 'number' || typeof value === 'boolean' || value instanceof Date
  methods.replace(driver, 'escapeQueryWithParameters', (escape) => (sql, parameters, ...more) => {
    if (!Object.values(parameters).some(isChanged)) return escape(sql, parameters, ...more)
    const kept: Record<string, unknown> = {}
    const text = sql.replace(compared, (all, before: string, name: string) => {
      if (!isChanged(parameters[name])) return all
      kept[`kept_${name}`] = [parameters[name]]
      return `${before}:...kept_${name}`
    })
    return escape(text, { ...parameters, ...kept }, ...more)
  })
}
