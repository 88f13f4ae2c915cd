import { type EntityTarget, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { type BoundColumn } from '../../orm/bound-column'
import { type BlindIndex } from '../../orm/search/blind-index'
import { requireIndexColumns } from '../indexes/index-columns'
import { type ColumnLayout, readLayout } from '../rows/column-layout'
import { dataSourceOf, encryptedColumn, type Executor, withRunner } from '../target'
import { adviceOn } from './advice'
import { type ClassFigures, classFigures, type ClassSize, expectedOfBits } from './class-figures'

/** What one blind index shows whoever reads the database. */
export interface IndexLeakage extends ClassFigures {
  entity: string
  property: string
  /** Name of the index, and the column that holds it. */
  index: string
  column: string
  /** Rows without a value. */
  nulls: number
  /** Different lengths of ciphertexts, and rows whose length no other row has. */
  lengths: { distinct: number; alone: number }
  /** The same of the first bits of the index, which is what an index over that many would show. */
  bits: readonly BitsLeakage[]
  advice: readonly string[]
}

/** What an index of fewer bits would show. */
export interface BitsLeakage {
  bits: number
  /** Different ones. */
  classes: number
  largest: number
  /** Rows that a search would meet on average, and what is to be expected of random bits. */
  met: number
  expectedMet: number
  /** Values that share their bits on average, as it is to be expected. */
  expectedValues: number
}

/** Bytes of the index that are looked at. */
const PREFIXES = [1, 2, 3]

/**
 * Reads the blind indexes of a column as somebody would who has the database and no key: how many different ones there
 * are, how large the largest class is, and what lengths and NULLs show. It sends grouped queries, and no value leaves
 * the database.
 *
 * @throws NotEncryptedColumnError; ColumnTypeError (the database has no such column).
 *
 * @example
 * ```ts
 * for (const { index, largest, advice } of await indexLeakage(dataSource, User, 'email')) console.log(index, largest, advice)
 * ```
 */
export async function indexLeakage(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  property: string,
): Promise<IndexLeakage[]> {
  const column = encryptedColumn(executor, entity, property)
  return withRunner(executor, async (queryRunner) => {
    await requireIndexColumns(queryRunner, column, column.indexes)
    const layout = await readLayout(queryRunner, column)
    const found: IndexLeakage[] = []
    for (const index of column.indexes) found.push(await leakageOf(queryRunner, column, index, layout))
    return found
  })
}

async function leakageOf(
  queryRunner: QueryRunner,
  column: BoundColumn,
  { declared, metadata }: BlindIndex,
  { table, name, dialect, storage }: ColumnLayout,
): Promise<IndexLeakage> {
  const own = dataSourceOf(queryRunner).driver.escape(metadata.databaseName)
  const sizesOf = async (what: string, of: string): Promise<ClassSize[]> => {
    const rows = (await queryRunner.query(
      `SELECT c._s AS _s, COUNT(*) AS _n FROM (SELECT COUNT(*) AS _s FROM ${table} WHERE ${of} IS NOT NULL GROUP BY ${what}) c GROUP BY c._s`,
    )) as { _s: unknown; _n: unknown }[]
    return rows.map((row) => ({ size: Number(row._s), classes: Number(row._n) }))
  }
  const sizes = await sizesOf(own, own)
  const figures = classFigures(sizes)
  const bits: BitsLeakage[] = []
  for (const bytes of PREFIXES.filter((each) => 8 * each < (declared.bits ?? 128))) {
    const digits = storage === 'text' ? 2 * bytes : bytes
    const { classes, largest, met } = classFigures(await sizesOf(`SUBSTR(${own}, 1, ${digits})`, own))
    const expected = expectedOfBits(sizes, 8 * bytes)
    bits.push({
      bits: 8 * bytes,
      classes,
      largest,
      met,
      expectedMet: expected.met,
      expectedValues: expected.values,
    })
  }
  const byLength = classFigures(await sizesOf(dialect.lengthSql(name), name))
  const lengths = { distinct: byLength.classes, alone: byLength.alone }
  const [row] = (await queryRunner.query(`SELECT COUNT(*) AS n FROM ${table} WHERE ${name} IS NULL`)) as {
    n: unknown
  }[]
  const nulls = Number(row?.n)
  const { entityMetadata, propertyPath } = column.metadata
  return {
    entity: entityMetadata.name,
    property: propertyPath,
    index: declared.name,
    column: metadata.databaseName,
    ...figures,
    nulls,
    lengths,
    bits,
    advice: adviceOn(figures, nulls, lengths, {
      isTruncated: declared.bits !== undefined,
      met: (count) => expectedOfBits(sizes, count).met,
    }),
  }
}
