import { type DataSource, type FindManyOptions, type ObjectLiteral, type SelectQueryBuilder } from 'typeorm'
import { classOf, type ReplacedMethods } from '../replaced-methods'
import { areRowsSeen, ComparedRows, isComparing } from './compared-rows'

type Builder = SelectQueryBuilder<ObjectLiteral>

/** What the rows of a query are for: nobody opens raw ones; others are compared. */
export type QueryUse = 'entities' | 'raw' | ComparedRows

/**
 * Tells the queries of `getRawMany()` and `getRawOne()`, whose values nobody opens, and those of `save` for the rows that
 * it compares: TypeORM sends the same statements for them as for `getMany()`. Between the call and the statement nothing is awaited, so that a flag tells.
 *
 * A query that it does not recognise counts as one for entities: of a builder that was made with `new`, in a
 * transaction that the builder starts itself, or after the query result cache was asked. That costs calls to KMS, and
 * changes no result.
 */
export class RawQueries {
  #sending: QueryUse = 'entities'
  #areRowsSeen = (): boolean => true
  /** Of all builders. */
  readonly #methods = methodsOf(
    (use, send) => this.#send(use, send),
    (builder) => this.#watched(builder),
    () => this.#areRowsSeen(),
  )

  /** What the query that is being sent is for. To be asked once for a query, before anything is awaited. */
  take(): QueryUse {
    const use = this.#sending
    // A logger may query for entities while this query is sent.
    this.#sending = 'entities'
    return use
  }

  #getOneOrFail: Builder['getOneOrFail'] | undefined

  /**
   * Recognises the queries of all builders that this DataSource makes. Only this one instance is changed. `isOurs` knows
   * our own subscribers; `getOneOrFail`: what those builders do instead of the method of their class.
   */
  watch(
    dataSource: DataSource,
    methods: ReplacedMethods,
    isOurs: (subscriber: object) => boolean,
    getOneOrFail?: Builder['getOneOrFail'],
  ): void {
    this.#areRowsSeen = () => areRowsSeen(dataSource, isOurs)
    this.#getOneOrFail = getOneOrFail
    methods.replace(dataSource, 'createQueryBuilder', (original) => {
      const create = original as (...args: unknown[]) => Builder
      return ((...args: unknown[]) => this.#watched(create(...args))) as typeof original
    })
  }

  /** One by one: `Object.assign` takes ten times as long, and TypeORM makes a builder for each statement. */
  #watched(builder: Builder): Builder {
    const { getRawMany, setFindOptions, whereInIds, getMany, clone } = this.#methods
    builder.getRawMany = getRawMany
    builder.setFindOptions = setFindOptions
    builder.whereInIds = whereInIds
    builder.getMany = getMany
    builder.clone = clone
    if (this.#getOneOrFail) builder.getOneOrFail = this.#getOneOrFail
    return builder
  }

  #send<Result>(use: QueryUse, send: () => Result): Result {
    const outer = this.#sending
    this.#sending = use
    try {
      return send()
    } finally {
      this.#sending = outer
    }
  }
}

type Methods = Pick<Builder, 'getRawMany' | 'setFindOptions' | 'whereInIds' | 'getMany' | 'clone'>

/** What a builder does instead of the methods of its class. */
function methodsOf(
  send: <Result>(use: QueryUse, send: () => Result) => Result,
  watched: (builder: Builder) => Builder,
  areSeen: () => boolean,
): Methods {
  const comparing = new WeakSet<Builder>()
  const compared = new WeakMap<Builder, ComparedRows>()
  return {
    getRawMany<Raw>(this: Builder) {
      return send('raw', () => classOf(this).getRawMany.call(this) as Promise<Raw[]>)
    },
    setFindOptions(this: Builder, options: FindManyOptions) {
      if (isComparing(options)) comparing.add(this)
      return classOf(this).setFindOptions.call(this, options)
    },
    whereInIds(this: Builder, ids: unknown) {
      const rows = comparing.has(this) ? ComparedRows.of(ids, areSeen()) : undefined
      if (rows) compared.set(this, rows)
      return classOf(this).whereInIds.call(this, ids)
    },
    getMany(this: Builder) {
      const getMany = (): Promise<ObjectLiteral[]> => classOf(this).getMany.call(this)
      const rows = compared.get(this)
      return rows ? send(rows, getMany) : getMany()
    },
    clone(this: Builder) {
      return watched(classOf(this).clone.call(this))
    },
  }
}
