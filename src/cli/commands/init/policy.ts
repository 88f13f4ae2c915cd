import { DefaultNamingStrategy } from 'typeorm'
import { type Statement, statementsOf, type Use } from '../keys/policy/statements'
import { type ProposedColumn } from './columns'
import { entitiesIn } from './declarations'
import { type Looked } from './look'
import { type Project } from './project'

/** The policy that an application needs once the proposed columns are encrypted. */
export interface ProposedPolicy {
  readonly statements: readonly Statement[]
  /** Entities whose tables nobody could tell. */
  readonly unknown: readonly string[]
  /** True if tables are named as TypeORM names them by default. */
  readonly isGuess: boolean
}

export function policyOf(
  { sources }: Project,
  columns: readonly ProposedColumn[],
  { tables, uses }: Looked,
  alias: string,
): ProposedPolicy {
  const declared = new Map(
    sources
      .flatMap(entitiesIn)
      .map(({ name, table }) => [name, new DefaultNamingStrategy().tableName(name, table)]),
  )
  const entities = [...new Set(columns.map(({ entity }) => entity))]
  const tableOf = (entity: string): string | undefined => tables.get(entity) ?? declared.get(entity)
  const proposed = entities.flatMap((entity) => useOf(tableOf(entity), alias))
  return {
    statements: statementsOf('application', [...uses, ...proposed]),
    unknown: entities.filter((entity) => tableOf(entity) === undefined),
    isGuess: entities.some((entity) => !tables.has(entity) && declared.has(entity)),
  }
}

function useOf(table: string | undefined, key: string): Use[] {
  return table === undefined ? [] : [{ key, mode: 'envelope', context: { table }, seals: true }]
}
