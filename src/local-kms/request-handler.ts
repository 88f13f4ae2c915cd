import { type Answer, type Service } from './service'

/** The part of the SDK's HTTP request that the embedded KMS reads. */
interface Request {
  headers: Record<string, string>
  body?: unknown
}

/** The part of the SDK's per-request options that it honours. */
interface HandlerOptions {
  abortSignal?: { aborted: boolean; reason?: unknown; onabort?: unknown }
  /** Milliseconds. */
  requestTimeout?: number
}

/**
 * The embedded KMS as the SDK's HTTP layer: give it to any `KMSClient` as `requestHandler`. Requests take
 * the SDK's whole way (serialisation, signing, retries, error classes), only no socket.
 *
 * @example
 * const client = new KMSClient({ region: kms.region, credentials, requestHandler: kms.requestHandler })
 */
export class LocalKmsRequestHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #service: Service

  constructor(service: Service) {
    this.#service = service
  }

  /** Rejects with `AbortError`, `TimeoutError` or `ECONNREFUSED` as the SDK's own HTTP handler does. */
  async handle(request: Request, options: HandlerOptions = {}): Promise<{ response: Answer }> {
    const interruption = new Interruption(options)
    try {
      const asked = {
        target: header(request.headers, 'x-amz-target'),
        authorization: header(request.headers, 'authorization'),
        body: bytesOf(request.body),
      }
      const reaction = await interruption.race(this.#service.react(asked, interruption.signal))
      if (reaction === 'refuse') throw connectionRefused()
      if (reaction === 'hang') return await interruption.race(new Promise<never>(() => undefined))
      return { response: reaction }
    } finally {
      interruption.done()
    }
  }

  /** Part of the SDK's interface; there is no HTTP configuration here. */
  updateHttpClientConfig(): void {
    // Nothing to configure.
  }

  /** Part of the SDK's interface; there is no HTTP configuration here. */
  httpHandlerConfigs(): Record<string, never> {
    return {}
  }

  /** Part of the SDK's interface: `client.destroy()` leaves the KMS as it is. */
  destroy(): void {
    // Other clients may use the same KMS.
  }
}

/** What can cut a request short: the caller's abort signal or the request's time-out. */
class Interruption {
  readonly #controller = new AbortController()
  readonly #happened: Promise<never>
  readonly #timer: NodeJS.Timeout | undefined
  readonly #forget: () => void

  constructor({ abortSignal, requestTimeout = 0 }: HandlerOptions) {
    this.#happened = new Promise((_, reject) => {
      this.#controller.signal.addEventListener('abort', () => {
        reject(this.#controller.signal.reason as Error)
      })
    })
    this.#happened.catch(() => undefined)
    const abort = () => {
      this.#controller.abort(named('AbortError', 'Request aborted'))
    }
    const signal = abortSignal as AbortSignal | undefined
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
    this.#forget = () => signal?.removeEventListener('abort', abort)
    if (requestTimeout > 0) {
      const message = `Request timed out after ${requestTimeout} ms`
      this.#timer = setTimeout(() => {
        this.#controller.abort(named('TimeoutError', message))
      }, requestTimeout)
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#happened, work])
  }

  done(): void {
    clearTimeout(this.#timer)
    this.#forget()
  }
}

function header(headers: Record<string, string>, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (body === undefined) return new Uint8Array()
  throw new TypeError('The embedded KMS takes request bodies as string or bytes.')
}

const named = (name: string, message: string) => Object.assign(new Error(message), { name })

const connectionRefused = () =>
  Object.assign(new Error('connect ECONNREFUSED (embedded KMS: outage)'), {
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
  })
