import { type DataSource } from 'typeorm'
import { keyTables } from '../../orm/key-table/key-table'
import { type Steps } from './steps'

/** A line of the migration, by which the tool knows that there is more to do. */
export const KEY_TABLE_FIRST =
  'The table of the stored data keys comes first, and must be committed before values are encrypted: run this migration, then generate the next one.'

/** What makes the key table, by itself; `undefined` where it is there, or no value is sealed under stored data keys. */
export async function keyTableChanges(dataSource: DataSource): Promise<Steps | undefined> {
  const table = keyTables.get(dataSource)
  if (!table?.settings.seals || (await table.exists())) return undefined
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const ofTable = ({ query }: { query: string }): boolean => query.includes(table.sql)
  const up = upQueries.filter(ofTable).map(({ query }) => ({ sql: query }))
  // Its indexes go with it.
  const down = downQueries
    .filter((each) => ofTable(each) && each.query.startsWith('DROP TABLE'))
    .map(({ query }) => ({ sql: query }))
  return up.length > 0 ? { up: [{ comment: KEY_TABLE_FIRST }, ...up], down } : undefined
}
