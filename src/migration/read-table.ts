import { type QueryRunner, type Table } from 'typeorm'
import { dataSourceOf } from './target'

/**
 * A table as the database has it. TypeORM looks up the expression of each generated column in a table of its own, and
 * fails where that is missing: in every database whose generated columns TypeORM did not make. Nobody here asks for
 * those expressions, so it is told there are none.
 */
export async function readTable(queryRunner: QueryRunner, path: string): Promise<Table | undefined> {
  const { driver, metadataTableName, options } = dataSourceOf(queryRunner)
  const { schema, database } = options as { schema?: string; database?: string }
  const expressions = driver.buildTableName(metadataTableName, schema, database)
  if (await queryRunner.hasTable(expressions)) return queryRunner.getTable(path)

  const query = queryRunner.query.bind(queryRunner)
  const had = Object.getOwnPropertyDescriptor(queryRunner, 'query')
  queryRunner.query = (sql: string, ...rest: unknown[]) =>
    sql.includes(metadataTableName) ? Promise.resolve([] as never) : query(sql, ...(rest as [unknown[]]))
  try {
    return await queryRunner.getTable(path)
  } finally {
    if (had) Object.defineProperty(queryRunner, 'query', had)
    else delete (queryRunner as { query?: unknown }).query
  }
}
