import { type DataSource } from 'typeorm'
import { dialectOf } from '../../dialects'
import { escapeRegExp } from '../../dialects/escape-regexp'
import { boundColumn } from '../bound-columns'
import { type ReplacedMethods } from '../replaced-methods'
import { GivenValue } from './given-value'

/**
 * Keeps what a condition compares with a searched column as it was given, so that its index can be sent. TypeORM's
 * drivers of SQLite write a number that is given for `:name` into the text, and make numbers of booleans and text of
 * dates; what is given for `:...name` they leave alone. A name that a column without index has as well stays as it is,
 * so that nothing changes for other tables: but of JSON, where 1 is another value than true, it is told to the
 * statement, which knows the table (`GivenValue`).
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
  const namesOf = (some: typeof columns): string[] =>
    some.map(({ databaseName }) => databaseName.toLowerCase())
  const searched = columns.filter(isSearched)
  const others = new Set(namesOf(columns.filter((column) => !isSearched(column))))
  const own = new Set(namesOf(searched).filter((name) => !others.has(name)))
  const ofJson = namesOf(searched.filter((column) => boundColumn(column)?.scheme.type.name === 'json'))
  const names = new Set([...own, ...ofJson])
  if (names.size === 0) return
  const anyName = [...names].map(escapeRegExp).join('|')
  const compared = new RegExp(`(?<![\\w$])((${anyName})["\`\\]]?\\s*(?:==?|<>|!=)\\s*):([a-z0-9_.]+)`, 'gi')
  const isChanged = (value: unknown): boolean =>
    typeof value === 'number' || typeof value === 'boolean' || value instanceof Date
  methods.replace(driver, 'escapeQueryWithParameters', (escape) => (sql, parameters, ...more) => {
    if (!Object.values(parameters).some(isChanged)) return escape(sql, parameters, ...more)
    const kept: Record<string, unknown> = {}
    const text = sql.replace(compared, (all, before: string, column: string, name: string) => {
      const value: unknown = parameters[name]
      if (!isChanged(value)) return all
      if (own.has(column.toLowerCase())) {
        kept[`kept_${name}`] = [value]
        return `${before}:...kept_${name}`
      }
      if (typeof value === 'number') return all
      kept[`given_${name}`] = [new GivenValue(value, escape(':value', { value })[1][0])]
      return `${before}:...given_${name}`
    })
    return escape(text, { ...parameters, ...kept }, ...more)
  })
}
