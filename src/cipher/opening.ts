import { type NamedRow } from '../diagnostics'
import { KmsEncryptionError, NotTriedError } from '../errors'
import { isLasting, isOfOneValue, isOfOtherScope, isWithoutDataKey } from '../errors/kinds'
import { type Caller, type KeyService } from '../kms/key-service'
import { type PlaintextBytes } from './bytes'
import { parse, type Parsed } from './ciphertext'
import { type Scope } from './scope'

/** A stored value, and the scopes under which it may be: the current one first. */
export interface ToOpen {
  readonly stored: Buffer | Parsed
  readonly scopes: readonly [Scope, ...Scope[]]
  /** Names its row, for whoever watches. */
  readonly row?: NamedRow | undefined
}

/** What became of a value: its plaintext, or why there is none. `NotTriedError` says nothing about the value itself. */
export type Outcome = PlaintextBytes | KmsEncryptionError

export interface OpeningOptions {
  /** Ends with the first lasting failure, for reads that fail as a whole then. Default `false`. */
  readonly untilFailure?: boolean
}

/** Values of one page that KMS may refuse, before it is asked for no more. */
export const MAX_REFUSED = 50
/** Calls that one page has under way at once, where the key service does not say how many it takes. */
const DEFAULT_CONCURRENCY = 20

/** Runs so many at once of what takes one after the other of `count` calls, as the key service takes. */
export async function sideBySide(
  { concurrency = DEFAULT_CONCURRENCY }: Pick<KeyService, 'concurrency'>,
  count: number,
  work: () => Promise<void>,
): Promise<void> {
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, work))
}

/** Opens the values of one call. */
export type Opens = (parsed: Parsed, scope: Scope, row?: NamedRow) => PlaintextBytes

/** Opens values one by one: what a page is put together from. `Cipher` is one. */
export interface SingleOpener {
  readonly kms: Pick<KeyService, 'concurrency'>
  /** The plaintext, or `undefined` if KMS must be asked. */
  decryptNow(parsed: Parsed, scope: Scope, row?: NamedRow): PlaintextBytes | undefined
  /** Asks KMS for what opens the value, and all others of the same call. */
  load(parsed: Parsed, scope: Scope, caller?: Caller): Promise<Opens>
  /** Begins to look up what the values will be opened with, together. */
  announce(page: readonly Parsed[]): void
  /** Names that call; `undefined` where none would help. */
  callOf(parsed: Parsed, scope: Scope): string | undefined
}

/** A value on its way through its scopes. */
interface Member {
  readonly place: number
  readonly parsed: Parsed
  readonly row: NamedRow | undefined
  /** Those that have not been tried. */
  scopes: readonly Scope[]
  /** The failure under the first scope: what a person is told. */
  failure: KmsEncryptionError | undefined
}

/** Values that one call to KMS opens. */
interface Group {
  readonly call: string
  readonly members: Member[]
}

/**
 * Opens the values of one page of rows: those whose data key is at hand at once, the others with one call to KMS per
 * data key and context, side by side. What a call brings is used before it can leave the cache.
 *
 * A page of forgeries costs a bounded number of calls: `MAX_REFUSED` values that open under none of their scopes, or
 * one where the page ends with the first failure, and what is under way by then. Trouble of KMS itself ends the page:
 * all that is left has the same failure.
 */
export class Opening {
  readonly #cipher: SingleOpener
  readonly #untilFailure: boolean
  /** In the queue before KMS, each page has a turn of its own. */
  readonly #caller: Caller = {}
  readonly #outcomes: (Outcome | undefined)[] = []
  /** The next is the last. */
  readonly #waiting: Group[] = []
  readonly #byCall = new Map<string, Group>()
  /** Calls after which a value had failed under all its scopes. */
  #refused = 0
  #hasFailed = false
  #trouble: KmsEncryptionError | undefined

  constructor(cipher: SingleOpener, { untilFailure = false }: OpeningOptions = {}) {
    this.#cipher = cipher
    this.#untilFailure = untilFailure
  }

