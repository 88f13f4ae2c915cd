import { type DataSource } from 'typeorm'
import { isBareCiphertextBlob } from '../kms/aws/blob-outline'
import { isCiphertext } from '../cipher/format'
import { type KmsEncryptionError, RawSqlRefusedError, SearchRefusedError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumns } from './bound-columns'
import { sqlTokens, type SqlToken } from './sql-tokens'
import { PendingCiphertext, searchRefusal } from './write/tokens'

/** What a statement does with encrypted columns, as far as its text tells. */
interface Reading {
  refusal?: Refusal
  /** Parameters, by index, that an encrypted column is set to. */
  assigned: [index: number, column: BoundColumn][]
}

/** Makes the error anew each time, with its own stack. */
type Refusal = () => KmsEncryptionError

type Clause = 'where' | 'order' | 'set' | 'insert' | 'other'

const CLAUSES: Readonly<Record<string, Clause>> = {
  WHERE: 'where',
  HAVING: 'where',
  ON: 'where',
  ORDER: 'order',
  SET: 'set',
  INTO: 'insert',
  ...Object.fromEntries(
    ['SELECT', 'FROM', 'JOIN', 'GROUP', 'VALUES', 'RETURNING', 'LIMIT', 'UNION', 'WINDOW', 'USING'].map(
      (word) => [word, 'other'],
    ),
  ),
}

/** Functions whose result on ciphertext is as meaningful as on the value. */
const HARMLESS = new Set(['COUNT', 'LENGTH', 'OCTET_LENGTH'])
const AGGREGATES = new Set(['SUM', 'AVG', 'MIN', 'MAX'])
/** Statements read before; the texts of an application's statements repeat. */
const MAX_REMEMBERED = 500

/**
 * Reads the SQL that TypeORM's query builders made, for what the values alone do not tell: an encrypted column
 * compared in a condition that the application wrote as text, sorted by, aggregated, or set to something else than
 * a value. It looks for columns by the names under which TypeORM writes them; what it does not recognise passes.
 */
export class StatementGuard {
  readonly #quote: '"' | '`'
  readonly #escape: (name: string) => string
  readonly #columns = new Map<string, BoundColumn[]>()
  readonly #readings = new Map<string, Reading>()

  /** Takes the encrypted columns of an initialised DataSource. */
  constructor({ driver, entityMetadatas }: DataSource) {
    this.#escape = (name) => driver.escape(name)
    this.#quote = driver.escape('').startsWith('`') ? '`' : '"'
    for (const column of entityMetadatas.flatMap(boundColumns)) {
      const name = column.metadata.databaseName.toLowerCase()
      this.#columns.set(name, [...(this.#columns.get(name) ?? []), column])
    }
  }

  /** Throws for a statement that must not be sent. */
  check(sql: string, parameters: unknown): void {
    const { refusal, assigned } = this.#read(sql)
    if (refusal) throw refusal()
    for (const [index, column] of assigned) {
      const value = Array.isArray(parameters) ? (parameters[index] as unknown) : undefined
      if (!isStorable(value, column)) throw rawSqlRefusal(column)()
    }
  }

  #read(sql: string): Reading {
    const known = this.#readings.get(sql)
    if (known) return known
    const reading = this.#isRelevant(sql) ? this.#readTokens(sql) : { assigned: [] }
    if (this.#readings.size >= MAX_REMEMBERED) this.#readings.clear()
    if (sql.length < 10_000) this.#readings.set(sql, reading)
    return reading
  }

  /** Most statements are not: a row is inserted, or found by its key. */
  #isRelevant(sql: string): boolean {
    if (!/\b(?:WHERE|HAVING|ON|ORDER|SET|SUM|AVG|MIN|MAX|INSERT)\b/i.test(sql)) return false
    const text = sql.toLowerCase()
    for (const name of this.#columns.keys()) if (text.includes(name)) return true
    return false
  }

  #readTokens(sql: string): Reading {
    const reading: Reading = { assigned: [] }
    const tokens = sqlTokens(sql, this.#quote)
    const outer: Clause[] = []
    let clause: Clause = 'other'
    let inserted: BoundColumn | undefined
    for (const [index, token] of tokens.entries()) {
      if (isSymbol(token, '(')) outer.push(clause)
      else if (isSymbol(token, ')')) clause = outer.pop() ?? 'other'
      else if (token.kind === 'word' && !isSymbol(tokens[index - 1], '.')) {
        if (inserted && (token.text === 'SELECT' || token.text === 'WITH')) {
          return { ...reading, refusal: rawSqlRefusal(inserted) }
        }
        if (token.text === 'VALUES' || token.text === 'DEFAULT') inserted = undefined
        clause = clauseAt(tokens, index, clause) ?? clause
      }
      const column = this.#columnAt(tokens, index, sql, clause)
      if (!column) continue
      if (clause === 'insert') inserted ??= column
      const refusal = refusalOf(column, clause, tokens, index)
      if (refusal) return { ...reading, refusal }
      const next = tokens[index + 2]
      if (isAssignment(clause, tokens, index) && next?.kind === 'placeholder') {
        reading.assigned.push([next.index, column])
      }
    }
    return reading
  }

