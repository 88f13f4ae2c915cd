import { type QueryRunner } from 'typeorm'
import { refuseUnopened } from '../search/found-rows'
import { withoutGiven } from '../search/given-value'
import { answer, prepareSearch } from '../search/sending'
import { hasPending } from '../write/parameters'
import { Door, type StoredSealing, type Workings } from './door'
import { Passage } from './passage'
import { isGuarded, keepUnguarded, type Query } from './unguarded-query'

/**
 * Makes a query runner encrypt the values of its statements and decrypt the rows of its results. Every statement
 * of TypeORM goes through `QueryRunner.query`, with listeners on or off, and it can wait there for KMS: a
 * statement is not sent before all its values are ciphertext.
 *
 * Only this one instance is changed. Raw queries of the application pass as they are.
 */
export function guardQueryRunner(
  queryRunner: QueryRunner,
  workings: () => Workings | undefined,
  sealing: StoredSealing | undefined,
): QueryRunner {
  if (isGuarded(queryRunner)) return queryRunner
  // TypeORM types parameters and results as any; its third argument asks for a QueryResult instead of raw rows,
  // which is how its own query builders call.
  const query = queryRunner.query.bind(queryRunner) as Query
  keepUnguarded(queryRunner, query)
  const door = new Door(queryRunner, query, workings, sealing)
  // One by one: Object.assign takes ten times as long, and TypeORM makes a runner for each statement.
  queryRunner.stream = guardedStream(door)
  queryRunner.clearDatabase = guardedClear(door)
  queryRunner.release = guardedRelease(door)
  queryRunner.query = (sql: string, parameters?: unknown, structured: unknown = false) =>
    new Passage(door, sql, parameters, structured === true).pass() as Promise<never>
  return queryRunner
}

/** A stream's rows are raw. */
function guardedStream(door: Door): QueryRunner['stream'] {
  const { queryRunner } = door
  const stream = queryRunner.stream.bind(queryRunner)
  return async (sql, given, ...rest) => {
    const { workings } = door
    const plan = workings?.guard.check(sql, given)
    const parameters = withoutGiven(plan, given) as typeof given
    if (!plan || !workings) {
      hasPending(parameters)
      return stream(sql, parameters, ...rest)
    }
    refuseUnopened(plan)
    const matches = await prepareSearch(plan, sql, parameters, workings.completeness, door)
    const answered = answer(plan, sql, parameters ?? [], { matches })
    hasPending(answered.parameters)
    return stream(answered.sql, [...answered.parameters], ...rest)
  }
}

/** All tables go, the values with the keys. */
function guardedClear(door: Door): QueryRunner['clearDatabase'] {
  const clearDatabase = door.queryRunner.clearDatabase.bind(door.queryRunner)
  return async (...database) => {
    door.isClearing = true
    try {
      await clearDatabase(...database)
    } finally {
      door.isClearing = false
      door.sealing?.keys.clear()
    }
  }
}

function guardedRelease(door: Door): QueryRunner['release'] {
  const release = door.queryRunner.release.bind(door.queryRunner)
  return () => {
    door.announced?.clear()
    return release()
  }
}
