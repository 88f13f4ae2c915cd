import { writeFile } from 'node:fs/promises'
import { type DataSource } from 'typeorm'
import { cancelForgetting, forget, forgetDue, type ForgetReport } from '../../../migration'
import { type Arguments, type Command, CommandFailed, UsageError, wholeNumber } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'
import { amount } from '../../progress'
import { pairsOf } from '../../pairs'
import { type Terminal } from '../../terminal'
import { printReport } from './print-report'

const DAY = 86_400_000

/** Called so beside the function that it calls. */
export const forgetCommand: Command = {
  name: 'forget',
  summary: 'Destroys the stored data keys of a context: nobody reads its values any more.',
  options: {
    ...DATA_SOURCE_OPTIONS,
    context: {
      type: 'string',
      value: 'PAIRS',
      help: 'pairs of the encryption context: tenant_id=42,region=eu or a JSON object',
    },
    days: { type: 'string', value: 'N', help: 'days in which it can be undone, 0 to 365; required' },
    undo: { type: 'boolean', help: 'the data keys that wait are not to be destroyed' },
    due: { type: 'boolean', help: 'destroys those whose days are over, of all contexts' },
    'leave-inline': { type: 'boolean', help: 'also if values of the context carry their data keys' },
    'empty-context': { type: 'boolean', help: 'removes the context from the key table, too' },
    'dry-run': { type: 'boolean', help: 'count, and change nothing' },
    report: { type: 'string', value: 'FILE', help: 'writes the report as JSON into a new file, too' },
    yes: { type: 'boolean', help: 'do not ask' },
  },
  async run(args, terminal) {
    const work = workOf(args, terminal)
    const report = await withDataSource(args, work)
    printReport(report, terminal)
    const file = args.text('report')
    if (file !== undefined) await writeFile(file, `${JSON.stringify(report, null, 2)}\n`, { flag: 'wx' })
    terminal.printJson(report)
    if (report.madeMeanwhile > 0) {
      throw new CommandFailed(
        'the application goes on to write for the context, under new data keys. Stop that, and run the same again.',
      )
    }
  },
}

function workOf(args: Arguments, terminal: Terminal): (dataSource: DataSource) => Promise<ForgetReport> {
  const flags = ['undo', 'due'].filter((name) => args.flag(name))
  if (flags.length === 2) throw new UsageError('--undo and --due are two things')
  const dryRun = args.flag('dry-run')
  const emptyContext = args.flag('empty-context')
  if (args.flag('due')) {
    if (args.text('context') !== undefined) throw new UsageError('--due is for all contexts')
    return (dataSource) => forgetDue(dataSource, { dryRun, emptyContext })
  }
  const context = args.text('context')
  if (context === undefined)
    throw new UsageError('--context is missing: what is to be forgotten, e.g. tenant_id=42')
  const pairs = pairsOf('--context', context)
  if (args.flag('undo')) return (dataSource) => cancelForgetting(dataSource, pairs)
  const days = wholeNumber(args, 'days', { min: 0, max: 365 })
  if (days === undefined)
    throw new UsageError('--days is missing: 0 for at once, or until when it can be undone')
  const leaveInline = args.flag('leave-inline')
  const confirm = (plan: ForgetReport): Promise<void> =>
    args.flag('yes') ? Promise.resolve() : ask(plan, days, terminal)
  return (dataSource) =>
    forget(dataSource, pairs, { wait: days * DAY, leaveInline, emptyContext, dryRun, confirm })
}

async function ask(plan: ForgetReport, days: number, terminal: Terminal): Promise<void> {
  const { columns, dataKeys, rows } = plan
  terminal.note(
    `${amount(rows)} rows under ${amount(dataKeys.length)} data keys will be unreadable for ever:`,
  )
  for (const { entity, property, rows: count } of columns)
    terminal.note(`  ${entity}.${property}: ${amount(count)}`)
  terminal.note(
    days === 0 ? 'At once; nothing brings them back.' : `In ${days} days; until then it can be undone.`,
  )
  const answer = await terminal.ask('Type "forget" to go on: ')
  if (answer === undefined) {
    throw new CommandFailed('refused: nobody is there to be asked. Scripts say --yes. Nothing was changed.')
  }
  if (answer.trim() !== 'forget') throw new CommandFailed('refused. Nothing was changed.')
}
