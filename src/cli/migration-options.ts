import { type DataSource } from 'typeorm'
import { type MigrationOptions } from '../migration'
import { encryptedColumn } from '../migration/target'
import { type BoundColumn } from '../orm/bound-column'
import { boundColumns } from '../orm/bound-columns'
import { type Arguments, type CommandOptions, UsageError, wholeNumber } from './command'
import { encryptedColumns } from '../migration/encrypted-columns'
import { DATA_SOURCE_OPTIONS } from './data-source'

/** Options of the commands that look at columns. */
export const COLUMN_OPTIONS = {
  ...DATA_SOURCE_OPTIONS,
  columns: {
    type: 'string',
    value: 'LIST',
    help: 'Entity or Entity.property, with commas; default: all encrypted',
  },
} as const satisfies CommandOptions

/** Options of the commands that go through the rows. */
export const ROW_OPTIONS = {
  ...COLUMN_OPTIONS,
  'batch-size': { type: 'string', value: 'N', help: 'rows read and written at once; default 500' },
  concurrency: { type: 'string', value: 'N', help: 'batches under way at once; default 2' },
  'max-rate': { type: 'string', value: 'N', help: 'rows per second; default: no limit' },
  shard: { type: 'string', value: 'I/N', help: 'only one of N parts of the table, e.g. 2/8' },
} as const satisfies CommandOptions

/** Options of the commands that write rows. */
export const WRITE_OPTIONS = {
  ...ROW_OPTIONS,
  'dry-run': { type: 'boolean', help: 'do everything except writing' },
  'skip-failed': {
    type: 'boolean',
    help: 'leave rows that cannot be converted, list them, and go on',
  },
  'lock-timeout': {
    type: 'string',
    value: 'MS',
    help: "most time to wait for somebody else's lock; default 10000",
  },
} as const satisfies CommandOptions

/**
 * The encrypted columns that the user named, or all of tables. Throws `NotEncryptedColumnError` for a column that is
 * not encrypted, `UsageError` for a name that is none.
 */
export function chosenColumns(dataSource: DataSource, args: Arguments): BoundColumn[] {
  const all = encryptedColumns(dataSource)
  const names = args
    .text('columns')
    ?.split(',')
    .map((name) => name.trim())
  if (!names) {
    if (all.length === 0) throw new UsageError('the DataSource has no encrypted columns')
    return all
  }
  const chosen = names.flatMap((name) => {
    const found = named(all, name)
    if (found.length > 0) return found
    const others = named(dataSource.entityMetadatas.flatMap(boundColumns), name)
    if (others.length > 0) return others
    refusePlainColumn(dataSource, name)
    const known = all.map((column) => column.name).join(', ')
    throw new UsageError(`--columns: ${JSON.stringify(name)} is not an encrypted column. There are ${known}`)
  })
  return [...new Set(chosen)]
}

function named(columns: readonly BoundColumn[], name: string): BoundColumn[] {
  return columns.filter((column) => column.name === name || column.metadata.entityMetadata.name === name)
}

function refusePlainColumn(dataSource: DataSource, name: string): void {
  const [entity, ...path] = name.split('.')
  const metadata = dataSource.entityMetadatas.find((candidate) => candidate.name === entity)
  const column = metadata?.findColumnWithPropertyPath(path.join('.'))
  // encryptedColumn() says what is to be done.
  if (metadata && column) encryptedColumn(dataSource, metadata.target, column.propertyPath)
}

/** What the user said about going through the rows. */
export function migrationOptions(args: Arguments): MigrationOptions {
  const batchSize = wholeNumber(args, 'batch-size', { min: 1, max: 10_000 })
  const concurrency = wholeNumber(args, 'concurrency', { min: 1, max: 64 })
  const maxRate = wholeNumber(args, 'max-rate', { min: 1, max: 10_000_000 })
  const lockTimeout = wholeNumber(args, 'lock-timeout', { min: 1, max: 86_400_000 })
  const shard = shardOf(args.text('shard'))
  return {
    dryRun: args.flag('dry-run'),
    skipFailed: args.flag('skip-failed'),
    ...(batchSize !== undefined && { batchSize }),
    ...(concurrency !== undefined && { concurrency }),
    ...(maxRate !== undefined && { maxRate }),
    ...(lockTimeout !== undefined && { lockTimeout }),
    ...(shard && { shard }),
  }
}

function shardOf(text: string | undefined): MigrationOptions['shard'] {
  if (text === undefined) return undefined
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  const shard = { index: Number(index), count: Number(count) }
  if (shard.index >= 1 && shard.index <= shard.count) return shard
  throw new UsageError('--shard takes a part and the number of parts, e.g. 2/8')
}
