import { type Language, type LexicalRules, type Quote } from '../lexical-rules'

const text: Quote = { kind: 'text', close: "'", isDoubled: true, hasBackslashes: false }
const name = (close: string, isDoubled = true): Quote => ({
  kind: 'name',
  close,
  isDoubled,
  hasBackslashes: false,
})

/** https://sqlite.org/lang_keywords.html, https://sqlite.org/lang_comment.html and the tokenizer, `tokenize.c`. */
const rules: LexicalRules = {
  needsSpaceAfterDashes: false,
  hasHashComments: false,
  endsLineAt: '\n',
  hasNestedComments: false,
  mayLeaveCommentOpen: true,
  executedComment: undefined,
  skippedComment: undefined,
  quotes: { "'": text, '"': name('"'), '`': name('`'), '[': name(']', false) },
  prefixes: { x: { "'": text } },
  hasDollarTexts: false,
  dollarInNames: 'inside',
  hasDigitNames: false,
  placeholders: 'sqlite',
  operators: ['->>', '==', '<=', '>=', '<>', '!=', '||', '<<', '>>', '->'],
  hasVariables: false,
  hasTextNames: true,
  caseOfNames: 'none',
  hasTypedTexts: false,
  hasWholeRows: false,
  longestName: Infinity,
}

export const sqliteLanguage: Language = { readings: () => [rules] }
