import { type EntityTarget, type ObjectLiteral } from 'typeorm'
import { readTable } from './read-table'
import { kindOf } from './rows/column-layout'
import { encryptedColumn, type Executor, withRunner } from './target'

/**
 * True if an encrypted column is of a binary type in the database. Generated migrations for MySQL ask: a change of
 * structure ends the transaction there, and text that is bytes already must not be converted once more when a
 * migration that failed is run again.
 *
 * @throws NotEncryptedColumnError.
 *
 * @example
 * ```ts
 * if (!(await isBinaryColumn(queryRunner, 'User', 'privateKey'))) {
 *   await queryRunner.query('ALTER TABLE `user` MODIFY `privateKey` longtext CHARACTER SET utf8mb4 NOT NULL')
 *   await queryRunner.query('ALTER TABLE `user` MODIFY `privateKey` blob NOT NULL')
 * }
 * ```
 */
export async function isBinaryColumn(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  property: string,
): Promise<boolean> {
  const { entityMetadata, databaseName } = encryptedColumn(executor, entity, property).metadata
  const table = await withRunner(executor, (queryRunner) => readTable(queryRunner, entityMetadata.tablePath))
  return kindOf(table?.findColumnByName(databaseName)?.type ?? '') === 'binary'
}
