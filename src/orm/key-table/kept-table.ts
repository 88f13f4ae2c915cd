import { type DataSource } from 'typeorm'
import { InvalidOptionError } from '../../errors'
import { KEY_TABLE_COLUMNS, KEY_TABLE_ENTITY } from './entity'

/**
 * Has TypeORM's schema builder make the key table where it is missing, and leave it alone where it is: nothing of it
 * ever changes. TypeORM would alter it again and again where it misreads what the database says of a column (of
 * MariaDB, if it is told that it is MySQL).
 *
 * @throws InvalidOptionError if another table has the name.
 */
export async function keepKeyTable(dataSource: DataSource): Promise<void> {
  const metadata = dataSource.entityMetadatas.find(({ name }) => name === KEY_TABLE_ENTITY)
  if (!metadata) return
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    const table = await queryRunner.getTable(metadata.tablePath)
    const missing = Object.values(KEY_TABLE_COLUMNS).find((name) => table && !table.findColumnByName(name))
    if (missing !== undefined) {
      throw new InvalidOptionError(
        `the table ${metadata.tablePath} has no column ${missing}: it is not the table of the stored data keys. Choose another name: kmsEncryption({ dataKeys: { table } }).`,
      )
    }
    metadata.synchronize = table === undefined
  } finally {
    await queryRunner.release()
  }
}
