import { count, type Html, markup } from '../html'
import { neverPromised, NOT_LOOKED_AT, promises } from '../promises'
import { type Report, type ReportedFinding } from '../report'
import { type Cell, table } from '../table'

/** Columns named in one cell; the section on columns has all of them. */
const NAMED = 8

const LEVELS = { problem: 'Problem', warning: 'Warning', note: 'Note', ok: 'Fine' } as const

/** What the doctor found; what is fine is folded away. */
export function findings({ findings }: Report): Html {
  const trouble = (['problem', 'warning', 'note'] as const).flatMap((level) =>
    findings.filter((finding) => finding.level === level),
  )
  const fine = findings.filter(({ level }) => level === 'ok')
  return markup`${trouble.length === 0 ? markup`<p>Nothing was found that wants mending.</p>` : list(trouble)}
<details><summary>${count(fine.length, 'thing')} that ${fine.length === 1 ? 'is as it' : 'are as they'} should be</summary>${list(fine)}</details>`
}

function list(findings: readonly ReportedFinding[]): Html {
  return markup`<ul class="findings">${findings.map(
    ({ level, area, message, remedy }) =>
      markup`<li><span class="level level-${level}">${LEVELS[level]}</span> <span class="muted">${area}:</span> ${message}${
        remedy === undefined ? '' : markup`<br><span class="muted">What to do:</span> ${remedy}`
      }</li>\n`,
  )}</ul>`
}

/** What the settings promise, and what they do not. */
export function promised(report: Report): Html {
  const rows = promises(report).map(({ subject, promise, kept, otherwise, open }): Cell[] => [
    subject,
    kept.length === 0 ? '' : markup`${promise} <span class="muted">(${names(kept, report)})</span>`,
    open.length === 0 ? '' : markup`${otherwise} <span class="muted">(${names(open, report)})</span>`,
  ])
  return markup`${table('By the settings of each column', [{ title: 'About' }, { title: 'Promised' }, { title: 'Not promised' }], rows)}
<h3>What no setting promises</h3><ul>${neverPromised(report).map((text) => markup`<li>${text}</li>`)}</ul>
<h3>What was not looked at</h3><ul>${NOT_LOOKED_AT.map((text) => markup`<li>${text}</li>`)}</ul>`
}

function names(columns: readonly string[], { columns: all }: Report): string {
  if (columns.length === all.length && all.length > 1) return 'all columns'
  const more = columns.length - NAMED
  return columns.slice(0, NAMED).join(', ') + (more > 0 ? `, and ${more} more` : '')
}
