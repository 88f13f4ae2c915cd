/**
 * A point in time from which on time is measured by two clocks, and the longer time counts: the monotonic one may stand
 * still while the machine is suspended, and the other one may be set back.
 */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

export function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() }
}

/** Milliseconds since then. */
export function since({ monotonic, wall }: Moment): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall)
}
