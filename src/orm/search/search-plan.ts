import { DEFAULT_INDEX } from '../../column/search'
import { SearchRefusedError } from '../../errors'
import { boundColumnsOf } from '../statement/entity-catalogue'
import { type Comparison, type Span, type Statement } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import { type Edit, edited } from './edits'
import { type ParameterPlan } from './parameters'
import { canAnswer } from './refusals'
import { type Check, plannedChecks } from './plan-checks'
import {
  type Added,
  CannotBeSearched,
  indexesOf,
  type Narrowed,
  PlanDraft,
  refused,
  type Searched,
  type SearchLanguage,
  sharedIndexesOf,
} from './plan-draft'
import { PlannedGroupings } from './plan-groupings'
import { type PartialWrite, PlannedWrites } from './plan-writes'

export { type Check } from './plan-checks'
export { CannotBeSearched, type Searched, type SearchLanguage } from './plan-draft'

/** How a statement is sent that searches or writes columns with a blind index. */
export interface SearchPlan {
  /** The text to send. Texts that differ in numbers only are read once, so that a plan is one for many of them. */
  readonly rewrite: (text: string, more?: readonly Edit[]) => string
  readonly parameters: ParameterPlan<Added>
  readonly searched: readonly Searched[]
  readonly narrowed: readonly Narrowed[]
  /** Indexes over several columns of which the statement writes some only. */
  readonly partial: readonly PartialWrite[]
  readonly checks: readonly Check[]
  /** Those that are written. */
  readonly written: ReadonlySet<BlindIndex>
  /** Those that must be complete. */
  readonly answering: ReadonlySet<BlindIndex>
  /** Where the columns begin whose places are answered. */
  readonly answered: ReadonlySet<number>
  readonly language: SearchLanguage
}

/** How a reading of a statement is sent; `undefined` if it has to do with no blind index. Throws `CannotBeSearched`. */
export function searchPlan(
  text: string,
  statement: Statement,
  language: SearchLanguage,
  names: ReadonlyMap<number, string> = new Map(),
): SearchPlan | undefined {
  const draft = new PlanDraft(text, statement, language)
  const writes = new PlannedWrites(draft)
  writes.plan()
  new PlannedConditions(draft, names).plan()
  new PlannedGroupings(draft).plan()
  const { edits, parameters, searched, narrowed, written, answering, answered } = draft
  if (written.size + answered.size === 0) return undefined
  edits.sort(inOrder)
  const whole = edited(text, edits)
  return {
    rewrite(other, more = []) {
      if (more.length > 0) return edited(other, [...edits, ...more].sort(inOrder))
      return other === text ? whole : edited(other, edits)
    },
    parameters,
    searched,
    narrowed,
    partial: writes.partial,
    checks: plannedChecks(draft),
    written,
    answering,
    answered,
    language,
  }
}

/** What is put in at a place stands in front of what is replaced there. */
function inOrder(a: Edit, b: Edit): number {
  return a.start - b.start || a.end - b.end
}

/** A place of a parameter in a comparison that is answered. */
interface Place {
  readonly comparison: Comparison
  readonly index: BlindIndex
  readonly parameters: readonly number[]
  readonly span: Span | undefined
}

/** Has comparisons with the column become comparisons with its index. */
class PlannedConditions {
  /** Of parameters that stand in several places. */
  readonly #repeated = new Map<number, Place[]>()

  constructor(
    private readonly draft: PlanDraft,
    /** Indexes by which parameters are to be searched, by the numbers of those; others by the value itself. */
    private readonly names: ReadonlyMap<number, string>,
  ) {}

  plan(): void {
    for (const each of this.draft.statement.comparisons) this.#compare(each)
    for (const [parameter, places] of this.#repeated) this.#share(parameter, places)
    for (const each of this.draft.statement.comparisons) this.#narrow(each)
  }

  #compare(comparison: Comparison): void {
    const { nameStart, columnEnd, placeholders, spans, start } = comparison
    const { draft } = this
    const index = this.#indexFor(comparison)
    const together = index ? undefined : this.#compoundFor(comparison)
    const by = index ?? together?.index
    // What is not answered is refused by its use.
    if (!by || !canAnswer(comparison, by) || this.#isAmbiguous(comparison)) return
    draft.answering.add(by)
    draft.answered.add(comparison.columnStart)
    if (by.isTruncated) draft.edit(start, start, '(')
    draft.edit(nameStart, columnEnd, draft.nameOf(by))
    for (const [at, parameter] of placeholders.entries()) {
      const parameters = together?.parameters ?? [parameter]
      const place: Place = { comparison, index: by, parameters, span: spans[at] }
      if (!draft.statement.repeated.has(parameter)) this.#search(parameter, place, undefined)
      else this.#repeated.set(parameter, [...(this.#repeated.get(parameter) ?? []), place])
    }
  }

  /** A parameter becomes its index; or an index takes a new one, whose placeholder stands in the place of the old. */
  #search(parameter: number, { comparison, index, parameters, span }: Place, added: Span | undefined): void {
    const { draft } = this
    const { operator } = comparison
    const searched: Searched = {
      parameter,
      parameters,
      index,
      mayBeList: operator !== '=' && operator !== '==' && operator !== '<>' && operator !== '!=',
      keyedBy: this.#keyedBy(comparison, index),
      isAdded: added !== undefined,
      place: comparison.start,
    }
    draft.searched.push(searched)
    if (span && added) draft.edit(...added, draft.parameters.add(parameter, { kind: 'searched', searched }))
  }

