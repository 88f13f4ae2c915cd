import { type MigrationProgress } from '../migration'
import { type Terminal } from './terminal'

const BAR_WIDTH = 24
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
    if (interactive) this.#terminal.status(`${bar(progress)} ${describe(progress)}`)
    else if (!this.#terminal.json) this.#terminal.note(describe(progress))
  }

  /** Removes the bar. */
  end(): void {
    this.#terminal.status('')
  }
}

function bar({ rows, total }: MigrationProgress): string {
  const full = total === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((rows / total) * BAR_WIDTH))
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}

function describe({ entity, property, rows, total, elapsed }: MigrationProgress): string {
  const rate = rows / Math.max(elapsed / 1_000, 0.001)
  const remaining = rate > 0 ? Math.max(0, total - rows) / rate : 0
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((rows / total) * 100))
  return `${entity}.${property}: ${amount(rows)} of ${amount(total)} rows (${percent} %), ${amount(Math.round(rate))} rows/s, ${duration(remaining)} left`
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
