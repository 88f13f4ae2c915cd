import { type Edit } from './edits'
import { type Inserted } from './parameters'
import { type SearchPlan } from './search-plan'

/** What is added to a rewritten statement when it is sent: pieces of text, with parameters in their order. */
export class Insertions {
  readonly edits: Edit[] = []
  readonly inserted: Inserted[] = []
  #count = 0

  constructor(private readonly plan: Pick<SearchPlan, 'parameters'>) {}

  /** Adds parameters behind that with a number. Returns their placeholders, to be written in this order. */
  add(behind: number, values: readonly unknown[]): string[] {
    const first = this.#count
    this.#count += values.length
    this.inserted.push({ behind, values })
    return values.map((_, at) => this.plan.parameters.insertedPlaceholder(first + at))
  }

  edit(start: number, end: number, text: string): void {
    this.edits.push({ start, end, text })
  }
}
