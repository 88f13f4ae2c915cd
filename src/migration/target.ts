import { type DataSource, type EntityTarget, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { InvalidOptionError, NoPrimaryKeyError, NotEncryptedColumnError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { boundColumns } from '../orm/bound-columns'

/** Where a migration works: a configured `DataSource`, or the `QueryRunner` that a TypeORM migration is given. */
export type Executor = DataSource | QueryRunner

/** The DataSource behind an executor. */
export function dataSourceOf(executor: Executor): DataSource {
  if (!isQueryRunner(executor)) return executor
  // TypeORM 1.x has `dataSource`, 0.3 has `connection`.
  return 'dataSource' in executor ? executor.dataSource : (executor as { connection: DataSource }).connection
}

export function isQueryRunner(executor: Executor): executor is QueryRunner {
  return 'startTransaction' in executor
}

/** Does something on the query runner, or on one of its own that is given back. */
export async function withRunner<T>(
  executor: Executor,
  work: (queryRunner: QueryRunner) => Promise<T>,
): Promise<T> {
  if (isQueryRunner(executor)) return work(executor)
  const queryRunner = executor.createQueryRunner('master')
  try {
    return await work(queryRunner)
  } finally {
    await queryRunner.release()
  }
}

/**
 * The encrypted column behind a property. Throws `NotEncryptedColumnError`, `InvalidOptionError` for an entity that
 * the DataSource does not have, and `NoPrimaryKeyError` for a table whose rows cannot be told apart.
 */
export function encryptedColumn(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  property: string,
): BoundColumn {
  const columns = encryptedColumns(executor, entity)
  const metadata = dataSourceOf(executor).getMetadata(entity)
  const column = columns.find((bound) => bound.metadata.propertyPath === property)
  if (!column) {
    const known = columns.map((bound) => bound.metadata.propertyPath).join(', ') || 'none'
    throw new NotEncryptedColumnError(
      `this is not an encrypted column. Encrypted columns of the entity: ${known}. Declare it with @KmsEncrypted(), and wrap the DataSource's options in configure().`,
      { entity: metadata.name, property },
    )
  }
  if (metadata.primaryColumns.length === 0) {
    throw new NoPrimaryKeyError(
      'the entity has no primary key, so its rows cannot be told apart. Give the table one first.',
      { entity: metadata.name },
    )
  }
  return column
}

/** The encrypted columns of an entity. */
export function encryptedColumns(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
): readonly BoundColumn[] {
  const dataSource = dataSourceOf(executor)
  if (!dataSource.isInitialized) throw new InvalidOptionError('the DataSource is not initialised')
  if (!dataSource.hasMetadata(entity)) {
    const name = typeof entity === 'function' ? entity.name : typeof entity === 'string' ? entity : 'entity'
    throw new InvalidOptionError('the DataSource does not have this entity', { entity: name })
  }
  return boundColumns(dataSource.getMetadata(entity))
}
