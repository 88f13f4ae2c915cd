/** Properties of the same row, as `boundTo.row` and `keyPer` take them: a list, or `{ name: property }`. */
export type RowProperties = readonly string[] | Readonly<Record<string, string>>

/** One property of the row, and the name that its pair has. */
export interface RowProperty {
  /** `undefined`: the name of the column in the database. */
  readonly name: string | undefined
  readonly property: string
}

export function rowPropertiesOf(given: RowProperties = []): RowProperty[] {
  return Array.isArray(given)
    ? (given as readonly string[]).map((property) => ({ name: undefined, property }))
    : Object.entries(given as Readonly<Record<string, string>>).map(([name, property]) => ({
        name,
        property,
      }))
}

/**
 * Refuses what names no properties. Only among `previous` settings may there be none: then values were bound to no
 * row, or keyed by nothing.
 */
export function checkRowProperties(
  option: 'boundTo.row' | 'keyPer',
  given: unknown,
  mayBeEmpty: boolean,
  refuse: (reason: string) => never,
): void {
  if (given === undefined) return
  if (typeof given !== 'object' || given === null) {
    refuse(`${option} must be a list of properties of the entity, or an object { name: property }`)
  }
  const properties = Object.values(given) as unknown[]
  if (properties.some((property) => typeof property !== 'string' || property === '')) {
    refuse(`${option} must name properties of the entity, as non-empty strings`)
  }
  if (properties.length === 0 && !mayBeEmpty) {
    refuse(`${option} is empty. Name at least one property of the entity, or leave the option out.`)
  }
  if (new Set(properties).size < properties.length) refuse(`${option} names a property twice`)
}
