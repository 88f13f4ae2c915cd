import { type QueryRunner } from 'typeorm'
import { type KeyName, type TableName } from '../dialect'
import { checkIdentity, columnOf, unpageable } from '../rows/key-identity'
import { type KeyColumn } from '../rows/key-order'
import { type CatalogueColumn, keyForm } from './key-types'
import { inCatalogue } from './table'

interface FoundColumn extends CatalogueColumn {
  name: string
  nullable: 'YES' | 'NO'
}

/** Reads the primary key's columns: what the entity says of their types need not be so. */
export async function readKeys(
  queryRunner: QueryRunner,
  table: TableName,
  names: readonly KeyName[],
): Promise<KeyColumn[]> {
  const query = (sql: string, parameters: unknown[] = []): Promise<unknown[]> =>
    queryRunner.query(sql, parameters) as Promise<unknown[]>
  const { where, parameters } = inCatalogue(table)
  const columns = (await query(
    'SELECT column_name AS name, data_type AS type, character_set_name AS charset, collation_name AS collation, ' +
      `is_nullable AS nullable FROM information_schema.columns WHERE ${where}`,
    parameters,
  )) as FoundColumn[]
  const found = names.map((key) => {
    const column = columnOf(columns, key)
    const { property, name } = key
    const sql = table.escape(name)
    const form = keyForm(sql, column)
    if (!form) throw unpageable(property, column.type)
    return { property, sql, type: column.type, text: `CAST(${sql} AS BINARY)`, ...form, column }
  })
  const indexes = (await query(
    'SELECT index_name AS id, column_name AS name FROM information_schema.statistics ' +
      `WHERE ${where} AND non_unique = 0`,
    parameters,
  )) as { id: string; name: string | null }[]
  const isUnique = Array.from(new Set(indexes.map(({ id }) => id))).some((id) =>
    indexes
      .filter((index) => index.id === id)
      .every(({ name }) => names.some((key) => key.name.toLowerCase() === name?.toLowerCase())),
  )
  if (!isUnique || found.some(({ column }) => column.nullable === 'YES')) {
    await checkIdentity(query, table.sql, found)
  }
  return found
}
