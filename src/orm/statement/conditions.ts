import { type Fact } from './facts'
import { type TableIndex } from './names'
import { type NameUse, type Query, sourcesOf } from './scope'
import { type Condition } from './statement'

/** What the WHERE of a statement itself says of its rows. */
export function conditionsOf({ branches: [scope, ...others] }: Query, index: TableIndex): Condition[] {
  return scope && others.length === 0 ? conditionsIn(scope.facts, index) : []
}

/** What holds for each row for which all these facts do. */
export function conditionsIn(facts: readonly Fact<NameUse>[], index: TableIndex): Condition[] {
  return facts.flatMap((fact) => {
    if ('any' in fact) return common(fact.any.map((each) => conditionsIn(each, index)))
    const [source, ...others] = sourcesOf(fact.use, index)
    const { placeholders, integers, operator } = fact
    const arrays = operator.includes(' ') ? placeholders : []
    return source && others.length === 0 ? [{ source, placeholders, arrays, integers }] : []
  })
}

/** What each alternative says of a column: it equals a parameter of one of them. */
function common(alternatives: readonly (readonly Condition[])[]): Condition[] {
  const all = new Map<string, Condition[]>()
  for (const conditions of alternatives) {
    const seen = new Set<string>()
    for (const condition of conditions) {
      const { row, column } = condition.source
      const key = JSON.stringify([row, column.name])
      // Of two conditions on one column, either is true.
      if (seen.has(key)) continue
      seen.add(key)
      const same = all.get(key)
      if (same) same.push(condition)
      else all.set(key, [condition])
    }
  }
  return [...all.values()].flatMap((same) => {
    const [first] = same
    if (!first || same.length < alternatives.length) return []
    return [
      {
        source: first.source,
        placeholders: same.flatMap(({ placeholders }) => placeholders),
        arrays: same.flatMap(({ arrays }) => arrays),
        integers: same.flatMap(({ integers }) => integers),
      },
    ]
  })
}
