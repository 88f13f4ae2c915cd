import { type QueryRunner } from 'typeorm'

/** TypeORM types parameters and results as any. */
export type Query = (...args: unknown[]) => Promise<unknown>

/** The `query` that each guarded runner had. */
export const guarded = new WeakMap<QueryRunner, Query>()

/** Sends a statement as it is, and does not wait for those before it. */
export function unguardedQuery(queryRunner: QueryRunner): Query {
  return guarded.get(queryRunner) ?? (queryRunner.query.bind(queryRunner) as Query)
}
