import { type QueryRunner } from 'typeorm'
import { type ColumnLayout } from './column-layout'
import { type ColumnRows } from './column-rows'
import { MysqlRows } from './mysql-rows'
import { PostgresRows } from './postgres-rows'
import { SqliteRows } from './sqlite-rows'

/** The rows of a column over one connection. */
export async function openRows(queryRunner: QueryRunner, layout: ColumnLayout): Promise<ColumnRows> {
  switch (layout.database) {
    case 'mysql':
      return new MysqlRows(queryRunner, layout)
    case 'postgres':
      return new PostgresRows(queryRunner, layout)
    case 'sqlite':
      return SqliteRows.over(queryRunner, layout)
  }
}
