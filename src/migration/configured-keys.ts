import { QueryFailedError, type QueryRunner } from 'typeorm'
import { type EncryptionContext } from '../cipher/context'
import { KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { dataSourceOf } from './target'
import { escapedPath } from '../dialects/escaped-path'

/** Tenants that the function `keyId` is asked about. */
const MAX_CONTEXTS = 10_000

/**
 * The KMS keys that the application encrypts a column's values with: the one of its options, or those that the function
 * `keyId` names for the contexts of the rows that are there. `undefined` where it names none for one of them, or there
 * are too many. What it will name for later rows nobody knows.
 */
export async function configuredKeys(
  queryRunner: QueryRunner,
  column: BoundColumn,
): Promise<readonly string[] | undefined> {
  const { recipes } = column
  if (recipes.keyId !== undefined) return [recipes.keyId]
  try {
    const contexts = await contextsOf(queryRunner, column)
    return contexts && [...new Set(contexts.map((context) => recipes.keyIdFor(context)))]
  } catch (error) {
    if (error instanceof KmsEncryptionError || error instanceof QueryFailedError) return undefined
    throw error
  }
}

/** The encryption contexts of the rows that are there, under the current setting. */
async function contextsOf(
  queryRunner: QueryRunner,
  { metadata, recipes }: BoundColumn,
): Promise<EncryptionContext[] | undefined> {
  const [setting] = recipes.contexts
  if (!setting) return undefined
  const { fixed, perRow } = setting
  if (perRow.length === 0) return [fixed]
  const { driver } = dataSourceOf(queryRunner)
  const escape = (name: string): string => driver.escape(name)
  const names = perRow.map(({ column }) => escape(column.name)).join(', ')
  const table = escapedPath(metadata.entityMetadata.tablePath, escape)
  const rows = (await queryRunner.query(
    `SELECT DISTINCT ${names} FROM ${table} LIMIT ${MAX_CONTEXTS + 1}`,
  )) as Record<string, unknown>[]
  if (rows.length > MAX_CONTEXTS) return undefined
  return rows.map((row) => {
    const pairs = perRow.map(({ name, column }) => [name, column.textOf(row[column.name])] as const)
    return { ...fixed, ...Object.fromEntries(pairs) }
  })
}
