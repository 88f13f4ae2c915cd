import { type Searched } from './plan-draft'

/** What is searched: a hash, several, or NULL. */
export type Hashes = Buffer | null | undefined | readonly Hashes[]

/** A statement as if the application had written it with the indexes. */
export interface Answered {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** The whole hashes of what is searched. */
  readonly searched: ReadonlyMap<Searched, Hashes>
}

/** One by one. NULL is none. */
export function hashesIn(hashes: Hashes): Buffer[] {
  if (Buffer.isBuffer(hashes)) return [hashes]
  return Array.isArray(hashes) ? hashes.flatMap(hashesIn) : []
}
