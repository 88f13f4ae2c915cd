import { type DataSource, type QueryRunner } from 'typeorm'
import { type Dialect } from '../../dialects'
import { addition, type Step } from '../../dialects/steps'
import { type ColumnChange } from './column-change'
import { type Steps } from './steps'

/** What TypeORM would do, without what is taken care of; and the tables that its statements make anew. */
export interface OtherChanges extends Steps {
  rebuilt: string[]
}

/** A statement about an index or a constraint, with its name where it has one. */
const INDEX =
  /^(?:(CREATE) (?:\w+ )?INDEX ([`"][^`"]+[`"])|(DROP) INDEX (?:[`"][^`"]+[`"]\.)?([`"][^`"]+[`"])|ALTER TABLE \S+ (ADD|DROP) (?:CONSTRAINT|(?:UNIQUE )?INDEX) ([`"][^`"]+[`"]))/

/**
 * TypeORM's statements, without those for the columns that are taken care of. It changes the type of a column by
 * dropping it, with its indexes, and by adding it again: of that, what drops an index stays in `up`, and what makes it
 * again in `down`. An index of ciphertexts finds nothing, so none is made in `up`.
 */
export async function otherChanges(
  dataSource: DataSource,
  changes: readonly ColumnChange[],
  dialect: Dialect,
  queryRunner: QueryRunner,
): Promise<OtherChanges> {
  const { steps } = dialect
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const [up, down] = [upQueries, [...downQueries].reverse()].map((list) =>
    list.map(({ query }) => query),
  ) as [string[], string[]]
  const rebuilt = steps.rebuilt([...up, ...down])
  const definitions = await definitionsOf(changes, dialect, queryRunner)
  if (rebuilt.length > 0) return withRebuiltTables(up, down, rebuilt, changes, definitions)
  const created = new Set<string>()
  // TypeORM sees only a part of these: without their expressions, or under another condition.
  const handled = new Set(changes.flatMap(expressionIndexesOf))
  const isHandled = (query: string): boolean => handled.has(indexOf(query)?.name.slice(1, -1) ?? '')
  const isOther = (query: string): boolean => !changes.some((change) => isAbout(query, change))
  // For MySQL, TypeORM takes a column with a unique index of any name for one with an index of its own naming.
  const isInvented = (query: string): boolean =>
    /^ALTER TABLE \S+ (?:ADD UNIQUE|DROP) INDEX/.test(query) &&
    changes.some(({ column }) => query.includes(column.tableSql)) &&
    !definitions.has(indexOf(query)?.name.slice(1, -1) ?? '')
  const keptUp = up.filter((query) => {
    if (isHandled(query)) return false
    const index = indexOf(query)
    if (!index) return isOther(query)
    if (index.drops) return !isInvented(query)
    if (!concerns(query, changes)) return true
    created.add(index.name)
    return false
  })
  const keptDown = down.filter((query) => {
    if (isHandled(query)) return false
    const index = indexOf(query)
    if (!index) return isOther(query)
    return index.drops ? !created.has(index.name) : !isInvented(query)
  })
  return {
    up: keptUp.map(asStep),
    down: keptDown.map((query) => asStep(asItIs(query, changes, definitions))),
    rebuilt,
  }
}

/** The indexes of the changed tables, as the database defines them now. */
async function definitionsOf(
  changes: readonly ColumnChange[],
  dialect: Dialect,
  queryRunner: QueryRunner,
): Promise<ReadonlyMap<string, string>> {
  const tables = new Map(changes.map(({ column }) => [column.tablePath, column.tableSql]))
  const all: [string, string][] = []
  for (const [path, table] of tables) {
    all.push(...(await dialect.indexDefinitions(queryRunner, { path, table })))
  }
  return new Map(all)
}

function expressionIndexesOf(change: ColumnChange): string[] {
  if (change.kind === 'addition') return []
  return Array.from(change.expressionIndexes.keys(), (path) =>
    /(?:"((?:[^"]|"")+)"|([^."]+))$/.exec(path),
  ).flatMap((match) => match?.[1]?.replaceAll('""', '"') ?? match?.[2] ?? [])
}

/** TypeORM knows nothing of prefix lengths, operator classes and the like: an index comes back as it is now. */
function asItIs(
  query: string,
  changes: readonly ColumnChange[],
  definitions: ReadonlyMap<string, string>,
): string {
  const index = indexOf(query)
  if (!index || index.drops || query.includes(' CONSTRAINT ') || !concerns(query, changes)) return query
  return definitions.get(index.name.slice(1, -1)) ?? query
}

/** Statements that make a whole table anew cannot be told apart by column. */
function withRebuiltTables(
  up: readonly string[],
  down: readonly string[],
  rebuilt: string[],
  changes: readonly ColumnChange[],
  definitions: ReadonlyMap<string, string>,
): OtherChanges {
  const touched = changes.some(({ column }) => rebuilt.includes(column.tablePath))
  if (!touched) return { up: up.map(asStep), down: down.map(asStep), rebuilt }
  const comment =
    "Other changes of the schema, if there are any, are not in here: run TypeORM's migration:generate once this has run."
  const lost = Array.from(definitions).filter(([, sql]) => !PLAIN_INDEX.test(sql))
  const warnings = lost.map(([name, sql]) => ({
    comment: `TypeORM makes the index ${name} anew without what it does not know of it (collation, order, expression). Drop it and make it again where it is wanted: ${sql.replace(/\s+/g, ' ')}`,
  }))
  const indexes = changes.filter(({ column }) => rebuilt.includes(column.tablePath)).map(indexSteps)
  return {
    up: [{ comment }, ...warnings, ...indexes.flatMap((each) => each.up)],
    down: [...indexes.flatMap((each) => each.down), ...warnings],
    rebuilt: [],
  }
}

/** Columns of blind indexes have to be there before values are encrypted, which fills them. */
function indexSteps({ bound, indexColumns }: ColumnChange): Steps {
  const steps = indexColumns.map((column) => {
    const { indices } = bound.metadata.entityMetadata
    const over = indices.find(
      ({ columns }) => columns.length === 1 && columns[0]?.databaseName === column.name,
    )
    const [path, name] = [column.tableSql, `"${over?.name ?? ''}"`]
    const made = `CREATE ${over?.isUnique === true ? 'UNIQUE ' : ''}INDEX ${name} ON ${path} (${column.nameSql})`
    const dropped = { sql: `ALTER TABLE ${path} DROP COLUMN ${column.nameSql}` }
    return over
      ? { up: [addition(column), { sql: made }], down: [{ sql: `DROP INDEX ${name}` }, dropped] }
      : { up: [addition(column)], down: [dropped] }
  })
  return { up: steps.flatMap(({ up }) => up), down: steps.flatMap(({ down }) => down) }
}

/** All that TypeORM knows of an index: its columns and its condition. */
const PLAIN_INDEX =
  /^CREATE (?:UNIQUE )?INDEX [^(]+\(\s*(?:"[^"]+"|\w+)(?:\s*,\s*(?:"[^"]+"|\w+))*\s*\)\s*(?:WHERE .*)?$/is

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
