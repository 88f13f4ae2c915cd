import { type QueryRunner } from 'typeorm'
import { storedFromDriver } from '../column/driver-value'
import { dialectOf } from '../dialects'
import { type HiddenBy, type StatementFailure } from '../dialects/dialect'
import { ColumnTypeError, RowsHiddenError, TableAccessError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type IndexCount, indexCounts } from './indexes/index-counts'
import { type ColumnLayout, readLayout } from './rows/column-layout'
import { dataSourceOf } from './target'
import { type ValueStart, valueStarts } from './value-starts'
import { escapedPath } from '../dialects/escaped-path'

/** What the rows of one encrypted column hold, by how the values begin. */
export interface ColumnContents {
  layout: ColumnLayout
  current: readonly ValueStart[]
  /** Earlier versions of the rows, where the database keeps them. */
  history: readonly ValueStart[] | undefined
  /** What may hide rows from this role, so that nothing here is true of the whole table. */
  hiddenBy: HiddenBy | undefined
  /** How far its blind indexes are filled. */
  indexes: readonly IndexCount[]
}

/**
 * Looks at all rows that the role may see. `counted`: its values, where they have been counted already.
 *
 * @throws ColumnTypeError (the database has no such column), TableAccessError (the role may not read it),
 * DriverValueError (the driver does not deliver bytes).
 */
export async function columnContents(
  queryRunner: QueryRunner,
  column: BoundColumn,
  counted?: readonly ValueStart[],
): Promise<ColumnContents> {
  const layout = await readableLayout(queryRunner, column)
  return asReader(queryRunner, column, async () => {
    const { dialect } = layout
    await requireBytes(queryRunner, layout)
    const current = counted ?? (await valueStarts(queryRunner, layout))
    const versions = await dialect.allVersions(queryRunner, layout)
    return {
      layout,
      current,
      history:
        versions === undefined
          ? undefined
          : without(await valueStarts(queryRunner, layout, versions), current),
      hiddenBy: await dialect.hiddenBy(queryRunner, layout),
      indexes: await indexCounts(queryRunner, column, layout),
    }
  })
}

/** A driver that makes text of a binary column shows mangled ciphertext, which looks like plaintext. */
async function requireBytes(queryRunner: QueryRunner, layout: ColumnLayout): Promise<void> {
  const { dialect, kind, name, table, place } = layout
  if (kind !== 'binary') return
  const [row] = (await queryRunner.query(
    `SELECT ${name} AS _v FROM ${table} WHERE ${name} IS NOT NULL LIMIT 1`,
  )) as { _v: unknown }[]
  if (row) storedFromDriver(row._v, dialect.binaryColumnsHoldBytes ? 'bytes' : 'any storage class', place)
}

/** Refuses where what is decided holds for all rows, and the database hides some from the role. */
export async function requireAllRows(queryRunner: QueryRunner, column: BoundColumn): Promise<void> {
  const { driver, options } = dataSourceOf(queryRunner)
  const path = column.metadata.entityMetadata.tablePath
  const table = escapedPath(path, (part) => driver.escape(part))
  const hiddenBy = await dialectOf(options).hiddenBy(queryRunner, { path, table })
  if (hiddenBy) throw column.error(RowsHiddenError, rowsHidden(path, hiddenBy))
}

/** For people: why rows may be hidden, and the way out. */
export function rowsHidden(path: string, by: HiddenBy): string {
  if (by === 'view') {
    return `${path} is a view or a foreign table, which may leave rows of the tables behind it out, so that what it shows is not all there is. Map an entity to the table itself for this.`
  }
  return `row level security hides rows of the table ${path} from this role, so that what it sees is not all there is. Connect as a role with BYPASSRLS, or as the owner of the table where it is not forced on the owner (ALTER TABLE … NO FORCE ROW LEVEL SECURITY).`
}

/** For people: a policy for rows is against a change. */
export function rowsKept(path: string): string {
  return `row level security of the table ${path} does not let this role change all rows as it has to. Connect as a role with BYPASSRLS, or as the owner of the table where it is not forced on the owner (ALTER TABLE … NO FORCE ROW LEVEL SECURITY).`
}

/** As `readLayout`, and tells a table that is not there from one that the role may not read. */
async function readableLayout(queryRunner: QueryRunner, column: BoundColumn): Promise<ColumnLayout> {
  try {
    return await readLayout(queryRunner, column)
  } catch (error) {
    if (!(error instanceof ColumnTypeError)) throw error
    await asReader(queryRunner, column, () => probe(queryRunner, column))
    throw error
  }
}

/** Catalogues show only what the role has a right to. Asking for the column tells whether it is there. */
async function probe(queryRunner: QueryRunner, { metadata }: BoundColumn): Promise<void> {
  const { driver } = dataSourceOf(queryRunner)
  const table = escapedPath(metadata.entityMetadata.tablePath, (part) => driver.escape(part))
  try {
    await queryRunner.query(`SELECT ${driver.escape(metadata.databaseName)} FROM ${table} WHERE 1 = 0`)
  } catch (error) {
    if (failureOf(queryRunner, error) === 'denied') throw error
  }
}

async function asReader<T>(
  queryRunner: QueryRunner,
  column: BoundColumn,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const path = column.metadata.entityMetadata.tablePath
    switch (failureOf(queryRunner, error)) {
      case 'policy':
        throw column.error(RowsHiddenError, rowsHidden(path, 'policy'), error)
      case 'denied':
        throw column.error(
          TableAccessError,
          `the database role may not read the table ${path}, so nobody knows what the column holds. Grant it SELECT, or connect as another role.`,
          error,
        )
      default:
        throw error
    }
  }
}

function failureOf(queryRunner: QueryRunner, error: unknown): StatementFailure | undefined {
  return dialectOf(dataSourceOf(queryRunner).options).failureOf(error)
}

/** All versions, less those that are current. */
function without(all: readonly ValueStart[], current: readonly ValueStart[]): ValueStart[] {
  const known = new Map(current.map((start) => [idOf(start), start.rows]))
  return all
    .map((start) => ({ ...start, rows: start.rows - (known.get(idOf(start)) ?? 0) }))
    .filter(({ rows }) => rows > 0)
}

function idOf({ kind, header, text, outlined }: ValueStart): string {
  return [kind, header.toString('hex'), text, outlined].join(' ')
}