  async open(values: readonly ToOpen[]): Promise<Outcome[]> {
    values.forEach((value, place) => {
      this.#openNow(value, place)
    })
    this.#cipher.announce(
      this.#waiting.flatMap(({ members }) => members.slice(0, 1).map(({ parsed }) => parsed)),
    )
    // What many values share comes first: forgeries mostly stand alone.
    this.#waiting.sort((a, b) => a.members.length - b.members.length)
    await sideBySide(this.#cipher.kms, this.#waiting.length, () => this.#work())
    return values.map((_, place) => this.#outcomes[place] ?? this.#notTried())
  }

  get #isOver(): boolean {
    if (this.#trouble) return true
    return this.#untilFailure ? this.#hasFailed : this.#refused >= MAX_REFUSED
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      const group = this.#waiting.pop()
      if (!group) return
      this.#byCall.delete(group.call)
      await this.#ask(group)
    }
  }

  /** Opens a value if that needs no call to KMS, or else lines it up. */
  #openNow({ stored, scopes, row }: ToOpen, place: number): void {
    const parsed = Buffer.isBuffer(stored) ? parse(stored) : stored
    const member: Member = { place, parsed, row, scopes: [], failure: undefined }
    this.#outcomes[place] = undefined
    const untried: Scope[] = []
    for (const scope of scopes) {
      try {
        const plaintext = this.#cipher.decryptNow(parsed, scope, row)
        if (plaintext) {
          this.#outcomes[place] = plaintext
          return
        }
        untried.push(scope)
      } catch (error) {
        if (!this.#mayOpenElsewhere(member, error)) return
      }
    }
    member.scopes = untried
    this.#goOn(member)
  }

  /** One call to KMS for a group. Values that it does not open go on to their next scope. */
  async #ask({ call, members }: Group): Promise<void> {
    const [first] = members
    const [scope] = first?.scopes ?? []
    if (!first || !scope) return
    let open: Opens
    try {
      open = await this.#cipher.load(first.parsed, scope, this.#caller)
    } catch (error) {
      for (const member of members) {
        if (!this.#mayOpenElsewhere(member, error)) continue
        member.scopes = member.scopes.filter((each) => this.#cipher.callOf(member.parsed, each) !== call)
        this.#goOn(member)
      }
      if (!isWithoutDataKey(error) && members.some(({ place }) => this.#outcomes[place])) this.#refused++
      return
    }
    for (const member of members) this.#openWith(open, call, member)
  }

  #openWith(open: Opens, call: string, member: Member): void {
    // Scopes that differ in the binding alone share the call.
    let [scope] = member.scopes
    do {
      if (!scope) break
      try {
        this.#outcomes[member.place] = open(member.parsed, scope, member.row)
        return
      } catch (error) {
        if (!this.#mayOpenElsewhere(member, error)) return
      }
      member.scopes = member.scopes.slice(1)
      ;[scope] = member.scopes
    } while (scope && this.#cipher.callOf(member.parsed, scope) === call)
    this.#goOn(member)
  }

  /** Lines a value up for its next scope. Where there is none it has failed. */
  #goOn(member: Member): void {
    const [scope] = member.scopes
    const call = scope && this.#cipher.callOf(member.parsed, scope)
    if (call === undefined) {
      if (member.failure) this.#fail(member, member.failure)
      return
    }
    const group = this.#byCall.get(call)
    if (group) {
      group.members.push(member)
      return
    }
    const made = { call, members: [member] }
    this.#byCall.set(call, made)
    this.#waiting.push(made)
  }

  /** False if the failure is the end of it; then it is kept. */
  #mayOpenElsewhere(member: Member, error: unknown): boolean {
    if (!(error instanceof KmsEncryptionError)) throw error
    if (isOfOtherScope(error)) {
      member.failure ??= error
      return true
    }
    this.#fail(member, error)
    return false
  }

  #fail({ place }: Member, failure: KmsEncryptionError): void {
    this.#outcomes[place] = failure
    if (isLasting(failure)) this.#hasFailed = true
    else if (!isOfOneValue(failure)) this.#trouble ??= failure
  }

  /** Of a value for which KMS was not asked any more. */
  #notTried(): KmsEncryptionError {
    if (this.#trouble) return this.#trouble
    const why = this.#untilFailure
      ? 'another of the same page could not be decrypted, and the page is not read without it'
      : `it refused ${this.#refused} others of the same page. Mend those, or read fewer rows at once`
    return new NotTriedError(`KMS was not asked for this value: ${why}.`)
  }
}
