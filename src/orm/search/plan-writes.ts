import { InvalidValueError } from '../../errors'
import { type Assignment, type Statement, type Updated } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import {
  CannotBeSearched,
  indexesOf,
  isSameIndex,
  type PlanDraft,
  refused,
  sharedIndexesOf,
} from './plan-draft'

/** An UPDATE of some of the columns of an index over several: the others must be read. */
export interface PartialWrite {
  readonly index: BlindIndex
  /** The numbers of the parameters that are assigned, one for each member; `undefined` for what must be read. */
  readonly assigned: readonly (number | undefined)[]
  readonly updated: Updated
  /** Where the assignment of the index goes, behind the parameter with this number, and how its column is named. */
  readonly end: number
  readonly behind: number
  readonly name: string
}

/** Has the index stand behind each value that a statement writes. */
export class PlannedWrites {
  readonly partial: PartialWrite[] = []

  constructor(private readonly draft: PlanDraft) {}

  plan(): void {
    const { inserts, assignments } = this.draft.statement
    for (const each of inserts) {
      this.#insert(each)
      this.#findConflicts(each)
    }
    const compound: BlindIndex[] = []
    for (const each of assignments) {
      this.#assign(each)
      for (const index of compoundOf(each))
        if (!compound.some((other) => isSameIndex(other, index))) compound.push(index)
    }
    for (const index of compound) this.#assignTogether(index)
  }

