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
