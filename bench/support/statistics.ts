/** Samples of one quantity, one per round. */
export type Samples = readonly number[]

/** The value below which the given share of the samples lies, between neighbours in proportion. */
export function quantile(samples: Samples, share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position % 1)
}

export const median = (samples: Samples): number => quantile(samples, 0.5)

/** Round by round, so that what slows the machine down in one round slows both sides. */
export function combine(a: Samples, b: Samples, by: (a: number, b: number) => number): number[] {
  return a.map((value, round) => by(value, b[round] ?? Number.NaN))
}

export const ratios = (a: Samples, b: Samples): number[] => combine(a, b, (x, y) => x / y)
export const differences = (a: Samples, b: Samples): number[] => combine(a, b, (x, y) => x - y)
