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

/** Contexts in one statement. */
const CONTEXTS_AT_ONCE = 100

/** Counts the values of columns under data keys, and those that carry their own in contexts that have all pairs of one of `all`. */
export async function countForgotten(
  queryRunner: QueryRunner,
  columns: readonly BoundColumn[],
  ids: readonly Buffer[],
  all: readonly EncryptionContext[],
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
      inline: await countInline(queryRunner, { layout, starts: [...current, ...history] }, all),
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
  all: readonly EncryptionContext[],
): Promise<number> {
  const inline = sum(starts, carriesKey)
  if (inline === 0) return 0
  const { dialect, column, table } = layout
  const conditions = all.flatMap((pairs) =>
    column.recipes.contexts.flatMap((context) => conditionsOf(context, pairs) ?? []),
  )
  if (conditions.some(({ length }) => length === 0)) return inline
  const versions = (await dialect.allVersions(queryRunner, layout)) ?? table
  const { driver } = dataSourceOf(queryRunner)
  let counted = 0
  for (let first = 0; first < conditions.length; first += CONTEXTS_AT_ONCE) {
    const parameters: unknown[] = []
    const sql = conditions.slice(first, first + CONTEXTS_AT_ONCE).map((condition) => {
      const terms = condition.map(({ name, value }) => {
        parameters.push(value)
        return `${driver.escape(name)} = ${dialect.placeholder(parameters.length)}`
      })
      return `(${terms.join(' AND ')})`
    })
    const from = `(SELECT ${layout.name} FROM ${versions} WHERE ${sql.join(' OR ')}) AS _of`
    counted += sum(await valueStarts(queryRunner, layout, from, parameters), carriesKey)
  }
  return counted
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
