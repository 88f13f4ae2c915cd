import { type Language, type LexicalRules, type Quote } from '../lexical-rules'

const text: Quote = { kind: 'text', close: "'", isDoubled: true, hasBackslashes: false }
const escaped: Quote = { ...text, hasBackslashes: true }
const name: Quote = { kind: 'name', close: '"', isDoubled: true, hasBackslashes: false }

/** https://www.postgresql.org/docs/current/sql-syntax-lexical.html */
const rules: LexicalRules = {
  needsSpaceAfterDashes: false,
  hasHashComments: false,
  endsLineAt: '\n\r',
  hasNestedComments: true,
  mayLeaveCommentOpen: false,
  executedComment: undefined,
  skippedComment: undefined,
  quotes: { "'": text, '"': name },
  prefixes: {
    e: { "'": escaped },
    n: { "'": text },
    x: { "'": text },
    b: { "'": text },
    'u&': { "'": text, '"': { ...name, hasUnicodeEscapes: true } },
  },
  hasDollarTexts: true,
  dollarInNames: 'inside',
  hasDigitNames: false,
  placeholders: '$1',
  operators: 'runs',
  hasVariables: false,
  hasTextNames: false,
  caseOfNames: 'lower',
  hasTypedTexts: true,
  hasWholeRows: true,
  longestName: 63,
}

/** With standard_conforming_strings off. */
const withBackslashes: LexicalRules = { ...rules, quotes: { "'": escaped, '"': name } }

export const postgresLanguage: Language = {
  readings: (sql) => (sql.includes('\\') ? [rules, withBackslashes] : [rules]),
}
