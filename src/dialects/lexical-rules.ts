/** How a quoted thing is read. A doubled closing quote stands for itself, where `isDoubled`. */
export interface Quote {
  readonly kind: 'name' | 'text'
  readonly close: string
  readonly isDoubled: boolean
  readonly hasBackslashes: boolean
  /** `U&"…"` of PostgreSQL. */
  readonly hasUnicodeEscapes?: true
}

/** What the lexer must know of a database's language. Sources: the databases' manuals, "Lexical Structure". */
export interface LexicalRules {
  /** Of two-character line comments: MySQL asks for white space behind them. */
  readonly needsSpaceAfterDashes: boolean
  /** `#` begins a line comment. */
  readonly hasHashComments: boolean
  readonly endsLineAt: string
  readonly hasNestedComments: boolean
  /** A block comment may end with the text. */
  readonly mayLeaveCommentOpen: boolean
  /** What follows `/*` where the comment is run as part of the statement, such as `!50000`. */
  readonly executedComment: RegExp | undefined
  /** The same where it is not run: such a comment may have one other comment inside. */
  readonly skippedComment: RegExp | undefined
  /** By the opening character. */
  readonly quotes: Readonly<Record<string, Quote>>
  /** Of words that belong to the quote right behind them, lower-case: `e`, `n`, `x`. */
  readonly prefixes: Readonly<Record<string, Partial<Record<string, Quote>>>>
  /** `$$ … $$` and `$tag$ … $tag$`. */
  readonly hasDollarTexts: boolean
  /** `$` may stand inside of a name that is not quoted, or begin it. */
  readonly dollarInNames: 'inside' | 'anywhere' | 'no'
  /** A name may begin with digits. */
  readonly hasDigitNames: boolean
  /** `?`: counted one by one. `$1`: by its number. `sqlite`: `?`, and named or numbered ones, which have none. */
  readonly placeholders: '?' | '$1' | 'sqlite'
  /** Operators of more than one character, the longest first; or any run of these characters (PostgreSQL). */
  readonly operators: readonly string[] | 'runs'
  /** `@name`, `@@name`: variables. */
  readonly hasVariables: boolean
  /** Texts stand for names where only a name can stand (SQLite). */
  readonly hasTextNames: boolean
  /** `lower`: unquoted names are lower-case, quoted ones exact. `none`: case does not matter. */
  readonly caseOfNames: 'lower' | 'none'
  /** A word before a text is the text's type (PostgreSQL); elsewhere the text is an alias. */
  readonly hasTypedTexts: boolean
  /** An alias by itself is the whole row. */
  readonly hasWholeRows: boolean
  /** Bytes after which names are cut off. */
  readonly longestName: number
}

/** How the statements of one database are read. */
export interface Language {
  /** The ways in which the text may be read, the likeliest first: settings of a connection are not known. */
  readonly readings: (text: string) => readonly LexicalRules[]
  /** Where the driver itself replaces placeholders: their offsets, in the order of the parameters. */
  readonly placeholders?: (text: string) => readonly number[]
}
