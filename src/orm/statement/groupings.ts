import { type TableIndex } from './names'
import { isOwnName, type NameUse, type Query, type Scope, sourcesOf } from './scope'
import { type ColumnUse, type GroupedColumn, type Grouping } from './statement'

/** A statement whose names are resolved. */
interface GroupedStatement {
  readonly scopes: readonly Scope[]
  readonly uses: readonly ColumnUse[]
  /** The query that a scope is a branch of. */
  readonly queryOf: (scope: Scope) => Query | undefined
  readonly index: TableIndex
}

/** DISTINCT and GROUP BY by encrypted columns, of one SELECT alone. */
export function groupingsIn({ scopes, uses, queryOf, index }: GroupedStatement): Grouping[] {
  const grouped = new Set(uses.flatMap(({ start, place }) => (place === 'grouped' ? start : [])))
  if (grouped.size === 0) return []
  return scopes.flatMap((scope) => {
    const { items, distinct, end } = scope
    const query = queryOf(scope)
    const groups = scope.groups.flatMap(({ use }) => use ?? [])
    const columns = items.flatMap(({ use }) => (use && !use.isStar ? use : []))
    const isAlone = query?.branches.length === 1 && !query.comparesRows && scope.distinctOn.length === 0
    const isWhole = groups.length === scope.groups.length
    if (!isAlone || !isWhole || ![...groups, ...columns].some(({ start }) => grouped.has(start))) return []
    if (scope.isDistinct && (!distinct || groups.length > 0 || columns.length < items.length)) return []
    const selected = items.flatMap(({ use, name, hasAlias }) =>
      use && !use.isStar
        ? { ...groupedColumn(use, index), ownName: hasAlias === true ? undefined : name?.text }
        : [],
    )
    return { distinct, end, groups: groups.map((use) => groupedColumn(use, index)), items: selected }
  })
}

function groupedColumn(use: NameUse, index: TableIndex): GroupedColumn {
  const [source, ...others] = sourcesOf(use, index)
  const { start, end, nameStart } = use
  const isDirect = source !== undefined && others.length === 0 && isOwnName(use, source, index)
  return { source, start, end, nameStart, isDirect }
}
