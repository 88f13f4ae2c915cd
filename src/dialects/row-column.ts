import { integerForm, type RowValueForm } from '../column/row-value'
import { escapeRegExp } from './escape-regexp'

/** A column that values are to be bound to or keyed by, as the catalogue of the database has it. */
export interface RowColumn {
  /** As the database has it, for people. */
  readonly type: string
  /** How its values are written as text. A string says why that is not the same everywhere. */
  readonly form: RowValueForm | string
  readonly isNullable: boolean
  /** What of the database changes it, for people; `undefined` if the catalogue tells of nothing. */
  readonly changedBy: string | undefined
  /** How the database fills it where an INSERT does not; `undefined` if it does not. */
  readonly made?: MadeKey | undefined
}

/** How a key that the database makes is to be had. */
export type MadeKey =
  /** By asking for it: an SQL expression that makes another one each time. `isAlways`: an INSERT must insist on it. */
  | { readonly kind: 'asked'; readonly expression: string; readonly isAlways: boolean }
  /** By inserting the row. `isUndone`: the table has transactions. `replacesZero`: 0 stands for a new key, too. */
  | { readonly kind: 'inserted'; readonly isUndone: boolean; readonly replacesZero: boolean }

/** An integer of so many bits. */
export function integer(bits: number, isUnsigned = false): RowValueForm {
  const size = BigInt(bits)
  return isUnsigned
    ? integerForm(0n, 2n ** size - 1n)
    : integerForm(-(2n ** (size - 1n)), 2n ** (size - 1n) - 1n)
}

/** Why a text column cannot be bound to. */
export function inexact(collation: string, remedy: string): string {
  return `compares texts as equal that are not the same (collation ${collation}): a row could be found, and written, under another spelling. ${remedy}`
}

/** The trigger, of those with these texts, that assigns a column of the row before it is stored. */
export function assigningTrigger(
  triggers: readonly { name: string; text: string }[],
  column: string,
): string | undefined {
  const name = `\\bNEW\\s*\\.\\s*["\`[]?${escapeRegExp(column)}(?![\\w$])["\`\\]]?\\s*`
  // `SELECT 1, 2 INTO NEW.a, NEW.b`
  const assigns = new RegExp(`${name}:?=(?!=)|\\bINTO\\s+(?:STRICT\\s+)?(?:[\\w."]+\\s*,\\s*)*${name}`, 'i')
  return triggers.find(({ text }) => assigns.test(withoutConditions(text)))?.name
}

/**
 * `IF NEW.a = 1 THEN` and `f(NEW.a = 1)` compare and do not assign. Neither goes on behind a semicolon, so that the `IF`
 * of `END IF;` begins nothing.
 */
function withoutConditions(text: string): string {
  return withoutParentheses(text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, ' ')).replace(
    /\b(?:IF|ELSIF|ELSEIF|WHEN|CASE)\b[^;]*?\b(?:THEN|END)\b/gi,
    ' ',
  )
}

/** Without what stands in parentheses, from the innermost ones. */
function withoutParentheses(text: string): string {
  const less = text.replace(/\([^();]*\)/g, ' ')
  return less === text ? text : withoutParentheses(less)
}
