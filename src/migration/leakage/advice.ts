import { type ClassFigures } from './class-figures'

/** So few values can be told by how often they occur. */
const FEW = 100
/** A share of the rows by which a value can be told. */
const FREQUENT = 0.01

/** What ought to be done about what an index shows, in sentences. */
export function adviceOn(
  { rows, classes, largest, alone }: ClassFigures,
  nulls: number,
  lengths: { distinct: number; alone: number },
): string[] {
  if (rows === 0) return ['There are no values yet.']
  const advice: string[] = []
  const percent = (part: number): string => `${((100 * part) / rows).toFixed(part / rows < 0.1 ? 1 : 0)} %`
  if (alone === rows) {
    advice.push(
      'Every value occurs once, so that frequencies show nothing. Who can have a row written finds the row with the same value.',
    )
  } else if (classes <= FEW || largest / rows >= FREQUENT) {
    advice.push(
      `${classes} different values, the most frequent in ${percent(largest)} of the rows: who knows how often values occur can name them by their counts. Leave search out of this column; or index it together with something that tells rows apart, in one JSON value.`,
    )
  } else {
    advice.push(
      `${percent(rows - alone)} of the rows have the value of another row, and everyone who reads the database sees which. If that says too much, search a coarser value (from), in which many values are one.`,
    )
  }
  if (lengths.distinct > 1) {
    const some = lengths.alone > 0 ? `, and ${lengths.alone} rows have a length of their own` : ''
    advice.push(
      `Ciphertexts have ${lengths.distinct} different lengths${some}: each tells the length of its value to the byte. If that says something, store values of one length.`,
    )
  }
  if (nulls > 0) advice.push(`Which ${nulls} rows have no value is there to be seen.`)
  return advice
}
