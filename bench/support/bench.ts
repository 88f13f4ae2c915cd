import { type Place } from './databases'
import { type BenchKms } from './kms'
import { type Report } from './report'

/** What every measure gets. */
export interface Bench {
  kms: BenchKms
  places: readonly Place[]
  /** The places and, where the environment names a server of it, PostgreSQL. */
  allPlaces: readonly Place[]
  report: Report
  /** A quick run has fewer rounds. */
  quick: boolean
}
