import { median, quantile, type Samples } from './statistics'

/** One line of the target table. */
export interface Finding {
  measure: string
  /** Where: a database, or nothing. */
  on?: string
  measured: string
  target: string
  met: boolean
}

/** What the contenders of one measure took. */
export interface Timings {
  measure: string
  on?: string
  unit: 'ms' | 'µs'
  /** Values behind each sample, for `µs` per value. */
  values?: number
  samples: Readonly<Record<string, Samples>>
  /** The contender that the ratios refer to. */
  base: string
}

/** Collects what was measured and writes it as Markdown. */
export class Report {
  readonly #findings: Finding[] = []
  readonly #timings: Timings[] = []
  readonly #notes: string[] = []

  find(finding: Finding): void {
    this.#findings.push(finding)
    const { measure, on, measured, met } = finding
    process.stderr.write(
      `${met ? 'met   ' : 'MISSED'} ${measure}${on === undefined ? '' : ` (${on})`}: ${measured}\n`,
    )
  }

  time(timings: Timings): void {
    this.#timings.push(timings)
  }

  note(text: string): void {
    this.#notes.push(text)
  }

  get missed(): number {
    return this.#findings.filter(({ met }) => !met).length
  }

  toMarkdown(): string {
    return [
      '## Targets',
      '',
      ...table(
        ['measure', 'on', 'measured', 'target', 'met'],
        this.#findings.map(({ measure, on = '', measured, target, met }) => [
          measure,
          on,
          measured,
          target,
          met ? 'yes' : '**no**',
        ]),
      ),
      '',
      '## Timings',
      '',
      'Median and, as spread, the middle half of the rounds. Ratios are medians of the ratios within each round.',
      '',
      ...table(
        ['measure', 'on', 'contender', 'median', 'spread', 'ratio'],
        this.#timings.flatMap((timings) => timingRows(timings)),
      ),
      ...(this.#notes.length > 0 ? ['', ...this.#notes.map((note) => `- ${note}`)] : []),
      '',
    ].join('\n')
  }
}

function timingRows({ measure, on = '', unit, values = 1, samples, base }: Timings): string[][] {
  const scale = unit === 'µs' ? 1000 / values : 1
  const text = (value: number): string => (value * scale).toFixed(value * scale < 100 ? 2 : 0)
  return Object.entries(samples).map(([name, own]) => {
    const ratio = median(own.map((value, round) => value / (samples[base]?.[round] ?? Number.NaN)))
    return [
      measure,
      on,
      name,
      `${text(median(own))} ${unit}`,
      `${text(quantile(own, 0.25))} – ${text(quantile(own, 0.75))}`,
      name === base ? '1' : ratio.toFixed(2),
    ]
  })
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}
