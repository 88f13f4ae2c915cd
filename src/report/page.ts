import { Html, markup } from './html'
import { type Report } from './report'
import { contents } from './sections/contents'
import { findings, promised } from './sections/judgement'
import { keys } from './sections/keys'
import { leakage } from './sections/leakage'
import { settings } from './sections/settings'
import { summary } from './sections/summary'
import { STYLE } from './style'

/** By this the tool knows a page of its own, which it may write over. */
export const MARK = '<!doctype html><!-- typeorm-kms report -->'

const SECTIONS: readonly (readonly [id: string, title: string, section: (report: Report) => Html])[] = [
  ['contents', 'What the rows hold', contents],
  ['findings', 'Findings', findings],
  ['keys', 'Keys', keys],
  ['promises', 'What is promised, and what is not', promised],
  ['indexes', 'What blind indexes tell', leakage],
  ['columns', 'Columns and their settings', settings],
]

/** The report as one page that loads nothing and runs nothing: no script, no font, no picture from elsewhere. */
export function page(report: Report): string {
  const { at, versions, database } = report
  const made = `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const body = markup`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>Encrypted columns of ${database.name}, ${made}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
<h1>Encrypted columns of ${database.name}</h1>
<p class="muted">${database.type}, looked at on ${made} with typeorm-kms-encrypted ${versions.library} on Node.js ${versions.node}</p>
</header>
<nav aria-label="Sections"><ul>${SECTIONS.map(([id, title]) => markup`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main>
${summary(report)}
${SECTIONS.map(([id, title, section]) => markup`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>\n${section(report)}</section>\n`)}
</main>
<footer>Made by <code>typeorm-kms report</code>. It holds numbers, names and settings; no value of any row, no key.</footer>
</body>
</html>
`
  return `${MARK}\n${body.text}`
}
