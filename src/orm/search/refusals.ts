import { type Comparison } from '../statement/statement'
import { type BlindIndex } from './blind-index'

const EQUAL: ReadonlySet<string> = new Set(['=', '==', 'IN', '= ANY', '= SOME'])
const UNEQUAL: ReadonlySet<string> = new Set(['<>', '!='])

/** True if a comparison of the column can be answered by its index. */
export function canAnswer(
  comparison: Comparison,
  { isExact, isOfValue, isTruncated, declared }: BlindIndex,
): boolean {
  // What a named index compares is what the application asks for.
  const isWhole = isExact || (!isOfValue && !isTruncated)
  const { operator, isNegated, isDirect, isBent, placeholders } = comparison
  if (!isDirect || declared.isFilling || placeholders.some((each) => each < 0)) return false
  if (EQUAL.has(operator) && !isNegated) return isWhole || !isBent
  return isWhole && (UNEQUAL.has(operator) || operator === 'IN')
}
