import { rotateColumns } from '../../migration'
import { type Command } from '../command'
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
    ...WRITE_OPTIONS,
  },
  async run(args, terminal) {
    const to = args.text('to')
    const settings = { newDataKeys: args.flag('new-data-keys'), ...(to !== undefined && { to }) }
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
