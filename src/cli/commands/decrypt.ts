import { decryptColumns } from '../../migration'
import { type BoundColumn } from '../../orm/bound-column'
import { type Command, CommandFailed } from '../command'
import { WRITE_OPTIONS } from '../migration-options'
import { adviseNext, refuseSkipped, runMigration } from '../migration-run'
import { type Terminal } from '../terminal'

export const decrypt: Command = {
  name: 'decrypt',
  summary: 'Decrypts encrypted columns, in place: their plaintext is in the database then.',
  options: { ...WRITE_OPTIONS, yes: { type: 'boolean', help: 'do not ask' } },
  async run(args, terminal) {
    const sure = args.flag('yes') || args.flag('dry-run')
    const confirm = (columns: readonly BoundColumn[]): Promise<void> =>
      sure ? Promise.resolve() : ask(columns, terminal)
    const results = await runMigration(args, terminal, decryptColumns, { done: 'decrypted', confirm })
    terminal.printJson(results)
    refuseSkipped(results, terminal)
    adviseNext(args, terminal, 'status', 'counts what is in clear')
  },
}

async function ask(columns: readonly BoundColumn[], terminal: Terminal): Promise<void> {
  terminal.note(`The plaintext of ${columns.map(({ name }) => name).join(', ')} will be in the database,`)
  terminal.note('its logs and its backups.')
  const answer = await terminal.ask('Type "decrypt" to go on: ')
  if (answer === undefined) {
    throw new CommandFailed('refused: nobody is there to be asked. Scripts say --yes. Nothing was changed.')
  }
  if (answer.trim() !== 'decrypt') throw new CommandFailed('refused. Nothing was changed.')
}
