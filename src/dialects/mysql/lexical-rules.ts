import { type Language, type LexicalRules, type Quote } from '../lexical-rules'
import { placeholdersEverywhere, placeholdersOutsideOfTexts } from './placeholders'

interface Modes {
  /** `"…"` is a name (sql_mode ANSI_QUOTES). */
  ansiQuotes: boolean
  /** A backslash is a character like others (sql_mode NO_BACKSLASH_ESCAPES). */
  noBackslashEscapes: boolean
  /** Comments such as the one after an exclamation mark with a version are run: that depends on the server. */
  executedComments: boolean
}

/** MySQL and MariaDB: https://dev.mysql.com/doc/refman/8.4/en/language-structure.html */
function rules({ ansiQuotes, noBackslashEscapes, executedComments }: Modes): LexicalRules {
  const text = (close: string): Quote => ({
    kind: 'text',
    close,
    isDoubled: true,
    hasBackslashes: !noBackslashEscapes,
  })
  const name = (close: string): Quote => ({ kind: 'name', close, isDoubled: true, hasBackslashes: false })
  const prefixed = ansiQuotes ? { "'": text("'") } : { "'": text("'"), '"': text('"') }
  return {
    needsSpaceAfterDashes: true,
    hasHashComments: true,
    endsLineAt: '\n',
    hasNestedComments: false,
    mayLeaveCommentOpen: false,
    // Fewer than five digits are no version. Source: `sql_lex.cc` of MariaDB, tried on 10.11.
    executedComment: executedComments ? /M?!(?:\d{5,6})?/y : undefined,
    skippedComment: executedComments ? undefined : /M?!/y,
    quotes: { "'": text("'"), '"': ansiQuotes ? name('"') : text('"'), '`': name('`') },
    prefixes: { n: { "'": text("'") }, x: { "'": text("'") }, b: { "'": text("'") }, _: prefixed },
    hasDollarTexts: false,
    dollarInNames: 'anywhere',
    hasDigitNames: true,
    placeholders: '?',
    operators: ['<=>', '->>', '<=', '>=', '<>', '!=', ':=', '||', '&&', '<<', '>>', '->'],
    hasVariables: true,
    hasTextNames: false,
    caseOfNames: 'none',
    hasTypedTexts: false,
    hasWholeRows: false,
    longestName: 256,
  }
}

const both = [false, true]
const all = both.flatMap((noBackslashEscapes) =>
  both.flatMap((ansiQuotes) =>
    [true, false].map((executedComments) => {
      const modes: Modes = { ansiQuotes, noBackslashEscapes, executedComments }
      return { modes, rules: rules(modes) }
    }),
  ),
)

function readings(text: string): LexicalRules[] {
  const isQuoted = text.includes('"')
  const hasBackslash = text.includes('\\')
  const isExecuted = text.includes('/*!') || text.includes('/*M!')
  return all
    .filter(
      ({ modes }) =>
        (isQuoted || !modes.ansiQuotes) &&
        (hasBackslash || !modes.noBackslashEscapes) &&
        (isExecuted || modes.executedComments),
    )
    .map((each) => each.rules)
}

/** A driver's function that puts values into a statement, as mysql2 exports it. */
export type Format = (sql: string, values: unknown[]) => string

/** `format`: the driver's own, which is asked whether it finds placeholders inside of texts. */
export function mysqlLanguage(format?: Format): Language {
  const isEverywhere = format !== undefined && format("'?' ?", [1]) !== "'?' 1"
  return { readings, placeholders: isEverywhere ? placeholdersEverywhere : placeholdersOutsideOfTexts }
}
