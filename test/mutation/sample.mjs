import { createHash } from 'node:crypto'

/** The share of the mutants that are tried, and what draws them. */
const share = Number(process.env.MUTATION_SHARE ?? 1)
const seed = process.env.MUTATION_SEED ?? '1'

export const isSample = share < 1

/** Whether a mutant is among those that are tried: the same ones for the same seed, however the code around them changes. */
export function isDrawn({ mutatorName, replacement, location: { start, end } }) {
  if (!isSample) return true
  const what = JSON.stringify([
    seed,
    mutatorName,
    replacement,
    start.line,
    start.column,
    end.line,
    end.column,
  ])
  return createHash('sha256').update(what).digest().readUInt32BE() < share * 2 ** 32
}
