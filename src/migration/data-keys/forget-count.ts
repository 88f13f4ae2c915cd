import { type QueryRunner } from 'typeorm'
import { type EncryptionContext } from '../../cipher/context'
import { RowsHiddenError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { rowValueText } from '../../column/row-value'
import { type RowContext } from '../../orm/recipe'
import { type ColumnContents, columnContents, rowsHidden } from '../column-contents'
import { dataSourceOf } from '../target'
import { dataKeyIdOf, modeOf, type ValueStart, valueStarts } from '../value-starts'

/** What forgetting means for the rows of one column. */
export interface ForgottenColumn {
  entity: string
  property: string
  /** Rows whose values can be read no more. */
  rows: number
  /** Earlier versions of rows, where the database keeps them. */
  history: number
  /** Values of the context that carry their data keys (suites 1 to 3), earlier versions included: they go on to open. */
  inline: number
  /** The columns of its blind indexes: those of the rows are overwritten with what no value has. */
  indexes: readonly string[]
}

/** Counts the values of columns under data keys, and those of the same context that carry their own. */
export async function countForgotten(
  queryRunner: QueryRunner,
  columns: readonly BoundColumn[],
  ids: readonly Buffer[],
  pairs: EncryptionContext,
): Promise<ForgottenColumn[]> {
  const wanted = new Set(ids.map((id) => id.toString('hex')))
  const counts: ForgottenColumn[] = []
  for (const column of columns) {
    const { layout, current, history = [], hiddenBy } = await columnContents(queryRunner, column)
    // Hidden values that carry their data keys could be read afterwards.
    if (hiddenBy) throw column.error(RowsHiddenError, rowsHidden(layout.path, hiddenBy))
    const { entityMetadata, propertyPath } = column.metadata
    const found = {
      entity: entityMetadata.name,
      property: propertyPath,
      rows: sum(current, (start) => names(start, wanted)),
      history: sum(history, (start) => names(start, wanted)),
      indexes: [...column.indexes, ...column.sharedIndexes].map(({ metadata }) => metadata.databaseName),
      inline: await countInline(queryRunner, { layout, starts: [...current, ...history] }, pairs),
    }
    if (found.rows + found.history + found.inline > 0) counts.push(found)
  }
  return counts
}

function names(start: ValueStart, ids: ReadonlySet<string>): boolean {
  const id = dataKeyIdOf(start)
  return id !== undefined && ids.has(id.toString('hex'))
}

/** Blobs of other programs carry their key as well: they are the value, encrypted by KMS. */
function carriesKey({ kind, header }: ValueStart): boolean {
  return kind === 'bare' || (kind === 'ciphertext' && modeOf(header) !== undefined)
}

/** Of values that carry their data keys, the row tells the context. */
async function countInline(
  queryRunner: QueryRunner,
  { layout, starts }: Pick<ColumnContents, 'layout'> & { starts: readonly ValueStart[] },
  pairs: EncryptionContext,
): Promise<number> {
  const all = sum(starts, carriesKey)
  if (all === 0) return 0
  const conditions = layout.column.recipes.contexts.flatMap((context) => conditionsOf(context, pairs) ?? [])
  if (conditions.length === 0) return 0
  if (conditions.some(({ length }) => length === 0)) return all
  const { dialect, column, table } = layout
  const versions = (await dialect.allVersions(queryRunner, layout)) ?? table
  const { driver } = dataSourceOf(queryRunner)
  const parameters: unknown[] = []
  const sql = conditions.map((condition) =>
    condition
      .map(({ name, value }) => {
        parameters.push(value)
        return `${driver.escape(name)} = ${dialect.placeholder(parameters.length)}`
      })
      .join(' AND '),
  )
  const from = `(SELECT ${driver.escape(column.metadata.databaseName)} FROM ${versions} WHERE ${sql.map((one) => `(${one})`).join(' OR ')}) AS _of`
  return sum(await valueStarts(queryRunner, layout, from, parameters), carriesKey)
}

/** What is true of a column of the rows that have the pairs: `undefined` if no row has. */
function conditionsOf(
  { fixed, perRow }: RowContext,
  pairs: EncryptionContext,
): [{ name: string; value: string | Buffer }[]] | undefined {
  const conditions: { name: string; value: string | Buffer }[] = []
  for (const [name, text] of Object.entries(pairs)) {
    const keyed = perRow.find((each) => each.name === name)
    if (!keyed) {
      if (fixed[name] !== text) return undefined
      continue
    }
    const { form } = keyed.column
    const value = form?.kind === 'bytes' ? Buffer.from(text, 'hex') : text
    // A value that the column cannot have, no row has.
    if (!form || rowValueText(form, value) !== text) return undefined
    conditions.push({ name: keyed.column.name, value })
  }
  return [conditions]
}

function sum(starts: readonly ValueStart[], isMeant: (start: ValueStart) => boolean): number {
  return starts.filter(isMeant).reduce((total, { rows }) => total + rows, 0)
}
