import { rotateColumns } from '../../migration'
import { type Command, UsageError } from '../command'
import { WRITE_OPTIONS } from '../migration-options'
import { indexKeyPlace } from '../index-key'
import { refuseSkipped, runMigration } from '../migration-run'

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
    ...WRITE_OPTIONS,
  },
  async run(args, terminal) {
    const to = args.text('to')
    const before = args.text('made-before')
    const settings = {
      newDataKeys: args.flag('new-data-keys'),
      ...(to !== undefined && { to }),
      ...(before !== undefined && { madeBefore: timeOf(before) }),
    }
    const results = await runMigration(
      args,
      terminal,
      (dataSource, entity, properties, options) =>
        rotateColumns(dataSource, entity, properties, { ...options, ...settings }),
      {
        done: 'rotated',
        async finish(columns) {
          const place = await indexKeyPlace(columns, args.text('dataSource') ?? '', { to })
          if (place?.remark !== undefined) terminal.noteRemark('! ', place.remark)
        },
      },
    )
    terminal.printJson(results)
    refuseSkipped(results, terminal)
  },
}

function timeOf(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new UsageError('--made-before takes a time: 2026-11-25T22:00:00Z')
  return time
}
