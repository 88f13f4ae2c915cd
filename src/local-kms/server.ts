import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'

import { type Service } from './service'

const LOOPBACK = '127.0.0.1'
/** Larger than any valid request (a key policy of 128 KiB, JSON-escaped). */
const MAX_BODY_BYTES = 1024 * 1024
/** Longer than SDKs keep idle connections, so that none is closed under a request. */
const KEEP_ALIVE_MS = 75_000

export interface ListenOptions {
  /** Default: a free port. */
  port?: number
  /** Only loopback; anything else is refused. */
  host?: '127.0.0.1'
}

/** An embedded KMS that listens. */
export interface LocalKmsServer {
  /** For `--endpoint-url` and `AWS_ENDPOINT_URL_KMS`. */
  readonly url: string
  readonly port: number
  /** Stops listening and drops open connections. The keys stay. */
  close(): Promise<void>
}

/** Puts a KMS on a loopback port. */
export async function listen(service: Service, options: ListenOptions): Promise<LocalKmsServer> {
  const { port = 0, host = LOOPBACK } = options as { port?: number; host?: string }
  if (host !== LOOPBACK)
    throw new RangeError(`The embedded KMS listens on ${LOOPBACK} only, not on '${host}'.`)
  const server = createServer((request, response) => {
    answer(service, request, response).catch(() => request.socket.destroy())
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

async function answer(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isLoopback(request.headers.host)) {
    response.writeHead(403, { connection: 'close' }).end()
    return
  }
  const target = request.headers['x-amz-target']
  const body = await readBody(request)
  if (body === undefined) {
    response.writeHead(413, { connection: 'close' }).end()
    return
  }
  const reaction = await service.react({
    target: typeof target === 'string' ? target : undefined,
    authorization: request.headers.authorization,
    body,
  })
  if (reaction === 'hang') return
  if (reaction === 'refuse') {
    request.socket.resetAndDestroy()
    return
  }
  response.writeHead(reaction.statusCode, reaction.headers).end(reaction.body)
}

/** Keeps out a web page that has its own host name resolve to this machine (DNS rebinding). */
const isLoopback = (host: string | undefined) => /^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(host ?? '')

/** The body, or `undefined` when it is too large. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
