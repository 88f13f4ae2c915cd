import { type EntityMetadata, IsNull, Not, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { type Dialect, dialectOf } from '../dialects'
import { InterruptedError, InvalidOptionError, RowsLeftOutError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { boundColumn } from '../orm/bound-columns'
import { type Mirror } from '../orm/mirror'
import { type ColumnMetadata } from '../orm/typeorm-types'
import { PendingCiphertext } from '../orm/write/tokens'
import { Failures } from './failures'
import { keepRate } from './keep-rate'
import { checkedOptions, type MigrationOptions, type MigrationResult } from './options'
import { explained } from './refusals'
import { rowId } from '../dialects/rows/column-rows'
import { toResume } from './resume'
import { dataSourceOf, type Executor, isQueryRunner } from './target'
import { escapedPath } from '../dialects/escaped-path'
import { kindOf } from '../dialects/column-layout'
import { notWhole } from './stored-value'

/** Rounds in which no row could be written before it is given up. */
const MAX_IDLE = 8
/** How often the rows are gone through where some are left as they are, and others may be written before those. */
const MAX_LAPS = 3
const FILL = { done: 'filled' }

/**
 * Fills an encrypted column from the column that it mirrors, where it is NULL. A row is written only if it still is
 * NULL and its leader is not: an application that writes both meanwhile wins. May be ended at any moment and run again.
 */
export async function fillMirror(
  executor: Executor,
  column: BoundColumn,
  { leader, follower }: Mirror,
  options: MigrationOptions,
): Promise<MigrationResult> {
  const start = performance.now()
  const {
    batchSize,
    maxRate,
    shard,
    skipFailed = false,
    dryRun = false,
    signal,
    onProgress,
  } = checkedOptions(options)
  if (shard)
    throw column.error(
      InvalidOptionError,
      'a mirror is filled by one process: leave shard out for this column.',
    )
  const failures = new Failures()
  const dataSource = dataSourceOf(executor)
  const { driver } = dataSource
  const dialect = dialectOf(dataSource.options)
  const runner = isQueryRunner(executor) ? executor : dataSource.createQueryRunner('master')
  const { entityMetadata } = column.metadata
  const rows = runner.manager.getRepository<ObjectLiteral>(entityMetadata.target)
  const where = {}
  leader.setEntityValue(where, Not(IsNull()))
  follower.setEntityValue(where, IsNull())
  const unfilled = { where, withDeleted: true, loadEagerRelations: false }
  const select = {}
  for (const each of [...entityMetadata.primaryColumns, leader]) each.setEntityValue(select, true)
  const byKey = {}
  for (const each of entityMetadata.primaryColumns) each.setEntityValue(byKey, 'ASC')
  const sql = { placeholder: dialect.placeholder, escape: (name: string) => driver.escape(name) }
  const statement = updateOf(column, { leader, follower }, sql)
  const result: MigrationResult = {
    entity: entityMetadata.name,
    property: follower.propertyPath,
    total: await rows.count(unfilled),
    rows: 0,
    changed: 0,
    elapsed: 0,
    contended: 0,
    skipped: 0,
    forgotten: 0,
    dataKeys: 0,
    failures: [],
    notes: [],
  }
  try {
    const lossy = lossyOf(column, { leader, type: driver.normalizeType(leader) }, dialect, sql)
    // Asked for each row only if there is one.
    const isLossy = lossy !== undefined && (await finds(runner, `${lossy} LIMIT 1`, [])) ? lossy : undefined
    const passesOver = dryRun || skipFailed
    // Rows of this lap that stay among those that are asked for, and those of them that failed.
    let passed = 0
    const failed = new Set<string>()
    /** Others may stand before those now. */
    let isMoved = false
    for (let idle = 0, lap = 1; idle < MAX_IDLE;) {
      if (signal?.aborted === true) throw interrupted(column)
      const page = await rows.find({
        ...unfilled,
        select,
        take: Math.min(batchSize, maxRate ?? batchSize),
        ...(passesOver && { skip: passed, order: byKey }),
      })
      if (page.length === 0) {
        if (dryRun || passed === 0 || !isMoved || lap === MAX_LAPS) break
        lap++
        passed = 0
        isMoved = false
        failed.clear()
        failures.clear()
        result.rows = result.changed
        continue
      }
      let changed = 0
      for (const row of page) {
        const keys = entityMetadata.primaryColumns.map(
          (key): unknown => driver.preparePersistentValue(key.getEntityValue(row), key) as unknown,
        )
        const id = rowId(keys)
        if (failed.has(id)) {
          isMoved = true
          continue
        }
        result.rows++
        try {
          const plaintext = column.serialise(leader.getEntityValue(row))
          if (isLossy && (await finds(runner, `${isLossy} AND ${byKeys(entityMetadata, sql, 1)}`, keys)))
            throw notWhole()
          if (dryRun) {
            const { constant } = column.recipes
            if (constant) await column.encrypt(plaintext, constant)
            result.changed++
          } else {
            // What the library is given to encrypt gets its blind indexes as well.
            const value = new PendingCiphertext(column, plaintext)
            changed += (await runner.query(statement, [value, ...keys], true)).affected ?? 0
          }
        } catch (error) {
          const placed = column.placed(error, row)
          if (!skipFailed || placed.kind !== 'value') throw placed
          failures.addAt(placed.primaryKey ?? {}, placed)
          failed.add(id)
          continue
        }
        isMoved = true
      }
      if (passesOver) passed += page.length - changed
      else idle = changed > 0 ? 0 : idle + 1
      result.changed += changed
      result.skipped = failures.count
      result.elapsed = performance.now() - start
      onProgress?.(result)
      await keepRate(result, maxRate, signal)
    }
    if (!dryRun && (await rows.count(unfilled)) > failures.count) {
      throw column.error(
        RowsLeftOutError,
        `rows stay without the value of ${leader.propertyPath}: an UPDATE of them changes nothing, or others write such rows again and again. Look for triggers, rules and policies of the table, then run the same again.`,
      )
    }
    return { ...result, failures: failures.listed, elapsed: performance.now() - start }
  } catch (error) {
    const inTransaction = runner === executor && runner.isTransactionActive
    throw toResume(explained(error, dialect, column), column, {
      progress: result,
      conversion: FILL,
      dryRun,
      inTransaction,
    })
  } finally {
    if (runner !== executor) await runner.release()
  }
}

interface Sql {
  placeholder: (position: number) => string
  escape: (name: string) => string
}

/** Columns that the database sets to the time of an UPDATE are assigned to themselves. */
function updateOf({ metadata }: BoundColumn, { leader, follower }: Mirror, sql: Sql): string {
  const { entityMetadata } = metadata
  const { escape, placeholder } = sql
  const name = (each: ColumnMetadata): string => escape(each.databaseName)
  const kept = setByItself(entityMetadata).map((each) => `, ${name(each)} = ${name(each)}`)
  const table = escapedPath(entityMetadata.tablePath, escape)
  return (
    `UPDATE ${table} SET ${name(follower)} = ${placeholder(1)}${kept.join('')} ` +
    `WHERE ${byKeys(entityMetadata, sql, 2)} AND ${name(follower)} IS NULL AND ${name(leader)} IS NOT NULL`
  )
}

/** Finds the rows of whose leader a query does not give all; `undefined` where there are none. */
function lossyOf(
  { metadata }: BoundColumn,
  { leader, type }: { leader: ColumnMetadata; type: string },
  dialect: Dialect,
  { escape }: Sql,
): string | undefined {
  // Ciphertext is ASCII.
  if (boundColumn(leader)) return undefined
  const isWhole = dialect.isWholeSql({ kind: kindOf(type), name: escape(leader.databaseName) })
  const table = escapedPath(metadata.entityMetadata.tablePath, escape)
  return isWhole && `SELECT 1 AS found FROM ${table} WHERE NOT ${isWhole}`
}

async function finds(runner: QueryRunner, sql: string, keys: readonly unknown[]): Promise<boolean> {
  return ((await runner.query(sql, [...keys])) as unknown[]).length > 0
}

function byKeys({ primaryColumns }: EntityMetadata, { escape, placeholder }: Sql, first: number): string {
  const keys = primaryColumns.map((key, at) => `${escape(key.databaseName)} = ${placeholder(at + first)}`)
  return keys.join(' AND ')
}

function setByItself({ columns }: EntityMetadata): ColumnMetadata[] {
  return columns.filter(({ isUpdateDate, onUpdate }) => isUpdateDate || onUpdate !== undefined)
}

function interrupted(column: BoundColumn): Error {
  return column.error(InterruptedError, 'stopped as asked')
}
