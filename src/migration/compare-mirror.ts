import { isDeepStrictEqual } from 'node:util'
import {
  type FindOptionsWhere,
  In,
  IsNull,
  Not,
  type ObjectLiteral,
  type QueryRunner,
  type Repository,
} from 'typeorm'
import { InterruptedError, KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type Mirror } from '../orm/mirror'
import { type ColumnMetadata } from '../orm/typeorm-types'
import { undecryptable } from '../orm/undecryptable'
import { type MigrationOptions } from './options'
import { pagesOf } from './pages'
import { readLayout, withKeys } from './rows/column-layout'

/** Primary keys listed; the other rows are only counted. */
const MAX_LISTED = 1_000
/** Keys in one statement. */
const AT_ONCE = 100

/** How a column with `mirrorOf` or `mirrorTo` agrees with the column that is to hold the same values. */
export interface MirrorComparison {
  /** The property of the other column. */
  readonly property: string
  /** Rows of which both values were opened and compared. */
  compared: number
  /** Rows in which the two are not the same. */
  differing: number
  /** Primary keys of the first 1,000 of them. */
  readonly rows: Readonly<Record<string, unknown>>[]
  /**
   * Rows whose value is in the one that leads and not in the one that follows: with `mirrorOf` those that `encrypt` has
   * not filled yet, with `mirrorTo` those that an instance wrote which does not know the other column any more.
   */
  notFilled: number
}

/**
 * Compares the two columns of a mirror row by row, as the application reads them. Both values of a row are of one
 * statement, so that an application that writes meanwhile makes no difference. Values that do not open are left to
 * `Verify`, which reports them; trouble of KMS is thrown.
 */
export async function compareMirror(
  runner: QueryRunner,
  column: BoundColumn,
  mirror: Mirror,
  { shard, signal, batchSize = 500 }: MigrationOptions,
): Promise<MirrorComparison> {
  const { entityMetadata } = column.metadata
  const isFollower = mirror.follower === column.metadata
  const other = isFollower ? mirror.leader : mirror.follower
  const repository = runner.manager.getRepository<ObjectLiteral>(entityMetadata.target)
  const result: MirrorComparison = {
    property: other.propertyPath,
    compared: 0,
    differing: 0,
    rows: [],
    notFilled: 0,
  }
  const differs = (row: ObjectLiteral): void => {
    result.differing++
    if (result.rows.length < MAX_LISTED) result.rows.push(entityMetadata.getEntityIdMap(row) ?? {})
  }
  // What has no value in the encrypted column is not among its rows: of several processes, the first counts it.
  if (shard === undefined || shard.index === 1) {
    const [rows, count] = await repository.findAndCount({
      select: selectOf(entityMetadata.primaryColumns),
      where: whereOf([column.metadata, IsNull()], [other, Not(IsNull())]),
      take: isFollower ? 1 : MAX_LISTED,
      withDeleted: true,
      loadEagerRelations: false,
    })
    if (isFollower) result.notFilled = count
    else {
      for (const row of rows) differs(row)
      result.differing = count
    }
  }

  const found = await readLayout(runner, column)
  const layout = await withKeys(runner, found)
  const { dialect } = found
  const restore = await dialect.fixFormats(runner, layout.keys)
  try {
    const opened = await dialect.openRows(runner, layout)
    for await (const page of pagesOf(opened, () => ({ limit: batchSize, shard, keysOnly: true }))) {
      for (let at = 0; at < page.length; at += AT_ONCE) {
        if (signal?.aborted === true) throw interrupted(column)
        const keys = page.slice(at, at + AT_ONCE).map((row) => row.primaryKey())
        // Not by their metadata, which gives the value of the leader for both.
        for (const row of await readable(repository, column, [column.metadata, other], keys)) {
          const [own, its] = [column.metadata, other].map(({ propertyName }): unknown => row[propertyName])
          const broken = undecryptable(own)
          if (broken && broken.failure.kind !== 'value') throw broken.failure
          if (broken) continue
          result.compared++
          if (own !== null && its === null && !isFollower) result.notFilled++
          else if (!isSame(column, own, its)) differs(row)
        }
      }
    }
  } finally {
    await restore()
  }
  return result
}

/** The rows of these keys; of a page with values that do not open, those that do. */
async function readable(
  repository: Repository<ObjectLiteral>,
  column: BoundColumn,
  columns: readonly ColumnMetadata[],
  keys: readonly Record<string, unknown>[],
): Promise<ObjectLiteral[]> {
  const { primaryColumns } = column.metadata.entityMetadata
  const [only, ...others] = primaryColumns
  const where =
    only && others.length === 0
      ? whereOf([only, In(keys.map((key) => key[only.propertyPath]))])
      : keys.map((key) => whereOf(...primaryColumns.map((each) => [each, key[each.propertyPath]] as const)))
  try {
    return await repository.find({
      select: selectOf([...primaryColumns, ...columns]),
      where,
      withDeleted: true,
      loadEagerRelations: false,
    })
  } catch (error) {
    if (!(error instanceof KmsEncryptionError) || error.kind !== 'value') throw error
    if (keys.length === 1) return []
    const half = Math.ceil(keys.length / 2)
    return [
      ...(await readable(repository, column, columns, keys.slice(0, half))),
      ...(await readable(repository, column, columns, keys.slice(half))),
    ]
  }
}

function whereOf(
  ...conditions: readonly (readonly [ColumnMetadata, unknown])[]
): FindOptionsWhere<ObjectLiteral> {
  const where = {}
  for (const [column, value] of conditions) column.setEntityValue(where, value)
  return where
}

function selectOf(columns: readonly ColumnMetadata[]): Record<string, true> {
  const select = {}
  for (const column of columns) column.setEntityValue(select, true)
  return select
}

/** As values of the property, or as they are sealed: a database may give JSON with its members in another order. */
function isSame(column: BoundColumn, one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other) || column.isSame(one, other)
}

function interrupted(column: BoundColumn): Error {
  return column.error(
    InterruptedError,
    'stopped as asked, while it was compared with its mirror; run the same again.',
  )
}
