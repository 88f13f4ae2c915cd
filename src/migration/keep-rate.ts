import { setTimeout as sleep } from 'node:timers/promises'

/** What is done so far: rows, and milliseconds that they took. */
interface Done {
  readonly rows: number
  readonly elapsed: number
}

/** Waits until no more than `maxRate` rows a second were done, or until `signal` says that it is to stop. */
export async function keepRate(
  { rows, elapsed }: Done,
  maxRate: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (maxRate === undefined) return
  const ahead = (rows / maxRate) * 1_000 - elapsed
  if (ahead > 0) await sleep(ahead, undefined, { signal }).catch(() => undefined)
}
