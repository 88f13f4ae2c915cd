import { encryptColumns } from '../../migration'
import { type Command } from '../command'
import { WRITE_OPTIONS } from '../migration-options'
import { refuseSkipped, runMigration } from '../migration-run'

export const encrypt: Command = {
  name: 'encrypt',
  summary: 'Encrypts the plaintext in encrypted columns, in place; can be stopped and run again.',
  options: WRITE_OPTIONS,
  async run(args, terminal) {
    const results = await runMigration(args, terminal, encryptColumns, { done: 'encrypted' })
    terminal.printJson(results)
    refuseSkipped(results, terminal)
  },
}
