import { type QueryRunner } from 'typeorm'

/** TypeORM types parameters and results as any. */
export type Query = (...args: unknown[]) => Promise<unknown>

/** In a guarded runner: the `query` that it had. A property, as a WeakMap of runners costs more than all else of them. */
const UNGUARDED = Symbol('typeorm-kms-encrypted: query')

type Guarded = QueryRunner & { [UNGUARDED]?: Query }

export function isGuarded(queryRunner: QueryRunner): boolean {
  return (queryRunner as Guarded)[UNGUARDED] !== undefined
}

/** Keeps the `query` of a runner that is being guarded. */
export function keepUnguarded(queryRunner: QueryRunner, query: Query): void {
  ;(queryRunner as Guarded)[UNGUARDED] = query
}

/** Sends a statement as it is, and does not wait for those before it. */
export function unguardedQuery(queryRunner: QueryRunner): Query {
  return (queryRunner as Guarded)[UNGUARDED] ?? (queryRunner.query.bind(queryRunner) as Query)
}
