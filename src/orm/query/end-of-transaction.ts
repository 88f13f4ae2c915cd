/** What a statement that ends a transaction, or a part of one, does. */
export interface EndOfTransaction {
  /** True if what was done is kept. */
  readonly isCommit: boolean
  /** False for a savepoint. */
  readonly isWhole: boolean
}

const BEGIN = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:BEGIN|START\s+TRANSACTION)\b/i

/** True for a statement that begins a transaction, and no savepoint. */
export function beginsTransaction(sql: string): boolean {
  return BEGIN.test(sql)
}

/** Whoever wrote it, the application included. */
const END =
  /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:(COMMIT|END)|(RELEASE)|(ROLLBACK(?:\s+\w+)?\s+TO)|ROLLBACK|ABORT)\b/i

/** How statements begin that read or write rows: SELECT, INSERT, UPDATE, DELETE, WITH. */
const ROWS = 'SIUDW'

/** `undefined` for any other statement. */
export function endOfTransaction(sql: string): EndOfTransaction | undefined {
  // This is asked for every statement: what begins like one that reads or writes rows ends nothing.
  if (ROWS.includes(sql.charAt(0))) return undefined
  const found = END.exec(sql)
  if (!found) return undefined
  const [, commit, release, rollbackTo] = found
  return {
    isCommit: (commit ?? release) !== undefined,
    isWhole: (release ?? rollbackTo) === undefined,
  }
}
