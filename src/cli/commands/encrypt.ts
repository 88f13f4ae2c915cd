import { encryptColumns } from '../../migration'
import { type Command } from '../command'
import { WRITE_OPTIONS } from '../migration-options'
import { adviseNext, refuseSkipped, runMigration } from '../migration-run'

export const encrypt: Command = {
  name: 'encrypt',
  summary:
    'Encrypts the plaintext in encrypted columns, and fills blind indexes; can be stopped and run again.',
  options: {
    ...WRITE_OPTIONS,
    'compare-bytes': {
      type: 'boolean',
      help: 'have a search compare bytes, though the database took other texts for equal',
    },
    'rebuild-indexes': {
      type: 'boolean',
      help: 'compare all blind indexes with their values, and mend them',
    },
  },
  async run(args, terminal) {
    const rebuildIndexes = args.flag('rebuild-indexes')
    const compareBytes = args.flag('compare-bytes')
    const run = (...[dataSource, entity, properties, options]: Parameters<typeof encryptColumns>) =>
      encryptColumns(dataSource, entity, properties, { ...options, rebuildIndexes, compareBytes })
    const results = await runMigration(args, terminal, run, { done: 'encrypted' })
    terminal.printJson(results)
    refuseSkipped(results, terminal)
    adviseNext(args, terminal, 'verify', 'proves that every value opens')
  },
}