  /**
   * A placeholder that stands in several places has one value: it stays where all of them ask the same index for it.
   * Others get a placeholder of their own.
   */
  #share(parameter: number, places: readonly Place[]): void {
    const [first] = places
    if (!first) return
    const areAll = places.length === this.draft.statement.repeated.get(parameter)
    for (const place of places) {
      const isSame =
        areAll &&
        (place === first ||
          (place.index === first.index && !place.index.isCompound && place.index.keyedBy.length === 0))
      if (!isSame && !place.span) throw refused(place.comparison.source.column)
      this.#search(parameter, place, isSame ? undefined : place.span)
    }
  }

  /** With few bits, some of the rows that have them are meant: those are found out before the statement is sent. */
  #narrow({ columnStart, columnEnd, start, end, placeholders }: Comparison): void {
    const searched = this.draft.searched.filter(({ place, index }) => place === start && index.isTruncated)
    const [first] = searched
    if (!first || !this.draft.answered.has(columnStart)) return
    this.draft.narrowed.push({
      index: first.index,
      searched,
      end,
      column: [columnStart, columnEnd],
      behind: Math.max(...placeholders),
    })
  }

  /** The index that the parameters ask for: all the same one. */
  #indexFor({ source, placeholders }: Pick<Comparison, 'source' | 'placeholders'>): BlindIndex | undefined {
    const [name = DEFAULT_INDEX, ...others] = new Set(
      placeholders.map((each) => this.names.get(each) ?? DEFAULT_INDEX),
    )
    if (others.length > 0) return undefined
    const indexes = [...indexesOf(source.column), ...sharedIndexesOf(source.column)]
    const index = indexes.find(({ declared }) => declared.name === name)
    const bound = boundColumnsOf(source.column)[0]
    if (index || name === DEFAULT_INDEX || !bound) return index
    const known = indexes.map(({ declared }) => declared.name).join(', ')
    throw new CannotBeSearched(() =>
      bound.error(SearchRefusedError, `the column has no blind index '${name}'. It has ${known || 'none'}.`),
    )
  }

  /**
   * An index over several columns, if the WHERE says what each of them equals: by one parameter, in the place of the
   * column by the same one.
   */
  #compoundFor(comparison: Comparison): { index: BlindIndex; parameters: readonly number[] } | undefined {
    const { source, beside, placeholders, operator, isNegated } = comparison
    const [own, ...others] = placeholders
    if (own === undefined || others.length > 0 || isNegated || (operator !== '=' && operator !== '=='))
      return undefined
    if (placeholders.some((each) => this.names.has(each))) return undefined
    const all = [...indexesOf(source.column), ...sharedIndexesOf(source.column)]
    for (const index of all.filter(({ isCompound, declared }) => isCompound && !declared.isFilling)) {
      const parameters = index.members.map(({ metadata }) => {
        const said = beside.filter((each) => each.source.column.name === metadata.databaseName)
        const [only] = said
        const isOne = said.length === 1 && only?.placeholders.length === 1 && only.integers.length === 0
        return isOne ? only.placeholders[0] : undefined
      })
      const known = parameters.filter((each) => each !== undefined)
      if (known.length < parameters.length || !known.includes(own)) continue
      if (known.some((each) => this.names.has(each))) continue
      return { index, parameters: known }
    }
    return undefined
  }

  /** The statement must say under which key a value is searched. */
  #keyedBy({ source, beside }: Comparison, index: BlindIndex): Searched['keyedBy'] {
    const all = index.keyedBy.map(({ column }) => {
      const said = beside.find((each) => each.source.column.name === column.name)
      if (said) return [column.name, said] as const
      throw new CannotBeSearched(() =>
        index.column.error(
          SearchRefusedError,
          `the blind index of the column has a key for each ${column.property}: a search must say in its WHERE what ${column.property} equals of the row (${source.row}).`,
        ),
      )
    })
    return new Map(all)
  }

  /** A name that may stand for columns of two tables. */
  #isAmbiguous({ columnStart }: Comparison): boolean {
    return this.draft.statement.comparisons.filter((each) => each.columnStart === columnStart).length > 1
  }
}