  /** The encrypted column that is named at this place. */
  #columnAt(
    tokens: readonly SqlToken[],
    index: number,
    sql: string,
    clause: Clause,
  ): BoundColumn | undefined {
    const name = nameOf(tokens[index])
    if (name === undefined || isSymbol(tokens[index + 1], '(') || isSymbol(tokens[index + 1], '.'))
      return undefined
    const qualifier = isSymbol(tokens[index - 1], '.') ? nameOf(tokens[index - 2]) : undefined
    const column = this.#columns.get(name.toLowerCase())?.find((each) => this.#isIn(sql, each, qualifier))
    if (column || clause !== 'order') return column
    // Pages of joined rows are sorted by what the inner query calls `alias_column`.
    for (const [encrypted, columns] of this.#columns) {
      if (!name.toLowerCase().endsWith(`_${encrypted}`)) continue
      const alias = name.slice(0, -encrypted.length - 1)
      const found = columns.find((each) => this.#isIn(sql, each, alias))
      if (found) return found
    }
    return undefined
  }

  /** True if the statement has the column's table, under this alias. */
  #isIn(sql: string, { metadata }: BoundColumn, alias: string | undefined): boolean {
    const { tablePath, tableName } = metadata.entityMetadata
    const table = tablePath.split('.').map(this.#escape).join('.')
    if (alias === undefined || alias === tableName) return sql.includes(table)
    return [' ', ' AS '].some((as) => sql.includes(table + as + this.#escape(alias)))
  }
}

function clauseAt(tokens: readonly SqlToken[], index: number, clause: Clause): Clause | undefined {
  const word = wordAt(tokens, index)
  if (word === 'VALUES' && clause === 'set') return clause
  if (word === 'UPDATE' && wordAt(tokens, index - 1) === 'KEY') return 'set'
  return word === undefined ? undefined : CLAUSES[word]
}

function refusalOf(
  column: BoundColumn,
  clause: Clause,
  tokens: readonly SqlToken[],
  index: number,
): Refusal | undefined {
  const start = isSymbol(tokens[index - 1], '.') ? index - 2 : index
  const distinct = wordAt(tokens, start - 1) === 'DISTINCT' ? 1 : 0
  const argument = isSymbol(tokens[start - 1 - distinct], '(')
  const called = argument ? wordAt(tokens, start - 2 - distinct) : undefined
  if (called !== undefined && AGGREGATES.has(called)) return aggregateRefusal(column, called)
  if (called !== undefined && HARMLESS.has(called)) return undefined
  if (clause === 'order') return orderRefusal(column)
  if (clause === 'where' && !asksForNull(tokens, index + 1)) return () => searchRefusal(column)
  if (isAssignment(clause, tokens, index) && !isValue(tokens, index + 2)) return rawSqlRefusal(column)
  return undefined
}

/** `IS NULL` and `IS NOT NULL`, and what an upsert that skips unchanged rows asks. */
function asksForNull(tokens: readonly SqlToken[], index: number): boolean {
  if (wordAt(tokens, index) !== 'IS') return false
  const next = wordAt(tokens, index + 1) === 'NOT' ? index + 2 : index + 1
  if (wordAt(tokens, next) === 'NULL') return true
  return wordAt(tokens, next) === 'DISTINCT' && wordAt(tokens, next + 2) === 'EXCLUDED'
}

/** `column =` after SET, ON DUPLICATE KEY UPDATE or a comma. */
function isAssignment(clause: Clause, tokens: readonly SqlToken[], index: number): boolean {
  if (clause !== 'set' || !isSymbol(tokens[index + 1], '=')) return false
  const before = tokens[index - 1]
  return (
    isSymbol(before, ',') || wordAt(tokens, index - 1) === 'SET' || wordAt(tokens, index - 1) === 'UPDATE'
  )
}

/** What TypeORM sets a column to: a parameter, NULL, DEFAULT, or the value that was to be inserted. */
function isValue(tokens: readonly SqlToken[], index: number): boolean {
  const word = wordAt(tokens, index)
  return (
    tokens[index]?.kind === 'placeholder' ||
    (word !== undefined && ['NULL', 'DEFAULT', 'EXCLUDED', 'VALUES'].includes(word))
  )
}

function isStorable(value: unknown, column: BoundColumn): boolean {
  if (value === null || value === undefined || value instanceof PendingCiphertext) return true
  if (typeof value !== 'string' && !Buffer.isBuffer(value)) return false
  const bytes = column.opener.bytesOf(value)
  return isCiphertext(bytes) || isBareCiphertextBlob(bytes)
}

function isSymbol(token: SqlToken | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}

function wordAt(tokens: readonly SqlToken[], index: number): string | undefined {
  const token = tokens[index]
  return token?.kind === 'word' ? token.text : undefined
}

function nameOf(token: SqlToken | undefined): string | undefined {
  if (token?.kind === 'name') return token.text
  return token?.kind === 'word' ? token.name : undefined
}

function orderRefusal(column: BoundColumn): Refusal {
  return () =>
    column.error(
      SearchRefusedError,
      'an encrypted column cannot be sorted by: the database would sort the ciphertexts, in random order. Sort by another column, or sort the loaded entities.',
    )
}

function aggregateRefusal(column: BoundColumn, called: string): Refusal {
  return () =>
    column.error(
      SearchRefusedError,
      `${called} of an encrypted column would be computed from ciphertexts. Load the values and compute it from them.`,
    )
}

function rawSqlRefusal(column: BoundColumn): Refusal {
  return () =>
    column.error(
      RawSqlRefusedError,
      'SQL, instead of a value, cannot be stored in an encrypted column: it would be stored unencrypted. Load the values and save them; to copy ciphertexts within the column, use dataSource.query().',
    )
}
