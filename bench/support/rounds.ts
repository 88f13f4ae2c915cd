import { type Samples } from './statistics'

/** Something to be timed. */
export interface Run {
  name: string
  /** Not timed: what must be there before. */
  prepare?: () => unknown
  run: () => unknown
}

export interface RoundOptions {
  rounds: number
  /** Rounds before those, not recorded, in which V8 compiles what is hot. Default 3. */
  warmUp?: number
}

/**
 * Times the runs in turns, so that each has the same share of what else the machine does, beginning with another
 * one in each round. Returns milliseconds by name.
 */
export async function timeInTurns<Name extends string>(
  runs: readonly (Run & { name: Name })[],
  { rounds, warmUp = 3 }: RoundOptions,
): Promise<Record<Name, Samples>> {
  const samples = Object.fromEntries(runs.map(({ name }) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -warmUp; round < rounds; round++) {
    for (const index of runs.keys()) {
      const { name, prepare, run } = runs[(index + round + warmUp) % runs.length]!
      await prepare?.()
      collectGarbage()
      const start = performance.now()
      await run()
      const elapsed = performance.now() - start
      if (round >= 0) samples[name].push(elapsed)
    }
  }
  return samples
}

/** So that nobody pays for the garbage of the one before. */
export function collectGarbage(): void {
  if (!globalThis.gc) throw new Error('The benchmarks need node --expose-gc: start them with npm run bench')
  globalThis.gc()
}
