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
 * one in each round. Returns milliseconds by name. The time of each includes the collection of its own young garbage:
 * ciphers are garbage that is dear to collect, and who stays just below what starts a collection would have it free.
 * Nothing collects the old: V8 then drops compiled code whose classes have no object left, and what was timed would be
 * how fast it is compiled again.
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
      collectGarbage('minor')
      const start = performance.now()
      await run()
      collectGarbage('minor')
      const elapsed = performance.now() - start
      if (round >= 0) samples[name].push(elapsed)
    }
  }
  return samples
}

/** All of it, so that nobody pays for the garbage of the one before; or that of the last moments. */
export function collectGarbage(type: 'major' | 'minor' = 'major'): void {
  if (!globalThis.gc) throw new Error('The benchmarks need node --expose-gc: start them with npm run bench')
  if (type === 'minor') globalThis.gc({ type })
  else globalThis.gc()
}
