import { isDenied } from '../../access'
import { DecryptionDeniedError, IndexWrongError, KmsEncryptionError, NotTriedError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type Carried } from '../read/carried'
import { type Inspector } from '../read/result-opener'
import { ComparisonToken } from '../write/tokens'
import { type Check, type SearchPlan } from './search-plan'
import { type Answered, hashesIn } from './hashes'

type Row = Record<string, unknown>

/**
 * Rows that an equality found are compared with what was searched, by their opened values: the index itself is not
 * authenticated. A row whose value does not open is none that could be compared.
 */
export class FoundRows implements Inspector {
  private constructor(
    private readonly checks: readonly Check[],
    private readonly searched: Answered['searched'],
    private readonly parameters: readonly unknown[],
  ) {}

  /** `undefined` if nothing is to be compared. */
  static of(
    { checks }: SearchPlan,
    searched: Answered['searched'],
    parameters: readonly unknown[] = [],
  ): FoundRows | undefined {
    return checks.length > 0 ? new FoundRows(checks, searched, parameters) : undefined
  }

  concerns(column: string): boolean {
    return this.checks.some(({ names }) => names.includes(column))
  }

  /** This runs for each statement that searches, and for each of its rows. */
  inspect(carried: readonly Carried[], rows: readonly Row[]): Promise<unknown> | undefined {
    const waiting: Promise<unknown>[] = []
    for (const check of this.checks) {
      const { names, column } = check
      if (hasNull(rows, names)) throw otherValue(check)
      const found = carried.filter(({ name }) => names.includes(name))
      const failure = failureOf(found)
      if (failure) throw column.placed(failure)
      const values = this.#values(check)
      const others = values ? found.filter(({ opened }) => !isAmong(values, opened)) : found
      const preparing = others.length > 0 ? this.#compare(check, others) : undefined
      if (preparing) waiting.push(preparing)
    }
    return waiting.length > 0 ? Promise.all(waiting) : undefined
  }

  /** By their hashes: what is not the very value may be one that is normalised alike. */
  #compare(check: Check, found: readonly Carried[]): Promise<unknown> | undefined {
    const hashes = check.searched.flatMap((each) => hashesIn(this.searched.get(each)))
    const expected = new Set(hashes.map((hash) => hash.toString('hex')))
    const waiting: Promise<unknown>[] = []
    for (const row of rowsIn(found, check.names)) {
      const preparing = compare(check, row, expected)
      if (preparing) waiting.push(preparing)
    }
    return waiting.length > 0 ? Promise.all(waiting) : undefined
  }

  /**
   * The very values that were searched, where all are known: what is one of them need not be hashed. They stand as the
   * characters of their bytes.
   */
  #values({ searched, index }: Check): ReadonlySet<string> | undefined {
    if (index.constant === undefined || index.isCompound) return undefined
    const values = new Set<string>()
    for (const { parameter } of searched) {
      const token = this.parameters[parameter]
      const value = token instanceof ComparisonToken ? token.bytesOf(index.column) : undefined
      if (value === undefined) return undefined
      values.add(value)
    }
    return values
  }
}

function hasNull(rows: readonly Row[], names: readonly string[]): boolean {
  for (const row of rows) for (const name of names) if (row[name] === null) return true
  return false
}

function isAmong(values: ReadonlySet<string>, opened: Carried['opened']): boolean {
  return Buffer.isBuffer(opened) && values.has(opened.toString('latin1'))
}

/** Why a value did not open; what was not tried because of another is none. */
function failureOf(values: readonly Carried[]): KmsEncryptionError | undefined {
  let first: KmsEncryptionError | undefined
  for (const { opened } of values) {
    if (!(opened instanceof KmsEncryptionError)) continue
    if (!(opened instanceof NotTriedError)) return opened
    first ??= opened
  }
  return first
}

/** The values of each row, in the order of the names. */
function rowsIn(values: readonly Carried[], names: readonly string[]): Iterable<readonly Carried[]> {
  if (names.length === 1) return values.map((each) => [each])
  const byRow = new Map<object, Carried[]>()
  for (const each of values) {
    const row = byRow.get(each.inRow)
    if (row) row.push(each)
    else byRow.set(each.inRow, [each])
  }
  return [...byRow.values()].map((row) =>
    names.flatMap((name) => row.find((each) => each.name === name) ?? []),
  )
}

/** At once, if the index key is at hand: it is, unless the row is under another one than was searched. */
function compare(
  check: Check,
  values: readonly Carried[],
  expected: ReadonlySet<string>,
): Promise<unknown> | undefined {
  const { index } = check
  const plaintexts = values.flatMap(({ opened }) => (Buffer.isBuffer(opened) ? [opened] : []))
  const recipe = values[0]?.recipe
  if (plaintexts.length < index.members.length || !recipe) return undefined
  const keyed = index.under(recipe.scope.context)
  const look = (): void => {
    if (!expected.has(keyed.hashOf(index.hashed(plaintexts)).toString('hex'))) throw otherValue(check)
  }
  const preparing = keyed.prepare()
  if (preparing) return preparing.then(look)
  look()
  return undefined
}

function otherValue({ column }: Check): KmsEncryptionError {
  return column.error(
    IndexWrongError,
    'a row was found by its blind index, and has another value: the index was altered, or is that of another row. No row is returned; find out who writes to the table. typeorm-kms verify names the rows.',
  )
}

/** Throws where rows would have to be compared and nothing may be decrypted: then any row could be found. */
export function refuseUncompared({ checks: [check] }: SearchPlan): void {
  if (check && isDenied()) throw uncompared(check.column)
}

/** An index of few bits finds rows only after their values were opened. */
export function refuseUnopened({ narrowed: [narrowed] }: SearchPlan): void {
  if (narrowed && isDenied()) throw uncompared(narrowed.index.column)
}

function uncompared(column: EncryptedColumn): KmsEncryptionError {
  return column.error(
    DecryptionDeniedError,
    'rows that a blind index finds are compared with what is searched, and nothing is decrypted inside of encryption.deny(). Search outside of it, or leave the property out of what is selected: then rows are not compared.',
  )
}
