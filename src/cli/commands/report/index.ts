import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { MARK, page } from '../../../report/page'
import { type Report } from '../../../report/report'
import { type Arguments, type Command, CommandFailed, UsageError } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'
import { KMS_OPTIONS } from '../../kms-client'
import { amount } from '../../progress'
import { type Terminal } from '../../terminal'
import { count } from '../doctor/finding'
import { gather } from './gather'

export const report: Command = {
  name: 'report',
  summary: 'Writes a page for an auditor: columns, keys, what is left in clear, what is promised.',
  options: {
    ...DATA_SOURCE_OPTIONS,
    html: { type: 'string', value: 'FILE', help: 'the page, in one file that loads nothing else' },
    ...KMS_OPTIONS,
  },
  async run(args, terminal) {
    const file = targetOf(args, terminal)
    const made = await withDataSource(args, (dataSource) => gather(dataSource, args))
    if (file !== undefined) await writeFile(file, page(made))
    terminal.printJson(made)
    printSummary(made, file, terminal)
    const unseen = made.columns.filter((column) => column.unseen !== undefined)
    if (unseen.length === 0) return
    throw new CommandFailed(
      `${amount(unseen.length)} of ${amount(made.columns.length)} columns could not be looked at, or not at all of their rows: the report says which, and why.`,
    )
  },
}

/** Where the page goes. A file that is there is written over if it is such a page, and else left alone. */
function targetOf(args: Arguments, terminal: Terminal): string | undefined {
  const file = args.text('html')
  if (file === undefined) {
    if (terminal.json) return undefined
    throw new UsageError('name the file for the page: --html report.html (or --json for the same as JSON)')
  }
  if (file.trim() === '') throw new UsageError('--html is empty')
  if (!existsSync(file) || readFileSync(file, 'utf8').startsWith(MARK)) return file
  throw new UsageError(`${file} is there, and is no such report: name another file, or remove it`)
}

function printSummary({ columns, findings }: Report, file: string | undefined, terminal: Terminal): void {
  const sum = (of: 'encrypted' | 'plaintext'): number =>
    columns.reduce((total, { holds }) => total + (holds?.[of] ?? 0), 0)
  const level = (wanted: string): number => findings.filter(({ level }) => level === wanted).length
  terminal.fields([
    ['encrypted columns', amount(columns.length)],
    ['values encrypted', amount(sum('encrypted'))],
    ['values in clear', amount(sum('plaintext'))],
    ['findings', `${count(level('problem'), 'problem')}, ${count(level('warning'), 'warning')}`],
  ])
  terminal.print()
  terminal.remark('→ ', `Open ${file ?? ''} in a browser; print it from there.`)
}
