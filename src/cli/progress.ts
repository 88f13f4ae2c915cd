import { type MigrationProgress } from '../migration'
import { type Terminal } from './terminal'

const BAR_WIDTH = 24
/** A shorter bar says nothing that the percentage does not say. */
const MIN_BAR_WIDTH = 6
/** Milliseconds between two lines where no line can be overwritten. */
const LINE_EVERY = 5_000
/** Milliseconds between two states of the bar. */
const BAR_EVERY = 100

/** Shows how far a run is: a bar with rate and remaining time on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #terminal: Terminal
  #shown = performance.now()

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  update(progress: MigrationProgress): void {
    const { interactive } = this.#terminal
    const now = performance.now()
    if (now - this.#shown < (interactive ? BAR_EVERY : LINE_EVERY)) return
    this.#shown = now
    if (interactive) this.#terminal.status(withBar(progress, this.#terminal.statusWidth))
    else if (!this.#terminal.json) this.#terminal.note(describe(progress))
  }

  /** Removes the bar. */
  end(): void {
    this.#terminal.status('')
  }
}

/** As much as there is room for: the text, which says more, before the bar, and how long it takes before how fast it is. */
function withBar(progress: MigrationProgress, room: number): string {
  const [whole = '', ...shorter] = texts(progress)
  const width = Math.min(BAR_WIDTH, room - whole.length - 1)
  if (width >= MIN_BAR_WIDTH) return `${bar(progress, width)} ${whole}`
  return [whole, ...shorter].find((text) => text.length <= room) ?? shorter.at(-1) ?? whole
}

function bar({ rows, total }: MigrationProgress, width: number): string {
  const full = total === 0 ? width : Math.min(width, Math.floor((rows / total) * width))
  return '█'.repeat(full) + '░'.repeat(width - full)
}

function describe(progress: MigrationProgress): string {
  return texts(progress)[0] ?? ''
}

/** How far it is, the longest text first. */
function texts({ entity, property, rows, total, elapsed }: MigrationProgress): string[] {
  const rate = rows / Math.max(elapsed / 1_000, 0.001)
  const remaining = rate > 0 ? Math.max(0, total - rows) / rate : 0
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((rows / total) * 100))
  const done = `${entity}.${property}: ${amount(rows)} of ${amount(total)} rows`
  const left = `${duration(remaining)} left`
  return [
    `${done} (${percent} %), ${amount(Math.round(rate))} rows/s, ${left}`,
    `${done} (${percent} %), ${left}`,
    `${done}, ${percent} %`,
    `${percent} %, ${left}`,
  ]
}

export function amount(value: number): string {
  return value.toLocaleString('en')
}

export function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}
