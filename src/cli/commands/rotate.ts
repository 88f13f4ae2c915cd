import { rotateColumns } from '../../migration'
import { type BoundColumn } from '../../orm/bound-column'
import { type Arguments, type Command, UsageError } from '../command'
import { WRITE_OPTIONS } from '../migration-options'
import { indexKeyPlace } from '../index-key'
import { adviseNext, primaryKeyText, refuseSkipped, runMigration } from '../migration-run'
import { pairsOf } from '../pairs'

export const rotate: Command = {
  name: 'rotate',
  summary: 'Moves values to another KMS key, or to the current settings of their column.',
  options: {
    to: { type: 'string', value: 'KEY', help: "KMS key to move to; default: the column's key" },
    'new-data-keys': {
      type: 'boolean',
      help: 'decrypt and encrypt anew, instead of KMS ReEncrypt of the data keys',
    },
    'made-before': {
      type: 'string',
      value: 'TIME',
      help: 'with --new-data-keys: leave values under stored data keys made later',
    },
    'bound-as': {
      type: 'string',
      value: 'PAIRS',
      help: 'bind values anew whose row had these values before raw SQL changed it: tenantId=42',
    },
    ...WRITE_OPTIONS,
  },
  async run(args, terminal) {
    const to = args.text('to')
    const before = args.text('made-before')
    const boundAs = boundAsOf(args)
    const settings = {
      newDataKeys: args.flag('new-data-keys'),
      ...(to !== undefined && { to }),
      ...(before !== undefined && { madeBefore: timeOf(before) }),
      ...(boundAs && { boundAs }),
    }
    const results = await runMigration(
      args,
      terminal,
      (dataSource, entity, properties, options) =>
        rotateColumns(dataSource, entity, properties, { ...options, ...settings }),
      {
        done: boundAs ? 'bound anew' : 'rotated',
        ...(boundAs && args.text('columns') === undefined && { narrow: (all) => boundTo(all, boundAs) }),
        async finish(columns) {
          const file = args.text('dataSource') ?? ''
          const place = await indexKeyPlace(columns, file, { to })
          if (place?.remark !== undefined) terminal.noteRemark('! ', place.remark)
          const left = columns.filter((column) => hasIndexesOfOtherKeys(column, boundAs !== undefined))
          if (left.length > 0) terminal.noteRemark('! ', rebuildRemark(left, file))
        },
      },
    )
    for (const { entity, property, bound = [] } of results) {
      for (const row of bound) terminal.print(`  ${entity}.${property} (${primaryKeyText(row)})`)
    }
    terminal.printJson(results)
    refuseSkipped(results, terminal)
    adviseNext(args, terminal, 'verify', 'proves that every value opens')
  },
}

/** A blind index has the key of the tenant that its row had when it was written. */
function hasIndexesOfOtherKeys({ indexes, scheme }: BoundColumn, isMended: boolean): boolean {
  const { keyPer, previous = [] } = scheme.options
  const wasChanged = previous.some((settings) => settings.keyPer !== undefined)
  return indexes.length > 0 && (wasChanged || (isMended && keyPer !== undefined))
}

function rebuildRemark(columns: readonly BoundColumn[], file: string): string {
  const names = columns.map(({ name }) => name).join(',')
  return `Blind indexes have a key for each value of keyPer, and are left as they were. To have them follow: typeorm-kms encrypt -d ${file} --columns ${names} --rebuild-indexes`
}

function timeOf(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new UsageError('--made-before takes a time: 2026-11-25T22:00:00Z')
  return time
}

function boundAsOf(args: Arguments): Readonly<Record<string, string>> | undefined {
  const text = args.text('bound-as')
  if (text === undefined) return undefined
  for (const other of ['to', 'new-data-keys']) {
    if (args.text(other) !== undefined || args.flag(other))
      throw new UsageError(`--bound-as does not go with --${other}: rotate once more for that`)
  }
  return pairsOf('--bound-as', text)
}

/** Those of all columns whose values are bound to what the user names. */
function boundTo(columns: readonly BoundColumn[], boundAs: object): BoundColumn[] {
  const names = Object.keys(boundAs)
  const bound = columns.filter(({ recipes }) =>
    names.every((name) => recipes.opensBy.some(({ property }) => property === name)),
  )
  if (bound.length > 0) return bound
  throw new UsageError(`--bound-as: no encrypted column is bound to or keyed by ${names.join(' and ')}`)
}