  /** An upsert by a unique index asks whether a row has the value: one without its index would get a double. */
  #findConflicts({ columns, conflict, mayBeIgnored }: Statement['inserts'][number]): void {
    if (!conflict && !mayBeIgnored) return
    const { draft } = this
    for (const index of columns.flatMap(({ column }) => indexesOf(column))) {
      if (!index.declared.isUnique) continue
      const isAsked = conflict?.columns?.includes(index.metadata.databaseName) ?? true
      if (isAsked) draft.answering.add(index)
      // A builder's `orUpdate` names the column itself.
      const place =
        index === index.column.searchedBy
          ? conflict?.columns?.indexOf(index.column.metadata.databaseName)
          : -1
      const span = conflict?.spans[place ?? -1]
      if (!span) continue
      draft.answering.add(index)
      draft.answered.add(span[0])
      draft.edit(...span, draft.nameOf(index))
    }
  }

  #insert({ columns, runs }: Statement['inserts'][number]): void {
    const { draft } = this
    for (const [place, { column, end }] of columns.entries()) {
      const indexes = indexesOf(column)
      if (indexes.length === 0) continue
      draft.edit(end, end, indexes.map((index) => `, ${draft.nameOf(index)}`).join(''))
      for (const { cells, rows, stride, ends } of runs) {
        for (let row = 0; row < rows; row++) {
          const at = ends.get(place)?.[row]
          if (at === undefined) throw refused(column)
          const values = indexes.map((index) => {
            draft.written.add(index)
            const all = index.members.map(({ metadata }) => {
              const cell = cells[columns.findIndex((each) => each.name === metadata.databaseName)]
              return cell ?? { kind: 'null' as const }
            })
            if (all.some(({ kind }) => kind === 'null')) return ', NULL'
            if (all.some(({ kind }) => kind === 'default')) return ', DEFAULT'
            const parameters = all.flatMap((cell) =>
              cell.kind === 'placeholder' && cell.index >= 0 ? [cell.index + row * stride] : [],
            )
            const [first] = parameters
            if (first === undefined || parameters.length < all.length) throw refused(column)
            return `, ${draft.parameters.add(first, { kind: 'written', parameters, index })}`
          })
          draft.edit(at, at, values.join(''))
        }
      }
    }
  }

  #assign(assignment: Assignment): void {
    const indexes = indexesOf(assignment.column).filter(({ isCompound }) => !isCompound)
    const { value, end } = assignment
    for (const index of indexes) {
      this.draft.written.add(index)
      if (this.#isThere(index, assignment)) continue
      const name = this.#qualified(index, assignment)
      const { index: parameter } = value.kind === 'placeholder' ? value : { index: -1 }
      if (value.kind === 'null' || value.kind === 'default')
        this.draft.edit(end, end, `, ${name} = ${value.kind.toUpperCase()}`)
      else if (value.kind === 'itself') this.#assignItself(index, assignment)
      else if (parameter < 0) throw refused(assignment.column)
      else this.#assignValue(index, assignment, [parameter])
    }
  }

  /** An index over several columns, of which the statement assigns one or more. */
  #assignTogether(index: BlindIndex): void {
    const { draft } = this
    const { assignments, updated } = draft.statement
    draft.written.add(index)
    const assigned = index.members.map(({ metadata }) =>
      assignments.find(
        ({ column, name }) =>
          name === metadata.databaseName &&
          column !== undefined &&
          compoundOf({ column }).some((each) => isSameIndex(each, index)),
      ),
    )
    const [first, ...others] = assigned.filter((each) => each !== undefined)
    if (!first || this.#isThere(index, first)) return
    const isWhole = others.length + 1 === assigned.length
    const none = [first, ...others].find(({ value }) => value.kind === 'null')
    if (none) {
      draft.edit(none.end, none.end, `, ${this.#qualified(index, none)} = NULL`)
      return
    }
    if (isWhole && assigned.every((each) => each?.value.kind === 'itself')) {
      this.#assignItself(index, first)
      return
    }
    const parameters = assigned.map((each) =>
      each?.value.kind === 'placeholder' && each.value.index >= 0 ? each.value.index : undefined,
    )
    const known = parameters.filter((each) => each !== undefined)
    const [behind] = known
    if (isWhole && known.length === assigned.length) this.#assignValue(index, first, known)
    else if (behind !== undefined && updated && known.length === others.length + 1) {
      const { end } = first
      const name = this.#qualified(index, first)
      this.partial.push({ index, assigned: parameters, updated, end, behind, name })
    } else throw cannotBeMade(index)
  }

  #assignValue(index: BlindIndex, assignment: Assignment, parameters: readonly number[]): void {
    const { end, value } = assignment
    const behind = value.kind === 'placeholder' ? value.index : -1
    const placeholder = this.draft.parameters.add(behind, { kind: 'written', parameters, index })
    this.draft.edit(end, end, `, ${this.#qualified(index, assignment)} = ${placeholder}`)
  }

  #assignItself(index: BlindIndex, assignment: Assignment): void {
    const { value, end, nameEnd } = assignment
    if (value.kind !== 'itself') throw refused(assignment.column)
    const { text } = this.draft
    const name = this.draft.nameOf(index)
    const before = text.slice(nameEnd, value.nameStart)
    const behind = text.slice(value.nameEnd, end)
    this.draft.edit(end, end, `, ${this.#qualified(index, assignment)}${before}${name}${behind}`)
  }

  /** TypeORM writes it itself where the index is a conflict path of an upsert. */
  #isThere({ metadata }: BlindIndex, { value }: Assignment): boolean {
    return (
      value.kind === 'itself' &&
      this.draft.statement.assignments.some(
        (other) => other.column?.name === metadata.databaseName && other.value.kind === 'itself',
      )
    )
  }

  #qualified(index: BlindIndex, { column, start, nameStart }: Assignment): string {
    const name = this.draft.text.slice(start, nameStart) + this.draft.nameOf(index)
    if (name.includes('(')) throw refused(column)
    return name
  }
}

/** The indexes over several columns that a column is part of. */
function compoundOf({ column }: Pick<Assignment, 'column'>): readonly BlindIndex[] {
  if (!column?.isEncrypted) return []
  const own = indexesOf(column).filter(({ isCompound }) => isCompound)
  return [...own, ...sharedIndexesOf(column)]
}

function cannotBeMade({ column, members, metadata }: BlindIndex): CannotBeSearched {
  const names = members.map((member) => member.metadata.propertyName).join(', ')
  return new CannotBeSearched(() =>
    column.error(
      InvalidValueError,
      `${metadata.databaseName} is an index over ${names}, and the statement writes some of them only, in a way in which the others cannot be read first. Write all of them, or load the entities and save() them.`,
    ),
  )
}
