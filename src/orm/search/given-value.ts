import { type SearchPlan } from './search-plan'

/**
 * A boolean or a date of a condition that is written as text, on SQLite: TypeORM's driver would make a number or a text of
 * it, which is right for a plain column, and another value for an encrypted one of JSON. Which of the two is compared
 * with it, the statement tells: nobody else gets it.
 */
export class GivenValue {
  /** True once there was one: until then no statement need be looked at for them. */
  static exists = false
  readonly #value: unknown
  readonly #driver: unknown

  constructor(value: unknown, driver: unknown) {
    GivenValue.exists = true
    this.#value = value
    this.#driver = driver
  }

  /** As the application gave it. */
  get value(): unknown {
    return this.#value
  }

  /** As TypeORM's driver gives it to the database; also in keys of the query result cache. */
  toJSON(): unknown {
    return this.#driver
  }
}

/** The parameters of a statement, with what the driver makes of those values that it does not search. */
export function withoutGiven(plan: SearchPlan | undefined, parameters: unknown): unknown {
  if (!GivenValue.exists || !Array.isArray(parameters)) return parameters
  if (!parameters.some((each) => each instanceof GivenValue)) return parameters
  const searched = new Set(plan?.searched.flatMap((each) => each.parameters))
  return parameters.map((each: unknown, at) =>
    each instanceof GivenValue && !searched.has(at) ? each.toJSON() : each,
  )
}
