import { KmsException } from './exception'
import { type RequestFields } from './request-fields'

/** One page of a list operation. */
export interface Page<T> {
  items: T[]
  /** `Truncated`, and `NextMarker` when there is more. */
  rest: { Truncated: boolean; NextMarker?: string }
}

/**
 * Reads `Limit` and `Marker`, then cuts the page out of the items. A marker holds the identity of the last
 * item seen, so that a list which changes between two pages neither repeats nor loses the others.
 *
 * @param usual the page size without `Limit`, and `most` the largest page that AWS returns.
 */
export function readPage(input: RequestFields, operation: string, usual: number, most = 1000) {
  const limit = input.optionalInteger('Limit', 1, 1000)
  const marker = input.optionalString('Marker', { min: 1, max: 1024, pattern: /^[\u0020-\u00FF]*$/ })
  return <T>(items: readonly T[], identity: (item: T) => string): Page<T> => {
    const sorted = items.map((item) => ({ item, id: identity(item) })).sort((a, b) => (a.id < b.id ? -1 : 1))
    const after = marker === undefined ? undefined : readMarker(marker, operation)
    const remaining = after === undefined ? sorted : sorted.filter(({ id }) => id > after)
    const page = remaining.slice(0, Math.min(limit ?? usual, most))
    const last = page.at(-1)
    const rest =
      last && page.length < remaining.length
        ? { Truncated: true, NextMarker: writeMarker(operation, last.id) }
        : { Truncated: false }
    return { items: page.map(({ item }) => item), rest }
  }
}

const writeMarker = (operation: string, id: string) =>
  Buffer.from(JSON.stringify([operation, id])).toString('base64')

function readMarker(marker: string, operation: string): string {
  try {
    const [of, id] = JSON.parse(Buffer.from(marker, 'base64').toString()) as unknown[]
    if (of === operation && typeof id === 'string') return id
  } catch {
    // Not a marker of ours: refused below.
  }
  throw new KmsException('InvalidMarkerException', `Could not deserialize marker '${marker}'`)
}
