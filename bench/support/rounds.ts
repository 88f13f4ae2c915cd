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

/** What the rounds of one run took: milliseconds of time, and of processor time of the whole process. */
export interface Took {
  readonly time: number[]
  readonly processor: number[]
}

/** The times of `measureInTurns`. */
export async function timeInTurns<Name extends string>(
  runs: readonly (Run & { name: Name })[],
  options: RoundOptions,
): Promise<Record<Name, Samples>> {
  const took = await measureInTurns(runs, options)
  return Object.fromEntries(runs.map(({ name }) => [name, took[name].time])) as unknown as Record<
    Name,
    Samples
  >
}

/**
 * Times the runs in turns, so that each has the same share of what else the machine does, beginning with another
 * one in each round. The time of each includes the collection of its own young garbage:
 * ciphers are garbage that is dear to collect, and who stays just below what starts a collection would have it free.
 * Nothing collects the old: V8 then drops compiled code whose classes have no object left, and what was timed would be
 * how fast it is compiled again.
 */
export async function measureInTurns<Name extends string>(
  runs: readonly (Run & { name: Name })[],
  { rounds, warmUp = 3 }: RoundOptions,
): Promise<Record<Name, Took>> {
  const took = Object.fromEntries(
    runs.map(({ name }) => [name, { time: [], processor: [] }]),
  ) as unknown as Record<Name, Took>
  for (let round = -warmUp; round < rounds; round++) {
    for (const index of runs.keys()) {
      const { name, prepare, run } = runs[(index + round + warmUp) % runs.length]!
      await prepare?.()
      collectGarbage('minor')
      const [start, busy] = [performance.now(), process.cpuUsage()]
      await run()
      collectGarbage('minor')
      const [elapsed, { user, system }] = [performance.now() - start, process.cpuUsage(busy)]
      if (round < 0) continue
      took[name].time.push(elapsed)
      took[name].processor.push((user + system) / 1_000)
    }
  }
  return took
}

/** All of it, so that nobody pays for the garbage of the one before; or that of the last moments. */
export function collectGarbage(type: 'major' | 'minor' = 'major'): void {
  if (!globalThis.gc) throw new Error('The benchmarks need node --expose-gc: start them with npm run bench')
  if (type === 'minor') globalThis.gc({ type })
  else globalThis.gc()
}
