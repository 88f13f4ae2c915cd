import { verifyColumns, type VerifyResult } from '../../migration'
import { type Command, CommandFailed } from '../command'
import { ROW_OPTIONS } from '../migration-options'
import { runMigration } from '../migration-run'
import { amount } from '../progress'
import { type Terminal } from '../terminal'

export const verify: Command = {
  name: 'verify',
  summary: 'Opens every value of encrypted columns, and names the rows that do not open.',
  options: ROW_OPTIONS,
  async run(args, terminal) {
    const results = await runMigration(args, terminal, verifyColumns, { done: 'verified' })
    for (const result of results) printUnreadable(result, terminal)
    terminal.printJson(results)
    const failed = results.reduce((sum, result) => sum + result.failed, 0)
    if (failed > 0) throw new CommandFailed(`${amount(failed)} values cannot be read`)
  },
}

function printUnreadable({ entity, property, failed, unreadable }: VerifyResult, terminal: Terminal): void {
  for (const { primaryKey, code, reason } of unreadable) {
    const key = Object.entries(primaryKey)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(', ')
    terminal.print(`  ${entity}.${property} (${key}): ${code}: ${reason}`)
  }
  if (failed > unreadable.length) terminal.print(`  and ${amount(failed - unreadable.length)} more`)
}
