import { DEFAULT_INDEX } from '../../column/search'
import { type Dialect } from '../../dialects'
import { SearchRefusedError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type Refusal } from '../statement/refusal'
import { boundColumnsOf } from '../statement/entity-catalogue'
import {
  type CatalogueColumn,
  type ColumnSource,
  type Comparison,
  type Condition,
  type GroupedColumn,
  type Grouping,
  type Statement,
} from '../statement/statement'
import { searchRefusal } from '../write/tokens'
import { type BlindIndex } from './blind-index'
import { type Edit, edited } from './edits'
import { ParameterPlan } from './parameters'
import { canAnswer } from './refusals'

/** What a condition searches for: a parameter, and what becomes of it. */
export interface Searched {
  readonly parameter: number
  readonly index: BlindIndex
  /** `IN` and `= ANY` take arrays. */
  readonly mayBeList: boolean
  /** With `keyPer`: what the statement says of the columns that the key depends on, by their names. */
  readonly keyedBy: ReadonlyMap<string, Pick<Condition, 'placeholders' | 'integers'>>
}

/** Rows that the result must hold, and no others: to be compared with what was searched. */
export interface Check {
  readonly index: BlindIndex
  readonly column: BoundColumn
  /** The name in the rows of the result. */
  readonly name: string
  readonly parameters: readonly number[]
  /** The name in the rows of another column, named as in the database, of the same row of the table. */
  readonly rowName: (column: string) => string | undefined
}

/** How a statement is sent that searches or writes columns with a blind index. */
export interface SearchPlan {
  /** The text to send. Texts that differ in numbers only are read once, so that a plan is one for many of them. */
  readonly rewrite: (text: string) => string
  readonly parameters: ParameterPlan
  readonly searched: readonly Searched[]
  readonly checks: readonly Check[]
  /** Those that are written. */
  readonly written: ReadonlySet<BlindIndex>
  /** Those that must be complete. */
  readonly answering: ReadonlySet<BlindIndex>
  /** Where the columns begin whose places are answered. */
  readonly answered: ReadonlySet<number>
}

/** What is needed of the database. */
export interface SearchLanguage {
  readonly placeholder: Dialect['placeholder']
  readonly escape: (name: string) => string
  readonly anyValue: Dialect['anyValue']
}

/** A condition that cannot be answered, or an assignment that would write the value without its index. */
export class CannotBeSearched extends Error {
  constructor(readonly refusal: Refusal) {
    super('cannot be searched')
  }
}

/** How a reading of a statement is sent; `undefined` if it has to do with no blind index. Throws `CannotBeSearched`. */
export function searchPlan(
  text: string,
  statement: Statement,
  language: SearchLanguage,
  names: ReadonlyMap<number, string> = new Map(),
): SearchPlan | undefined {
  const planner = new Planner(text, statement, language, names)
  return planner.plan()
}

class Planner {
  readonly #edits: Edit[] = []
  readonly #parameters: ParameterPlan
  readonly #searched: Searched[] = []
  readonly #written = new Set<BlindIndex>()
  readonly #answering = new Set<BlindIndex>()
  readonly #answered = new Set<number>()

  constructor(
    private readonly text: string,
    private readonly statement: Statement,
    private readonly language: SearchLanguage,
    /** Indexes by which parameters are to be searched, by the numbers of those; others by the value itself. */
    private readonly names: ReadonlyMap<number, string>,
  ) {
    const { placeholder } = language
    const areNumbered = placeholder(1) !== placeholder(2)
    this.#parameters = new ParameterPlan(statement.parameters, areNumbered, placeholder)
  }

