import { verifyColumns, type VerifyResult } from '../../migration'
import { type Arguments, type Command, CommandFailed, wholeNumber } from '../command'
import { ROW_OPTIONS } from '../migration-options'
import { primaryKeyText, printRows, runMigration } from '../migration-run'
import { amount } from '../progress'
import { type Terminal } from '../terminal'

/** Rows named on the screen unless told otherwise. */
const LISTED = 20

export const verify: Command = {
  name: 'verify',
  summary: 'Opens every value of encrypted columns, and names the rows that do not open.',
  options: {
    ...ROW_OPTIONS,
    'find-row': {
      type: 'boolean',
      help: 'look for the rows that values belong to which do not open in their own',
    },
    list: { type: 'string', value: 'N', help: `rows named for each column; default ${LISTED}` },
  },
  async run(args, terminal) {
    const results = await runMigration(
      args,
      terminal,
      (dataSource, entity, properties, options) =>
        verifyColumns(dataSource, entity, properties, { ...options, findRow: args.flag('find-row') }),
      { done: 'verified' },
    )
    for (const result of results) {
      printUnreadable(result, listed(args), terminal)
      printMirror(result, listed(args), terminal)
    }
    terminal.printJson(results)
    const failed = results.reduce((sum, result) => sum + result.failed, 0)
    if (failed > 0)
      throw new CommandFailed(`${amount(failed)} ${failed === 1 ? 'value' : 'values'} cannot be read`)
    const differing = results.reduce((sum, { mirror }) => sum + (mirror?.differing ?? 0), 0)
    if (differing > 0) {
      throw new CommandFailed(
        `${amount(differing)} ${differing === 1 ? 'row has' : 'rows have'} another value in the column that mirrors it`,
      )
    }
    terminal.print(conclusion(results))
  },
}

/** What is proven where nothing failed. Forgotten values are no failures, and do not open all the same. */
export function conclusion(
  results: readonly Pick<VerifyResult, 'rows' | 'forgotten' | 'notCiphertext'>[],
): string {
  const sum = (what: 'rows' | 'forgotten' | 'notCiphertext'): number =>
    results.reduce((total, result) => total + result[what], 0)
  const [values, forgotten, plaintext] = [sum('rows'), sum('forgotten'), sum('notCiphertext')]
  if (values === 0) return 'There are no values.'
  if (forgotten >= values) return 'No value opens: all are forgotten.'
  const except =
    forgotten === 0 ? '' : `, except ${amount(forgotten)} that ${forgotten === 1 ? 'is' : 'are'} forgotten`
  const unencrypted =
    plaintext === 0
      ? ''
      : ` ${amount(plaintext)} ${plaintext === 1 ? 'is' : 'are'} not encrypted yet: typeorm-kms encrypt.`
  return `Every value opens${except}.${unencrypted}`
}

function printMirror({ entity, property, mirror }: VerifyResult, most: number, terminal: Terminal): void {
  if (!mirror) return
  const { compared, differing, rows, notFilled } = mirror
  terminal.print(
    `${entity}.${property}: ${amount(differing)} of ${amount(compared)} rows differ from ${mirror.property}, which is to hold the same`,
  )
  for (const row of rows.slice(0, most)) terminal.print(`  ${entity}.${property} (${primaryKeyText(row)})`)
  if (differing > most) terminal.print(`  and ${amount(differing - Math.min(most, rows.length))} more`)
  if (notFilled > 0)
    terminal.print(
      `  ${amount(notFilled)} ${notFilled === 1 ? 'row has' : 'rows have'} a value in only one of the two`,
    )
}

function listed(args: Arguments): number {
  return wholeNumber(args, 'list', { min: 0, max: 1_000_000 }) ?? LISTED
}

function printUnreadable(result: VerifyResult, most: number, terminal: Terminal): void {
  const { entity, property, failed, unreadable } = result
  if (failed === 0) return
  terminal.print(`${entity}.${property}: ${amount(failed)} of ${amount(result.rows)} values do not open`)
  printRows(`${entity}.${property}`, unreadable, most, terminal)
  const shown = Math.min(most, unreadable.length)
  if (failed > shown) {
    terminal.print(
      `  and ${amount(failed - shown)} more: --list N names more of them, --json the first 1,000`,
    )
  }
}
