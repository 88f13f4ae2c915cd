import { type DataSource, type ObjectLiteral, type SelectQueryBuilder } from 'typeorm'
import { type ReplacedMethods } from '../replaced-methods'

type Builder = SelectQueryBuilder<ObjectLiteral>

/**
 * Tells the queries of `getRawMany()` and `getRawOne()`, whose values nobody opens: TypeORM sends the same statement
 * for them as for `getMany()`. Between the call and the statement nothing is awaited, so that a flag tells.
 *
 * A query that it does not recognise counts as one for entities: of a builder that was made with `new`, in a
 * transaction that the builder starts itself, or after the query result cache was asked. That costs calls to KMS, and
 * changes no result.
 */
export class RawQueries {
  #isSending = false
  /** Of all builders: TypeORM makes two for each row that it saves. */
  readonly #methods = methodsOf(
    (send) => this.#sending(send),
    (builder) => this.#watched(builder),
  )

  /** True if the query that is being sent is raw. To be asked once for a query, before anything is awaited. */
  take(): boolean {
    const isSending = this.#isSending
    // A logger may query for entities while this query is sent.
    this.#isSending = false
    return isSending
  }

  /** Recognises the raw queries of all builders that this DataSource makes. Only this one instance is changed. */
  watch(dataSource: DataSource, methods: ReplacedMethods): void {
    methods.replace(dataSource, 'createQueryBuilder', (original) => {
      const create = original as (...args: unknown[]) => Builder
      return ((...args: unknown[]) => this.#watched(create(...args))) as typeof original
    })
  }

  #watched(builder: Builder): Builder {
    return Object.assign(builder, this.#methods)
  }

  #sending<Result>(send: () => Result): Result {
    const outer = this.#isSending
    this.#isSending = true
    try {
      return send()
    } finally {
      this.#isSending = outer
    }
  }
}

/** What a builder does instead of the methods of its class. */
function methodsOf(
  sending: <Result>(send: () => Result) => Result,
  watched: (builder: Builder) => Builder,
): object {
  return {
    getRawMany(this: Builder) {
      return sending(() => classOf(this).getRawMany.call(this))
    },
    clone(this: Builder) {
      return watched(classOf(this).clone.call(this))
    },
  }
}

function classOf(builder: Builder): Builder {
  return Object.getPrototypeOf(builder) as Builder
}
