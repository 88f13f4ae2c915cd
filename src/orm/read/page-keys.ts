import { type Cipher } from '../../cipher/cipher'
import { parse, type Parsed, type StoredKeyCiphertext } from '../../cipher/ciphertext'
import { sideBySide } from '../../cipher/opening'
import { type Scope } from '../../cipher/scope'
import { SHORTEST } from '../../cipher/suites/stored-key/seal'
import { KmsEncryptionError } from '../../errors'
import { isOfOneValue } from '../../errors/kinds'
import { type EncryptedResult, type Row } from './result-columns'

/** Data keys that are fetched ahead of a page: few enough to stay in memory until its values are opened. */
const MAX_KEYS = 64

/** A value of each data key. */
interface First {
  readonly parsed: Parsed
  readonly scope: Scope
}

/**
 * Fetches the data keys of a result, where a few of them open all its values: those are left to hydration then, as if
 * the data keys had been at hand. `undefined` where that cannot be. The answer is trouble that says nothing about the
 * values, if there was any; what else fails is asked again with the values that it is about, and named there.
 */
export function fetchPageKeys(
  columns: readonly EncryptedResult[],
  rows: readonly Row[],
): Promise<KmsEncryptionError | undefined> | undefined {
  const [first] = columns
  const calls = firstOfEachKey(columns, rows)
  return first && calls && calls.size > 0 ? fetchAll(first.column.cipher, [...calls.values()]) : undefined
}

/** `undefined` if there are too many, or values that depend on their row or on something else than a data key. */
function firstOfEachKey(
  columns: readonly EncryptedResult[],
  rows: readonly Row[],
): ReadonlyMap<string, First> | undefined {
  const calls = new Map<string, First>()
  for (const { column, name } of columns) {
    const { opener, recipes, cipher } = column
    const [scope, ...others] = recipes.constant?.scopes ?? []
    if (!scope || others.length > 0) return undefined
    const most = Math.min(MAX_KEYS, cipher.dataKeys.maxKeys / 2)
    let last: StoredKeyCiphertext | undefined
    for (const row of rows) {
      const stored = column.storedIfDelivered(row[name])
      if (stored === undefined) continue
      // Most values of a page name the same.
      if (last && typeof stored !== 'string' && stored.length >= SHORTEST && last.namesLike(stored)) continue
      const parsed = parse(opener.bytesOf(stored))
      if (parsed.kind !== 'ciphertext') return undefined
      if (parsed.suite === 'stored-key') {
        if (last && parsed.namesLike(last.bytes)) continue
        last = parsed
      } else if (parsed.suite !== 'envelope') return undefined
      if (!cipher.needsKms(parsed, scope)) continue
      const call = cipher.callOf(parsed, scope) ?? ''
      if (calls.has(call)) continue
      if (calls.size >= most) return undefined
      calls.set(call, { parsed, scope })
    }
  }
  return calls
}

async function fetchAll(cipher: Cipher, waiting: First[]): Promise<KmsEncryptionError | undefined> {
  cipher.announce(waiting.map(({ parsed }) => parsed))
  const caller = {}
  let failure: KmsEncryptionError | undefined
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next && failure === undefined; next = waiting.pop()) {
      try {
        await cipher.load(next.parsed, next.scope, caller)
      } catch (error) {
        if (!(error instanceof KmsEncryptionError)) throw error
        failure ??= error
      }
    }
  }
  await sideBySide(cipher.kms, waiting.length, work)
  return isOfOneValue(failure) ? undefined : failure
}
