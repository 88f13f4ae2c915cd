import { type Dialect } from '../../dialects'
import { type BoundColumn } from '../bound-column'
import { boundColumnsOf } from '../statement/entity-catalogue'
import { type Refusal } from '../statement/refusal'
import { type CatalogueColumn, type Condition, type Statement } from '../statement/statement'
import { searchRefusal } from '../write/tokens'
import { type BlindIndex } from './blind-index'
import { type Edit } from './edits'
import { ParameterPlan } from './parameters'

/** What a condition searches for: a parameter, and what becomes of it. */
export interface Searched {
  readonly parameter: number
  /** Those of the values that are hashed: one for each member of an index over several columns that all are given. */
  readonly parameters: readonly number[]
  readonly index: BlindIndex
  /** `IN` and `= ANY` take arrays. */
  readonly mayBeList: boolean
  /** With `keyPer`: what the statement says of the columns that the key depends on, by their names. */
  readonly keyedBy: ReadonlyMap<string, Omit<Condition, 'source'>>
  /** Its placeholder is a new one: that of the parameter stands elsewhere, too, for something else. */
  readonly isAdded: boolean
  /** Where its comparison begins. */
  readonly place: number
}

/** What becomes a parameter of the rewritten statement. */
export type Added =
  /** The index of what is stored, by the numbers of the parameters, one for each member. */
  | { readonly kind: 'written'; readonly parameters: readonly number[]; readonly index: BlindIndex }
  | { readonly kind: 'searched'; readonly searched: Searched }

/** A comparison by an index of few bits: which of the rows with those bits are meant, is found out before. */
export interface Narrowed {
  readonly index: BlindIndex
  readonly searched: readonly Searched[]
  /** Where the comparison ends. */
  readonly end: number
  /** The column with its qualifier, as it stands in the text. */
  readonly column: readonly [start: number, end: number]
  /** The last of its parameters. */
  readonly behind: number
}

/** What is needed of the database. */
export interface SearchLanguage {
  readonly placeholder: Dialect['placeholder']
  readonly escape: (name: string) => string
  readonly anyValue: Dialect['anyValue']
  readonly givenValue: NonNullable<Dialect['givenValue']>
}

/** A condition that cannot be answered, or an assignment that would write the value without its index. */
export class CannotBeSearched extends Error {
  constructor(readonly refusal: Refusal) {
    super('cannot be searched')
  }
}

/** A plan in the making. */
export class PlanDraft {
  readonly edits: Edit[] = []
  readonly parameters: ParameterPlan<Added>
  readonly searched: Searched[] = []
  readonly narrowed: Narrowed[] = []
  /** Indexes that are written. */
  readonly written = new Set<BlindIndex>()
  /** Indexes that must be complete. */
  readonly answering = new Set<BlindIndex>()
  /** Where the columns begin whose places are answered. */
  readonly answered = new Set<number>()

  constructor(
    readonly text: string,
    readonly statement: Statement,
    readonly language: SearchLanguage,
  ) {
    this.parameters = new ParameterPlan(statement.parameters, language.placeholder)
  }

  nameOf({ metadata }: BlindIndex): string {
    return this.language.escape(metadata.databaseName)
  }

  edit(start: number, end: number, text: string): void {
    this.edits.push({ start, end, text })
  }
}

export function refused(column: CatalogueColumn | undefined): CannotBeSearched {
  const bound = declarationOf(column)
  return new CannotBeSearched(() => searchRefusal(bound))
}

export function declarationOf(column: CatalogueColumn | undefined): BoundColumn {
  const bound = column && boundColumnsOf(column)[0]
  if (!bound) throw new TypeError('Not an encrypted column')
  return bound
}

/** Those of other columns that are made of its values, too, each once: subclasses declare more, and the same again. */
export function sharedIndexesOf(column: CatalogueColumn): readonly BlindIndex[] {
  const all = boundColumnsOf(column).flatMap(({ sharedIndexes }) => sharedIndexes)
  return all.filter((index, at) => all.findIndex((each) => isSameIndex(each, index)) === at)
}

/** True for the same column of one table, whichever entity declares it. */
export function isSameIndex(a: BlindIndex, b: BlindIndex): boolean {
  return a.metadata.databaseName === b.metadata.databaseName
}

/** The blind indexes of a column. Several entities over one table have the same ones, or none: see `finishIndexes`. */
export function indexesOf(column: CatalogueColumn | undefined): readonly BlindIndex[] {
  if (!column?.isSearched) return []
  return boundColumnsOf(column).find(({ indexes }) => indexes.length > 0)?.indexes ?? []
}