  plan(): SearchPlan | undefined {
    const { comparisons, assignments, inserts, uses, groupings } = this.statement
    for (const each of inserts) {
      this.#insert(each)
      this.#findConflicts(each)
    }
    for (const each of assignments) this.#assign(each)
    for (const each of comparisons) this.#compare(each)
    for (const each of uses) if (each.place === 'counted-distinct' && !each.isRaw) this.#rename(each)
    for (const each of groupings) this.#group(each)
    if (this.#written.size + this.#answered.size === 0) return undefined
    const edits = [...this.#edits].sort((a, b) => a.start - b.start)
    return {
      rewrite: (text) => edited(text, edits),
      parameters: this.#parameters,
      searched: this.#searched,
      checks: this.#checks(),
      written: this.#written,
      answering: this.#answering,
      answered: this.#answered,
    }
  }

  /** An upsert by a unique index asks whether a row has the value: one without its index would get a double. */
  #findConflicts({ columns, conflict, mayBeIgnored }: Statement['inserts'][number]): void {
    if (!conflict && !mayBeIgnored) return
    for (const index of columns.flatMap(({ column }) => indexesOf(column))) {
      const isAsked = conflict?.columns?.includes(index.metadata.databaseName) ?? true
      if (index.declared.isUnique && isAsked) this.#answering.add(index)
    }
  }

  #insert({ columns, runs }: Statement['inserts'][number]): void {
    for (const [place, { column, end }] of columns.entries()) {
      const indexes = indexesOf(column)
      if (indexes.length === 0) continue
      this.#edits.push({ start: end, end, text: indexes.map((index) => `, ${this.#nameOf(index)}`).join('') })
      for (const { cells, rows, stride, ends } of runs) {
        const cell = cells[place]
        for (let row = 0; row < rows; row++) {
          const at = ends.get(place)?.[row]
          if (at === undefined || !cell) throw this.#refused(column)
          const values = indexes.map((index) => {
            this.#written.add(index)
            if (cell.kind === 'null') return ', NULL'
            if (cell.kind === 'default') return ', DEFAULT'
            if (cell.kind !== 'placeholder' || cell.index < 0) throw this.#refused(column)
            return `, ${this.#parameters.add(cell.index + row * stride, index)}`
          })
          this.#edits.push({ start: at, end: at, text: values.join('') })
        }
      }
    }
  }

