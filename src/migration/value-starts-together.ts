import { type QueryRunner } from 'typeorm'
import { bytesFromDriver } from '../column/driver-value'
import { type ColumnLayout } from './rows/column-layout'
import { lengthOf, outlineSql, Start, startSql } from './value-start-sql'
import { startOf, type ValueStart } from './value-starts'

/** As many different starts as a column has that is looked at together with others. */
const CANDIDATES = 8
/** Rows by which candidates are found. */
const SAMPLE = 1_000

/**
 * Counts the values of several columns of one table by how they begin, in one pass over the table: it counts what the
 * first rows have, and a column of which these are all values is counted. Columns with other values as well, with
 * plaintext, or under many data keys are left out: `valueStarts` counts them.
 */
export async function valueStartsTogether<Of extends ColumnLayout>(
  queryRunner: QueryRunner,
  layouts: readonly [Of, ...Of[]],
): Promise<Map<Of, ValueStart[]>> {
  const [{ table }] = layouts
  const columns: { layout: Of; candidates: Candidate[] }[] = []
  for (const layout of layouts) {
    const candidates = await candidatesOf(queryRunner, layout)
    if (candidates) columns.push({ layout, candidates })
  }
  const counts = columns.flatMap(({ layout, candidates }, index) => [
    `COUNT(${layout.name}) AS _c${index}`,
    ...candidates.map(({ sql }, each) => `SUM(CASE WHEN ${sql} THEN 1 ELSE 0 END) AS _c${index}_${each}`),
  ])
  const [row = {}] = (await queryRunner.query(
    `SELECT ${['COUNT(*) AS _n', ...counts].join(', ')} FROM ${table}`,
  )) as Record<string, unknown>[]
  const count = (name: string): number => Number(row[name] ?? 0)
  const found = new Map<Of, ValueStart[]>()
  for (const [index, { layout, candidates }] of columns.entries()) {
    const starts = candidates.map(({ start }, each) => ({ ...start, rows: count(`_c${index}_${each}`) }))
    const values = count(`_c${index}`)
    if (starts.reduce((sum, { rows }) => sum + rows, 0) !== values) continue
    const empty: ValueStart = { ...startOf(null), outlined: false, rows: count('_n') - values }
    found.set(
      layout,
      [...starts, empty].filter(({ rows }) => rows > 0),
    )
  }
  return found
}

/** A way to begin, and the condition that a value begins so. */
interface Candidate {
  start: Omit<ValueStart, 'rows'>
  sql: string
}

/** How the first values begin; `undefined` where counting all ways to begin is no more work. */
async function candidatesOf(
  queryRunner: QueryRunner,
  layout: ColumnLayout,
): Promise<Candidate[] | undefined> {
  const rows = (await queryRunner.query(
    `SELECT DISTINCT ${startSql(layout)} AS _s, ${outlineSql(layout)} AS _o FROM (SELECT ${layout.name} FROM ${layout.table} LIMIT ${SAMPLE}) t`,
  )) as { _s: unknown; _o: number | string }[]
  const values = rows.filter(({ _s }) => _s !== null)
  if (values.length > CANDIDATES) return undefined
  const sql = new Start(layout)
  const candidates = values.map(({ _s, _o }) => {
    const bytes = bytesFromDriver(_s, layout.place)
    const begins = `${sql.at(1, lengthOf(bytes))} = ${sql.hex(bytes.toString('hex'))}`
    return {
      start: { ...startOf(bytes), outlined: Number(_o) === 1 },
      sql: `${begins} AND ${outlineSql(layout)} = ${Number(_o)}`,
    }
  })
  return candidates.every(({ start }) => start.kind === 'ciphertext') ? candidates : undefined
}
