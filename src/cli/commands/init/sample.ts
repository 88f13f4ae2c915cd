import { type DataSource, type QueryRunner } from 'typeorm'
import { dialectOf } from '../../../dialects'
import { thenUndo } from '../../../dialects/then-undo'
import { boundColumn } from '../../../orm/bound-columns'
import { type ColumnMetadata } from '../../../orm/typeorm-types'
import { kindOf } from './kinds'
import { escapedPath } from '../../../dialects/escaped-path'

/** Values of a column that are looked at. */
const MAX_VALUES = 300
/** Rows among which they are looked for: a column may be NULL nearly everywhere. */
const MAX_ROWS = 10_000
/** Characters of a value. */
const MAX_LENGTH = 4_000

/** What a text column of the database holds, by the form of its values. No value is kept. */
export interface Sample {
  readonly entity: string
  /** The class of the entity, and those that it inherits from or embeds. */
  readonly classes: readonly string[]
  readonly property: string
  readonly isNullable: boolean
  /** Values that are neither NULL nor empty. */
  readonly looked: number
  /** The most frequent first. */
  readonly kinds: readonly { readonly name: string; readonly values: number }[]
}

export interface Samples {
  readonly samples: readonly Sample[]
  /** Columns that could not be looked at, and why. */
  readonly failed: readonly string[]
}

/** Looks at values of the text columns of all entities that are not encrypted. Reads and writes nothing else. */
export async function sampleOf(dataSource: DataSource): Promise<Samples> {
  const samples: Sample[] = []
  const failed: string[] = []
  const queryRunner = dataSource.createQueryRunner('slave')
  try {
    for (const { tableType, tablePath, name: entity, columns } of dataSource.entityMetadatas) {
      if (tableType === 'view') continue
      for (const column of columns.filter((each) => isText(dataSource, each))) {
        try {
          const values = await valuesOf(queryRunner, dataSource, tablePath, column)
          samples.push({ entity, ...placeOf(column), ...counted(values) })
        } catch (error) {
          failed.push(`${entity}.${column.propertyPath}: ${(error as Error).message}`)
        }
      }
    }
  } finally {
    await queryRunner.release()
  }
  return { samples, failed }
}

function isText({ driver }: DataSource, column: ColumnMetadata): boolean {
  const isOrdinary =
    !column.isPrimary &&
    !column.isGenerated &&
    !column.isVirtual &&
    !column.isVirtualProperty &&
    !column.isDiscriminator &&
    !column.isArray &&
    !column.enum &&
    !column.relationMetadata
  const type = driver.normalizeType(column)
  return (
    isOrdinary && !boundColumn(column) && /char|text|json|clob|string/i.test(type) && type !== 'simple-enum'
  )
}

function placeOf({ propertyName, embeddedMetadata, entityMetadata, isNullable }: ColumnMetadata) {
  const embedded: unknown = embeddedMetadata?.type
  const classes = [...entityMetadata.inheritanceTree, embedded]
    .filter((each) => typeof each === 'function')
    .map(({ name }) => name)
  return { classes, property: propertyName, isNullable }
}

async function valuesOf(
  queryRunner: QueryRunner,
  { driver, options }: DataSource,
  tablePath: string,
  { databaseName }: ColumnMetadata,
): Promise<string[]> {
  const { readOnly, textSql } = dialectOf(options)
  const name = driver.escape(databaseName)
  const table = escapedPath(tablePath, (part) => driver.escape(part))
  await queryRunner.query(readOnly.begin)
  const read = async (): Promise<string[]> => {
    const rows = (await queryRunner.query(
      `SELECT SUBSTR(${textSql('v')}, 1, ${MAX_LENGTH}) AS t FROM ` +
        `(SELECT ${name} AS v FROM ${table} LIMIT ${MAX_ROWS}) AS s WHERE v IS NOT NULL LIMIT ${MAX_VALUES}`,
    )) as { t: unknown }[]
    return rows.map(({ t }) => (typeof t === 'string' ? t : '')).filter((text) => text !== '')
  }
  return thenUndo(read, () => queryRunner.query(readOnly.end))
}

function counted(values: readonly string[]): Pick<Sample, 'looked' | 'kinds'> {
  const counts = new Map<string, number>()
  for (const value of values) {
    const kind = kindOf(value)
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  const kinds = Array.from(counts, ([name, count]) => ({ name, values: count }))
  return { looked: values.length, kinds: kinds.sort((one, other) => other.values - one.values) }
}
