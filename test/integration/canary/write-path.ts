import { type Stage } from './stage'

/** One way in which an application can write an encrypted column through TypeORM. */
export interface WritePath {
  readonly name: string
  /** Left out where TypeORM or the database does not have it. */
  readonly available?: (stage: Stage) => boolean
  /** Code of the library's error with which it is refused. */
  readonly refused?: string
  /** The database or the application itself makes it fail. */
  readonly fails?: true
  /** False where the values are deleted or rolled back in the end. */
  readonly keeps?: false
  readonly run: (stage: Stage) => Promise<unknown>
}
