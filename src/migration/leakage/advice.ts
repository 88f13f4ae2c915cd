import { type ClassFigures } from './class-figures'

/** So few values can be told by how often they occur. */
const FEW = 100
/** A share of the rows by which a value can be told. */
const FREQUENT = 0.01

/** Values that ought to share their bits on average, so that bits tell little. */
const SHARING = 16

/** Bits of which that many values have the same, on average; `undefined` for too few values. */
function sharedBits(classes: number): number | undefined {
  const bits = Math.floor(Math.log2(classes / SHARING))
  return bits >= 1 ? bits : undefined
}

/** What ought to be done about what an index shows, in sentences. */
export function adviceOn(
  { rows, classes, largest, alone }: ClassFigures,
  nulls: number,
  lengths: { distinct: number; alone: number },
  { isTruncated, met }: { isTruncated: boolean; met: (bits: number) => number },
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
      `${classes} different values, the most frequent in ${percent(largest)} of the rows: who knows how often values occur can name them by their counts. Leave search out of this column; or index it together with something that tells rows apart (search.with).`,
    )
  } else {
    advice.push(
      `${percent(rows - alone)} of the rows have the ${isTruncated ? 'bits' : 'value'} of another row, and everyone who reads the database sees which.`,
    )
  }
  const bits = isTruncated ? undefined : sharedBits(classes)
  if (bits !== undefined && alone < rows) {
    advice.push(
      `If that says too much, search: { bits: ${bits} } has about ${SHARING} values share what the database sees; a search then opens about ${Math.ceil(met(bits))} rows, and a unique index is not to be had. It hides rare values among each other, and no frequent one.`,
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
