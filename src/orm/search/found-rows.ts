import { isDenied } from '../../access'
import { DecryptionDeniedError, IndexWrongError, KmsEncryptionError, NotTriedError } from '../../errors'
import { type Carried, type Inspector } from '../read/result-opener'
import { textOf } from './index-of-row'
import { type Check, type SearchPlan } from './search-plan'
import { type Answered } from './sending'

type Row = Record<string, unknown>

/**
 * Rows that an equality found are compared with what was searched, by their opened values: the index itself is not
 * authenticated. A row whose value does not open is none that could be compared.
 */
export class FoundRows implements Inspector {
  private constructor(
    private readonly checks: readonly Check[],
    private readonly searched: Answered['searched'],
  ) {}

  /** `undefined` if nothing is to be compared. */
  static of({ checks }: SearchPlan, searched: Answered['searched']): FoundRows | undefined {
    return checks.length > 0 ? new FoundRows(checks, searched) : undefined
  }

  concerns(column: string): boolean {
    return this.checks.some(({ name }) => name === column)
  }

  inspect(values: readonly Carried[], rows: readonly Row[]): Promise<unknown> | undefined {
    const waiting: Promise<unknown>[] = []
    for (const check of this.checks) {
      if (rows.some((row) => row[check.name] === null)) throw otherValue(check)
      const found = values.filter(({ name }) => name === check.name)
      const failure = failureOf(found)
      if (failure) throw check.column.placed(failure)
      const expected = new Set(
        check.parameters.flatMap((each) => [this.searched.get(each)].flat()).map(textOf),
      )
      for (const value of found) {
        const preparing = compare(check, value, expected)
        if (preparing) waiting.push(preparing)
      }
    }
    return waiting.length > 0 ? Promise.all(waiting) : undefined
  }
}

/** Why a value did not open; what was not tried because of another is none. */
function failureOf(values: readonly Carried[]): KmsEncryptionError | undefined {
  const failures = values.flatMap(({ opening: { opened } }) =>
    opened instanceof KmsEncryptionError ? [opened] : [],
  )
  return failures.find((each) => !(each instanceof NotTriedError)) ?? failures[0]
}

/** At once, if the index key is at hand: it is, unless the row is under another one than was searched. */
function compare(
  check: Check,
  { opening: { opened }, recipe }: Carried,
  expected: ReadonlySet<string>,
): Promise<unknown> | undefined {
  if (!Buffer.isBuffer(opened) || !recipe) return undefined
  const { index } = check
  const keyed = index.under(recipe.scope.context)
  const look = (): void => {
    if (!expected.has(textOf(keyed.valueOf(index.canonical(opened))))) throw otherValue(check)
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
  if (!check || !isDenied()) return
  throw check.column.error(
    DecryptionDeniedError,
    'rows that a blind index finds are compared with what is searched, and nothing is decrypted inside of encryption.deny(). Search outside of it, or leave the property out of what is selected: then rows are not compared.',
  )
}
