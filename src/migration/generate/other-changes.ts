import { type DataSource } from 'typeorm'
import { type Dialect } from '../../dialects'
import { type Step } from '../../dialects/steps'
import { type ColumnChange } from './column-change'
import { type Steps } from './steps'

/** What TypeORM would do, without what is taken care of; and the tables that its statements make anew. */
export interface OtherChanges extends Steps {
  rebuilt: string[]
}

/** A statement about an index or a constraint, with its name where it has one. */
const INDEX =
  /^(?:(CREATE) (?:\w+ )?INDEX ([`"][^`"]+[`"])|(DROP) INDEX (?:[`"][^`"]+[`"]\.)?([`"][^`"]+[`"])|ALTER TABLE \S+ (ADD|DROP) CONSTRAINT ([`"][^`"]+[`"]))/

/**
 * TypeORM's statements, without those for the columns that are taken care of. It changes the type of a column by
 * dropping it, with its indexes, and by adding it again: of that, what drops an index stays in `up`, and what makes it
 * again in `down`. An index of ciphertexts finds nothing, so none is made in `up`.
 */
export async function otherChanges(
  dataSource: DataSource,
  changes: readonly ColumnChange[],
  { steps }: Dialect,
): Promise<OtherChanges> {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const [up, down] = [upQueries, [...downQueries].reverse()].map((list) =>
    list.map(({ query }) => query),
  ) as [string[], string[]]
  const rebuilt = steps.rebuilt([...up, ...down])
  if (rebuilt.length > 0) return withRebuiltTables(up, down, rebuilt, changes)
  const created = new Set<string>()
  const isOther = (query: string): boolean => !changes.some((change) => isAbout(query, change))
  const keptUp = up.filter((query) => {
    const index = indexOf(query)
    if (!index) return isOther(query)
    if (index.drops || !concerns(query, changes)) return true
    created.add(index.name)
    return false
  })
  const keptDown = down.filter((query) => {
    const index = indexOf(query)
    return index ? !(index.drops && created.has(index.name)) : isOther(query)
  })
  return { up: keptUp.map(asStep), down: keptDown.map(asStep), rebuilt }
}

/** Statements that make a whole table anew cannot be told apart by column. */
function withRebuiltTables(
  up: readonly string[],
  down: readonly string[],
  rebuilt: string[],
  changes: readonly ColumnChange[],
): OtherChanges {
  const touched = changes.some(({ column }) => rebuilt.includes(column.tablePath))
  if (!touched) return { up: up.map(asStep), down: down.map(asStep), rebuilt }
  const comment =
    "Other changes of the schema, if there are any, are not in here: run TypeORM's migration:generate once this has run."
  return { up: [{ comment }], down: [], rebuilt: [] }
}

function asStep(sql: string): Step {
  return { sql }
}

function isAbout(query: string, { column }: ColumnChange): boolean {
  return query.includes(column.tableSql) && namesOf(column).some((name) => query.includes(name))
}

/** PostgreSQL's DROP INDEX names no table. */
function concerns(query: string, changes: readonly ColumnChange[]): boolean {
  return changes.some((change) => isAbout(query, change))
}

function namesOf(column: ColumnChange['column']): string[] {
  const { nameSql } = column
  const quote = nameSql.charAt(0)
  return 'old' in column ? [nameSql, quote + column.old.name + quote] : [nameSql]
}

function indexOf(query: string): { name: string; drops: boolean } | undefined {
  const [, create, created, drop, dropped, alter, constraint] = INDEX.exec(query) ?? []
  const name = created ?? dropped ?? constraint
  if (name === undefined) return undefined
  return { name, drops: (create ?? drop ?? alter) === 'DROP' }
}
