/** The page's own style: it loads nothing. Colours are chosen for contrast in both themes; paper is always light. */
export const STYLE = `
:root { color-scheme: light dark;
  --back: #fff; --front: #1b1f24; --muted: #57606a; --line: #d0d7de; --soft: #f6f8fa;
  --sealed: #1a7f5a; --clear: #b3261e; --null: #8c959f; --bad: #6639ba; --other: #9a6700; --link: #0a58ca; }
@media (prefers-color-scheme: dark) { :root {
  --back: #0f1419; --front: #e6edf3; --muted: #9da7b3; --line: #3d444d; --soft: #171d24;
  --sealed: #3fb68b; --clear: #ff7b72; --null: #7d8590; --bad: #b392f0; --other: #d29922; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--front);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
header, main, footer, nav { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; } footer { padding: 2rem 1.25rem; color: var(--muted); font-size: .9rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; } p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); } .muted { color: var(--muted); } code, dd, tbody th { overflow-wrap: anywhere; } tbody th { min-width: 11rem; } .date { white-space: nowrap; } code { font: .875em/1.4 ui-monospace, Menlo, Consolas, monospace; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: .75rem 0; margin: 0;
  border-bottom: 1px solid var(--line); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0;
  padding: 0; list-style: none; }
.tiles li { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; background: var(--soft); }
.tiles strong { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles .alarm strong { color: var(--clear); }
svg { display: block; width: 100%; } svg text { fill: var(--front); font-size: 13px; text-anchor: middle; }
svg line { stroke: var(--line); } .bar { height: .9rem; flex: none; border-radius: .25rem; min-width: 8rem; }
.columns { max-width: 46rem; height: auto; }
.fill-none { fill: var(--soft); } .fill-sealed { fill: var(--sealed); } .fill-clear { fill: var(--clear); }
.fill-null { fill: var(--null); } .fill-bad { fill: var(--bad); } .fill-other { fill: var(--other); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .5rem 0; padding: 0; font-size: .9rem; }
.legend svg { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; margin-right: .3rem; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .95rem; }
caption { text-align: left; color: var(--muted); font-size: .9rem; padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); } tbody th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .2rem 1rem; margin: .5rem 0; }
dt { color: var(--muted); } dd { margin: 0; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .25rem 1rem .75rem; margin: 1rem 0; break-inside: avoid; }
.card h3 { margin-top: .75rem; }
.level { display: inline-block; min-width: 4.6rem; font-weight: 600; } .level-problem { color: var(--clear); }
.level-warning { color: var(--other); } .level-ok { color: var(--sealed); }
.findings { list-style: none; padding: 0; } .findings li { padding: .4rem 0; border-bottom: 1px solid var(--line); }
details summary { cursor: pointer; padding: .4rem 0; } .open { color: var(--muted); }
@media (max-width: 44rem) {
  table, caption, tbody, tr, td, tbody th { display: block; width: 100%; } thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; } td, tbody th { border: 0; padding: .15rem 0; }
  td::before { content: attr(data-of); display: block; color: var(--muted); } td.number, td.date { display: flex; gap: 1rem; justify-content: space-between; }
  td:empty { display: none; } .number { white-space: normal; } td:has(svg) { display: block; } td:has(svg)::before { display: none; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
@media print {
  :root { color-scheme: light; --back: #fff; --front: #000; --muted: #444; --line: #999; --soft: #fff;
    --sealed: #1a7f5a; --clear: #b3261e; --null: #8c959f; --bad: #6639ba; --other: #9a6700; --link: #000; }
  body { font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; } nav { display: none; }
  h2 { break-after: avoid; } tr, li { break-inside: avoid; }
}
`
