import { randomUUID } from 'node:crypto'

import { LocalKmsCalls } from './calls'
import { KmsException } from './exception'
import { Faults, faultRegions, type LocalKmsFaults } from './faults'
import { type BlobLook } from './ciphertext-blob'
import { type Account } from './account'
import { type KeyStore } from './key-store'
import { OPERATIONS } from './operations'
import { type LocalKmsPolicy, Policy } from './policy'
import { type OperationContext } from './operations/operation'
import { isObject, RequestFields } from './request-fields'

/** An answer in the JSON 1.1 protocol. */
export interface Answer {
  statusCode: number
  headers: Record<string, string>
  body: Uint8Array
}

/** What comes of a request: an answer, or during an outage none. */
export type Reaction = Answer | 'refuse' | 'hang'

/** What a request says, whichever door it came in by. */
export interface ServiceRequest {
  /** `X-Amz-Target`. */
  target: string | undefined
  /** `Authorization`, for the Region in it. */
  authorization: string | undefined
  body: Uint8Array
}

const TARGET_PREFIX = 'TrentService.'

/**
 * The KMS behind both of its doors (the SDK's request handler and the port): AWS's JSON 1.1 protocol, the
 * faults, the record of calls, and the clock.
 *
 * Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
 */
export class Service {
  readonly calls = new LocalKmsCalls()
  readonly #account: Account
  readonly #clock: () => number
  #advanced = 0
  readonly #blobs: BlobLook
  #faults: Faults
  /** By access key. Who has none may do everything. */
  readonly #policies = new Map<string, Policy>()

  constructor(account: Account, clock: () => number, blobs: BlobLook) {
    this.#account = account
    this.#clock = clock
    this.#blobs = blobs
    this.#faults = new Faults({}, account.location)
  }

  get now(): number {
    return this.#clock() + this.#advanced
  }

  misbehave(faults: LocalKmsFaults): void {
    for (const region of faultRegions(faults)) {
      if (!this.#account.storeIn(region)) throw new RangeError(`Not a Region of this KMS: '${region}'`)
    }
    this.#faults = new Faults(faults, this.#account.location)
  }

  setPolicy(accessKeyId: string, policy: LocalKmsPolicy | undefined): void {
    if (policy) this.#policies.set(accessKeyId, new Policy(policy))
    else this.#policies.delete(accessKeyId)
  }

  advance(milliseconds: number): void {
    if (!(milliseconds >= 0 && Number.isFinite(milliseconds))) {
      throw new RangeError(`Time moves forward only, by milliseconds, not ${milliseconds}`)
    }
    this.#advanced += milliseconds
    this.#account.settle(this.now)
  }

  /** Answers one request. Rejects when the signal aborts it during the latency. */
  async react(request: ServiceRequest, signal?: AbortSignal): Promise<Reaction> {
    const { target, authorization, body } = request
    const operation = target?.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : ''
    const store = this.#account.storeOf(regionOf(authorization))
    const { region } = store.location
    const ended = (outcome: string): void => {
      this.calls.push({ operation, region, time: new Date(this.now), outcome })
    }
    const { latency, outage, exception } = this.#faults.judge(operation, region)
    if (latency > 0) await wait(latency, signal, ended)
    if (outage !== undefined) {
      ended(outage === 'hang' ? 'hung' : 'refused')
      return outage
    }
    try {
      if (exception) throw exception
      const output = this.#run(operation, body, store, callerOf(authorization))
      ended('ok')
      return answer(200, output)
    } catch (error) {
      const refusal = error instanceof KmsException ? error : internal(error)
      ended(refusal.name)
      return answer(refusal.statusCode, refusal.body)
    }
  }

  #run(
    operation: string,
    body: Uint8Array,
    store: KeyStore,
    caller: string,
  ): Record<string, unknown> | undefined {
    const run = OPERATIONS.get(operation)
    if (!run) throw new KmsException('UnknownOperationException')
    const { now } = this
    this.#account.settle(now)
    const policy = this.#policies.get(caller)
    const authorise: OperationContext['authorise'] = (action, resource, pairs) =>
      policy?.authorise({ action, resource, context: pairs }, caller, store.location)
    if (!JUDGED_BY_KEY.has(operation)) authorise(operation, undefined, {})
    const context = { store, account: this.#account, now, operation, blobs: this.#blobs, authorise }
    return run(new RequestFields(parseBody(body)), context)
  }
}

function wait(
  latency: number,
  signal: AbortSignal | undefined,
  ended: (outcome: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer)
      ended('aborted')
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, latency)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Operations that ask for permission themselves, once they know the key. */
const JUDGED_BY_KEY: ReadonlySet<string> = new Set([
  'Encrypt',
  'Decrypt',
  'ReEncrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
])

/** The access key that a request is signed with. */
function callerOf(authorization: string | undefined): string {
  return /Credential=([^/,\s]*)\//.exec(authorization ?? '')?.[1] ?? ''
}

/** The Region that a request is signed for: `Credential=ID/DATE/REGION/kms/aws4_request`. */
function regionOf(authorization: string | undefined): string | undefined {
  return /Credential=[^/]*\/\d+\/([^/]+)\/kms\//.exec(authorization ?? '')?.[1]
}

/** Says that the body is no JSON object, and nothing of what it holds. */
function parseBody(body: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown =
      body.length === 0 ? {} : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (isObject(parsed)) return parsed
  } catch {
    // Neither JSON nor UTF-8: refused below.
  }
  throw new KmsException('SerializationException', 'The request body is not a JSON object.')
}

function answer(statusCode: number, output: Record<string, unknown> | undefined): Answer {
  const body = output === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(output))
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': String(body.length),
    'x-amzn-requestid': randomUUID(),
  }
  return { statusCode, headers, body }
}

const internal = (error: unknown) =>
  new KmsException(
    'KMSInternalException',
    error instanceof Error ? error.message : 'The embedded KMS failed.',
  )
