import { AsyncLocalStorage } from 'node:async_hooks'
import { DecryptionDeniedError, DecryptionLimitError, type ErrorDetails, InvalidOptionError } from './errors'

/** Who decrypts, and why: what `withContext()` takes. */
export interface AccessContext {
  /** Who it is for: an account, never a secret. It is published as it is. */
  user?: string
  /** What it is for, e.g. the route or the job. It is published as it is. */
  reason?: string
  /** Values that may be decrypted inside. One more is refused with `DECRYPTION_LIMIT`. Default: no limit. */
  maxDecryptions?: number
}

/** What events tell of it. */
export type PublishedContext = Pick<AccessContext, 'user' | 'reason'>

/** The context of what runs now. */
interface Access {
  readonly published: PublishedContext | undefined
  readonly limit: number | undefined
  decryptions: number
  readonly isDenied: boolean
  readonly outer: Access | undefined
}

const current = new AsyncLocalStorage<Access | undefined>()
/** Nobody need look for a context until there was one. */
let isUsed = false

/** Runs a function in a context, inside of the one that it is called in. Throws `InvalidOptionError`. */
export function withContext<Result>(context: AccessContext, run: () => Result): Result {
  checkContext(context)
  const outer = current.getStore()
  const { maxDecryptions: limit, ...published } = context
  return enter({ ...outer?.published, ...published }, limit, outer?.isDenied === true, run)
}

/** Runs a function in which nothing is decrypted. */
export function deny<Result>(run: () => Result): Result {
  return enter(current.getStore()?.published, undefined, true, run)
}

/** Runs a function outside of any context: what it starts serves everybody. */
export function outsideOfContexts<Result>(run: () => Result): Result {
  return isUsed ? current.run(undefined, run) : run()
}

function enter<Result>(
  published: PublishedContext | undefined,
  limit: number | undefined,
  isDenied: boolean,
  run: () => Result,
): Result {
  isUsed = true
  return current.run({ published, limit, decryptions: 0, isDenied, outer: current.getStore() }, run)
}

/** Who runs now, for events. */
export function publishedContext(): PublishedContext | undefined {
  return isUsed ? current.getStore()?.published : undefined
}

/** True inside of `deny()`. */
export function isDenied(): boolean {
  return isUsed && current.getStore()?.isDenied === true
}

/** Why nothing is decrypted here. */
export function denial(place?: ErrorDetails): DecryptionDeniedError {
  return new DecryptionDeniedError(
    'the value is not decrypted inside of encryption.deny(). Load the entity outside of it where the value is needed.',
    place,
  )
}

/** Counts a value that is about to be decrypted. Throws for one that the context does not allow. */
export function countDecryption(place?: ErrorDetails): void {
  if (!isUsed) return
  let access = current.getStore()
  if (access?.isDenied) throw denial(place)
  for (; access; access = access.outer) {
    if (access.limit === undefined || ++access.decryptions <= access.limit) continue
    throw new DecryptionLimitError(
      `more than ${access.limit} values would be decrypted, which is all that the context allows (maxDecryptions of encryption.withContext()). Read fewer rows or columns, or raise the limit where so many are meant.`,
      place,
    )
  }
}

function checkContext(context: AccessContext): void {
  const refuse = (reason: string): never => {
    throw new InvalidOptionError(`withContext(): ${reason}`)
  }
  if (typeof context !== 'object' || (context as unknown) === null)
    refuse('pass { user, reason, maxDecryptions }')
  for (const [name, value] of Object.entries(context) as [string, unknown][]) {
    if (value === undefined) continue
    if (name === 'maxDecryptions') {
      if (!Number.isSafeInteger(value) || (value as number) < 0)
        refuse('maxDecryptions must be a whole number, 0 or more')
    } else if (name !== 'user' && name !== 'reason')
      refuse(`unknown option ${name}. Known are user, reason, maxDecryptions.`)
    else if (typeof value !== 'string') refuse(`${name} must be a text`)
  }
}
