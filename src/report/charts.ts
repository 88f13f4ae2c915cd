import { amount, markup, type Html, percent } from './html'

/** One part of a bar, by the name of its colour. */
export interface Segment {
  name: string
  kind: 'sealed' | 'clear' | 'null' | 'bad' | 'other' | 'none'
  value: number
}

const WIDTH = 600
const BAR = 18

/** A bar whose parts add up to its whole width. What it shows is said in its title as well. */
export function shareBar(label: string, segments: readonly Segment[]): Html {
  const present = segments.filter(({ value }) => value > 0)
  const total = present.reduce((sum, { value }) => sum + value, 0)
  const told = present.map(({ name, value }) => `${name} ${percent(value, total)}`).join(', ') || 'no rows'
  let from = 0
  const parts = present.map(({ kind, value }) => {
    // What is there is seen, however little it is.
    const width = Math.max((value / total) * WIDTH, 3)
    const at = Math.min(from, WIDTH - width)
    from += (value / total) * WIDTH
    return markup`<rect class="fill-${kind}" x="${round(at)}" width="${round(width)}" height="${BAR}" />`
  })
  return markup`<svg
    class="bar"
    role="img"
    viewBox="0 0 ${WIDTH} ${BAR}"
    preserveAspectRatio="none"
    aria-label="${label}: ${told}"
  ><rect class="fill-none" width="${WIDTH}" height="${BAR}" />${parts}</svg>`
}

/** Bars from one line upwards, with their values above and their names below. */
export function columnChart(label: string, bars: readonly { name: string; value: number }[]): Html {
  const most = Math.max(1, ...bars.map(({ value }) => value))
  const step = WIDTH / Math.max(bars.length, 1)
  const height = 120
  const drawn = bars.map(({ name, value }, index) => {
    const high = value === 0 ? 0 : Math.max((value / most) * height, 2)
    const middle = step * (index + 0.5)
    const width = Math.min(step * 0.7, 60)
    return markup`<rect class="fill-sealed" x="${round(middle - width / 2)}" y="${round(20 + height - high)}" width="${round(width)}" height="${round(high)}" /><text x="${round(middle)}" y="${round(14 + height - high)}">${short(value)}</text>${linesOf(name, round(middle), height + 36)}`
  })
  const told = bars.map(({ name, value }) => `${name}: ${amount(value)}`).join(', ')
  return markup`<svg class="columns" role="img" viewBox="0 0 ${WIDTH} ${height + 58}" aria-label="${label}. ${told}">
    <line x1="0" x2="${WIDTH}" y1="${20 + height}" y2="${20 + height}" />${drawn}</svg>`
}

/** A month in two lines: under a bar there is no room for `2026-11`. */
function linesOf(name: string, x: string, y: number): Html[] {
  const [year = '', month] = name.split('-')
  const lines = month === undefined ? [name] : [month, year]
  return lines.map((line, index) => markup`<text x="${x}" y="${y + index * 16}">${line}</text>`)
}

/** `1.2 M`: there is no room for more above a bar; the table beside has all digits. */
function short(value: number): string {
  for (const [unit, sign] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= unit) return `${(value / unit).toFixed(value < 10 * unit ? 1 : 0)} ${sign}`
  }
  return String(value)
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10)
}
