/** How many classes there are of a size; a class is all rows with one index. */
export interface ClassSize {
  readonly size: number
  readonly classes: number
}

/** What classes tell whoever reads the database. */
export interface ClassFigures {
  /** Rows that have an index. */
  rows: number
  /** Different indexes. */
  classes: number
  /** Rows of the largest class. */
  largest: number
  /** Rows that are alone in their class. */
  alone: number
  /** Rows with the index of a row, on average over the rows: what a search finds. */
  met: number
  /** Shannon entropy of the classes, in bits: what the index tells of a row. */
  entropy: number
  /** Bits that a guess of the most frequent value lacks: `-log2(largest / rows)`. */
  guess: number
}

export function classFigures(sizes: readonly ClassSize[]): ClassFigures {
  const sum = (of: (each: ClassSize) => number): number => sizes.reduce((total, each) => total + of(each), 0)
  const rows = sum(({ size, classes }) => size * classes)
  const largest = sizes.reduce((most, { size }) => Math.max(most, size), 0)
  const share = (size: number): number => size / rows
  return {
    rows,
    classes: sum(({ classes }) => classes),
    largest,
    alone: sum(({ size, classes }) => (size === 1 ? classes : 0)),
    met: sum(({ size, classes }) => classes * size * share(size)),
    entropy: sum(({ size, classes }) => -classes * share(size) * Math.log2(share(size))),
    guess: rows === 0 ? 0 : -Math.log2(share(largest)) + 0,
  }
}

/**
 * What is to be expected of the first bits of an index, which are as good as random: values that share them, and rows
 * that a search meets, its own class and its part of all others.
 */
export function expectedOfBits(sizes: readonly ClassSize[], bits: number): { values: number; met: number } {
  const { rows, classes, met } = classFigures(sizes)
  const part = 2 ** -bits
  return {
    values: classes === 0 ? 0 : 1 + (classes - 1) * part,
    met: rows === 0 ? 0 : met + (rows - met) * part,
  }
}