  #assign(assignment: Statement['assignments'][number]): void {
    const { column, value, start, end, nameStart, nameEnd } = assignment
    const indexes = indexesOf(column)
    const { text } = this
    const added = indexes.flatMap((index) => {
      this.#written.add(index)
      // TypeORM writes it itself where the index is a conflict path of an upsert.
      const isThere = this.statement.assignments.some(
        (other) => other.column?.name === index.metadata.databaseName && other.value.kind === 'itself',
      )
      if (isThere && value.kind === 'itself') return []
      const name = this.#nameOf(index)
      const qualified = text.slice(start, nameStart) + name
      if (qualified.includes('(')) throw this.#refused(column)
      switch (value.kind) {
        case 'placeholder':
          if (value.index < 0) throw this.#refused(column)
          return [`, ${qualified} = ${this.#parameters.add(value.index, index)}`]
        case 'null':
          return [`, ${qualified} = NULL`]
        case 'default':
          return [`, ${qualified} = DEFAULT`]
        case 'itself':
          return [
            `, ${qualified}${text.slice(nameEnd, value.nameStart)}${name}${text.slice(value.nameEnd, end)}`,
          ]
        default:
          throw this.#refused(column)
      }
    })
    if (added.length > 0) this.#edits.push({ start: end, end, text: added.join('') })
  }

  #compare(comparison: Comparison): void {
    const { nameStart, columnEnd, placeholders, operator } = comparison
    const index = this.#indexFor(comparison)
    // What is not answered is refused by its use.
    if (!index || !canAnswer(comparison, index) || this.#isAmbiguous(comparison)) return
    this.#answering.add(index)
    this.#answered.add(comparison.columnStart)
    this.#edits.push({ start: nameStart, end: columnEnd, text: this.#nameOf(index) })
    const mayBeList = operator !== '=' && operator !== '==' && operator !== '<>' && operator !== '!='
    for (const parameter of placeholders) {
      if (this.statement.repeated.has(parameter)) this.#checkRepeated(comparison, parameter, index)
      if (this.#parameters.replaced.has(parameter)) continue
      this.#parameters.replaced.set(parameter, index)
      this.#searched.push({ parameter, index, mayBeList, keyedBy: this.#keyedBy(comparison, index) })
    }
  }

  /** The index that the parameters ask for: all the same one. */
  #indexFor({ source, placeholders }: Pick<Comparison, 'source' | 'placeholders'>): BlindIndex | undefined {
    const [name = DEFAULT_INDEX, ...others] = new Set(
      placeholders.map((each) => this.names.get(each) ?? DEFAULT_INDEX),
    )
    if (others.length > 0) return undefined
    const indexes = indexesOf(source.column)
    const index = indexes.find(({ declared }) => declared.name === name)
    const bound = boundColumnsOf(source.column)[0]
    if (index || name === DEFAULT_INDEX || !bound) return index
    const known = indexes.map(({ declared }) => declared.name).join(', ')
    throw new CannotBeSearched(() =>
      bound.error(SearchRefusedError, `the column has no blind index '${name}'. It has ${known || 'none'}.`),
    )
  }

  /** The statement must say under which key a value is searched. */
  #keyedBy({ source, beside, placeholders }: Comparison, index: BlindIndex): Searched['keyedBy'] {
    const all = index.keyedBy.map(({ column }) => {
      const said = beside.find((each) => each.source.column.name === column.name)
      const isRepeated = placeholders.some((each) => this.statement.repeated.has(each))
      if (said && !isRepeated) return [column.name, said] as const
      throw new CannotBeSearched(() =>
        index.column.error(
          SearchRefusedError,
          `the blind index of the column has a key for each ${column.property}: a search must say in its WHERE what ${column.property} equals${isRepeated ? ', and compare with a parameter of its own' : ` of the row (${source.row})`}.`,
        ),
      )
    })
    return new Map(all)
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
    this.#answering.add(index)
    this.#answered.add(column.start)
    this.#edits.push({ start: column.nameStart, end: column.end, text: this.#nameOf(index) })
    return true
  }

  /** Groups are told by the index, and each shows one of its values. DISTINCT becomes GROUP BY. */
  #group({ distinct, groups, items, end }: Grouping): void {
    const { text } = this
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
      this.#answering.add(index)
      this.#answered.add(item.start)
      const name = item.ownName === undefined ? '' : ` AS ${this.language.escape(item.ownName)}`
      const any = this.language.anyValue(text.slice(item.start, item.end)) + name
      this.#edits.push({ start: item.start, end: item.end, text: any })
    }
    if (!distinct) return
    const list = items.map((item) => {
      const index = isEncrypted(item) ? this.#telling(item) : undefined
      return text.slice(item.start, index ? item.nameStart : item.end) + (index ? this.#nameOf(index) : '')
    })
    this.#edits.push({ start: distinct[0], end: distinct[1], text: '' })
    this.#edits.push({ start: end, end, text: ` GROUP BY ${list.join(', ')}` })
  }

  /** A name that may stand for columns of two tables. */
  #isAmbiguous({ columnStart }: Comparison): boolean {
    return this.statement.comparisons.filter((each) => each.columnStart === columnStart).length > 1
  }

  /** A placeholder that stands in several places has one value: it must be searched in all of them, by one index. */
  #checkRepeated({ source }: Comparison, parameter: number, index: BlindIndex): void {
    const all = this.statement.comparisons.filter(({ placeholders }) => placeholders.includes(parameter))
    const places = all.reduce(
      (sum, { placeholders }) => sum + placeholders.filter((each) => each === parameter).length,
      0,
    )
    const areAlike = all.every(
      (each) => indexesOf(each.source.column).includes(index) && canAnswer(each, index),
    )
    if (places === this.statement.repeated.get(parameter) && areAlike) return
    throw this.#refused(source.column)
  }

  /** The result rows, of which the statement itself says what the column equals. */
  #checks(): Check[] {
    const { conditions, results } = this.statement
    return conditions.flatMap(({ source, placeholders, integers }) => {
      const [first] = placeholders
      const index = first === undefined ? undefined : this.#parameters.replaced.get(first)
      const column = boundColumnsOf(source.column)[0]
      if (
        integers.length > 0 ||
        !index ||
        !column ||
        !indexesOf(source.column).includes(index) ||
        !placeholders.every((each) => this.#parameters.replaced.get(each) === index)
      )
        return []
      return results.flatMap(({ name, sources }) => {
        const [first, ...others] = sources
        const isSame = first?.column === source.column && first.row === source.row && others.length === 0
        if (!isSame || name === undefined) return []
        return [{ index, column, name, parameters: placeholders, rowName: this.#rowNames(source) }]
      })
    })
  }

  /** The names in the result of the columns of one row of a table. */
  #rowNames({ table, row }: ColumnSource): Check['rowName'] {
    const names = new Map<string, string>()
    for (const { name, sources } of this.statement.results) {
      const [source, ...others] = sources
      if (name === undefined || others.length > 0 || source?.table !== table || source.row !== row) continue
      names.set(source.column.name, name)
    }
    return (column) => names.get(column)
  }

  #nameOf({ metadata }: BlindIndex): string {
    return this.language.escape(metadata.databaseName)
  }

  #refused(column: CatalogueColumn | undefined): CannotBeSearched {
    const bound = column && boundColumnsOf(column)[0]
    if (!bound) throw new TypeError('Not an encrypted column')
    return new CannotBeSearched(() => searchRefusal(bound))
  }
}

/** The blind indexes of a column. Several entities over one table have the same ones, or none: see `finishIndexes`. */
function indexesOf(column: CatalogueColumn | undefined): readonly BlindIndex[] {
  if (!column?.isSearched) return []
  return boundColumnsOf(column).find(({ indexes }) => indexes.length > 0)?.indexes ?? []
}
