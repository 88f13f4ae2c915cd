/** How many requests are under way at once, and connections that they share. */
export const AT_ONCE = 40
export const POOL = 10

/** What a request does. */
export type Request = 'by id' | 'list' | 'create' | 'update'

/** Half by id, a third lists, the rest new rows and changed ones; the same sequence for whoever asks. */
export function requests(count: number): Request[] {
  const cycle: readonly Request[] = [
    'by id', 'list', 'by id', 'create', 'by id', 'list',
    'by id', 'update', 'by id', 'list', 'by id', 'list',
  ] // prettier-ignore
  return Array.from({ length: count }, (_, at) => cycle[at % cycle.length] ?? 'by id')
}

/** What a run of requests took. */
export interface Served {
  /** Milliseconds for all. */
  readonly elapsed: number
  /** Milliseconds of each. */
  readonly latencies: readonly number[]
}

/** Serves all requests, as many at once as there are clients. */
export async function serve(
  all: readonly Request[],
  answer: (request: Request, at: number) => Promise<unknown>,
): Promise<Served> {
  const latencies: number[] = []
  let next = 0
  const client = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) {
      const start = performance.now()
      await answer(all[at] ?? 'by id', at)
      latencies.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return { elapsed: performance.now() - start, latencies }
}
