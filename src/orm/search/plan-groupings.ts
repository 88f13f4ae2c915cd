import { type GroupedColumn, type Grouping } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import { indexesOf, type PlanDraft } from './plan-draft'

/** Has DISTINCT, GROUP BY and COUNT(DISTINCT) tell equal values by their index. */
export class PlannedGroupings {
  constructor(private readonly draft: PlanDraft) {}

  plan(): void {
    const { uses, groupings } = this.draft.statement
    for (const each of uses) if (each.place === 'counted-distinct' && !each.isRaw) this.#rename(each)
    for (const each of groupings) this.#group(each)
  }

  /** The index by which equal values are told, if the column has such. */
  #telling({ source, isDirect }: Pick<GroupedColumn, 'source' | 'isDirect'>): BlindIndex | undefined {
    const index = isDirect ? indexesOf(source?.column).find(({ isOfValue }) => isOfValue) : undefined
    return index?.isExact && index.constant && !index.declared.isFilling ? index : undefined
  }

  /** The index stands in the place of the column. Returns `false` where it cannot. */
  #rename(column: GroupedColumn): boolean {
    const index = this.#telling(column)
    if (!index) return false
    this.draft.answering.add(index)
    this.draft.answered.add(column.start)
    this.draft.edits.push({ start: column.nameStart, end: column.end, text: this.draft.nameOf(index) })
    return true
  }

  /** Groups are told by the index, and each shows one of its values. DISTINCT becomes GROUP BY. */
  #group({ distinct, groups, items, end }: Grouping): void {
    const { text } = this.draft
    const isEncrypted = ({ source }: GroupedColumn): boolean => source?.column.isEncrypted === true
    const grouped = distinct ? items : groups
    if (!grouped.filter(isEncrypted).every((each) => this.#telling(each))) return
    if (!distinct) for (const each of groups.filter(isEncrypted)) this.#rename(each)
    for (const item of items.filter(isEncrypted)) {
      const of = grouped.find(
        ({ source }) => source?.column === item.source?.column && source?.row === item.source?.row,
      )
      const index = of && this.#telling(item)
      if (!index) continue
      this.draft.answering.add(index)
      this.draft.answered.add(item.start)
      const name = item.ownName === undefined ? '' : ` AS ${this.draft.language.escape(item.ownName)}`
      const any = this.draft.language.anyValue(text.slice(item.start, item.end)) + name
      this.draft.edits.push({ start: item.start, end: item.end, text: any })
    }
    if (!distinct) return
    const list = items.map((item) => {
      const index = isEncrypted(item) ? this.#telling(item) : undefined
      return (
        text.slice(item.start, index ? item.nameStart : item.end) + (index ? this.draft.nameOf(index) : '')
      )
    })
    this.draft.edits.push({ start: distinct[0], end: distinct[1], text: '' })
    this.draft.edits.push({ start: end, end, text: ` GROUP BY ${list.join(', ')}` })
  }
}
