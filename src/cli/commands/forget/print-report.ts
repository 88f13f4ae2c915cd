import { type ForgetReport } from '../../../migration'
import { amount } from '../../progress'
import { printable, type Terminal } from '../../terminal'
import { moment } from '../keys/key-view'

/** What became of it, for people: the same as the JSON has. */
export function printReport(report: ForgetReport, terminal: Terminal): void {
  terminal.print(headline(report, terminal))
  const { columns, dataKeys, kmsKeys, retiredAt, destroyAt, destroyedAt, inMemoryUntil, pairs } = report
  terminal.fields([
    ['context', printable(pairsText(pairs))],
    ['data keys', dataKeys.length === 0 ? undefined : amount(dataKeys.length)],
    ['KMS key', kmsKeys.map((key) => printable(key)).join(', ')],
    ['nothing sealed since', retiredAt && moment(retiredAt)],
    ['can be undone until', report.state === 'waiting' && destroyAt ? moment(destroyAt) : undefined],
    ['destroyed', destroyedAt && moment(destroyedAt)],
    ['in memory of processes', inMemoryUntil && `until ${moment(inMemoryUntil)} at the latest`],
  ])
  if (columns.length > 0) {
    terminal.print()
    terminal.table(
      ['column', 'rows', 'earlier versions', 'with their own data keys', 'indexes overwritten'],
      columns.map(({ entity, property, rows, history, inline, indexes }) => [
        `${entity}.${property}`,
        ...[rows, history, inline].map(amount),
        indexes.join(', '),
      ]),
    )
  }
  if (report.remains.length > 0) terminal.print()
  for (const sentence of report.remains) terminal.remark('! ', sentence)
  if (report.state === 'waiting') {
    terminal.print()
    terminal.remark(
      '→ ',
      `typeorm-kms forget --due destroys them when the time is over; run it then, or every day.`,
    )
  }
}

function headline({ state, rows }: ForgetReport, terminal: Terminal): string {
  const count = `${amount(rows)} ${rows === 1 ? 'row' : 'rows'}`
  const sign = terminal.style('green', '✓')
  switch (state) {
    case 'nothing':
      return 'Nothing to do: there are no such data keys.'
    case 'planned':
      return `${count} would be forgotten. Nothing was changed.`
    case 'waiting':
      return `${sign} ${count} will be forgotten. They can be read until then.`
    case 'destroyed':
      return `${sign} ${count} forgotten.`
    case 'restored':
      return `${sign} Undone: ${count} stay as they are.`
  }
}

function pairsText(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}
