import { type Language, type LexicalRules } from '../../dialects/lexical-rules'
import { Unreadable } from './cursor'
import { tokenise } from './lexer'
import { TableIndex } from './names'
import { freeNumbers, type Pieces } from './numbers'
import { resolve } from './resolve'
import { type Catalogue, type Statement } from './statement'
import { StatementReader } from './statement-reader'

/** Reads the statements of one database, which has the tables of a catalogue. */
export class Reader {
  readonly #indexes = new Map<LexicalRules['caseOfNames'], TableIndex>()

  constructor(
    private readonly language: Language,
    private readonly catalogue: Catalogue,
  ) {}

  /**
   * The statement in each way in which the text can be read, the likeliest first; how a text is read may depend on
   * settings of the server. If it can be read in none, there is one whose `unreadable` says why.
   */
  read(text: string): readonly [Statement, ...Statement[]] {
    const placeholders = this.language.placeholders?.(text)
    const all = this.language.readings(text).map((rules) => this.#readAs(text, rules, placeholders))
    const [first = unreadable('the database is not known'), ...others] = all.filter(
      (each) => each.unreadable === undefined,
    )
    if (first.unreadable === undefined) return [first, ...others]
    return [all[0] ?? first]
  }

  /** Numbers in whose place others of as many digits are read alike, wherever such a text stands for another. */
  freeNumbersIn(text: string): Pieces {
    const [rules, ...others] = this.language.readings(text)
    if (!rules || others.length > 0) return []
    const tokens = tokenise(text, rules, this.language.placeholders?.(text))
    return tokens.error === undefined ? freeNumbers(tokens) : []
  }

  #readAs(text: string, rules: LexicalRules, placeholders: readonly number[] | undefined): Statement {
    const tokens = tokenise(text, rules, placeholders)
    if (tokens.error !== undefined) return unreadable(tokens.error)
    let index = this.#indexes.get(rules.caseOfNames)
    if (!index) this.#indexes.set(rules.caseOfNames, (index = new TableIndex(this.catalogue, rules)))
    const reader = new StatementReader(tokens, rules, index)
    try {
      reader.read()
      return resolve(reader, tokens, index)
    } catch (error) {
      if (error instanceof Unreadable) return unreadable(error.message)
      throw error
    }
  }
}

function unreadable(reason: string): Statement {
  return {
    kind: 'other',
    tables: [],
    results: [],
    inserts: [],
    assignments: [],
    updated: undefined,
    groupings: [],
    comparisons: [],
    conditions: [],
    parameters: 0,
    repeated: new Map(),
    uses: [],
    unreadable: reason,
  }
}
