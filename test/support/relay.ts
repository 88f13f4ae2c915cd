import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { DataSourceOptions } from 'typeorm'
import type { TestDatabase } from './databases'

/** When the relay cuts: before the statement reaches the server, or after, so that only its answer is lost. */
export type CutMoment = 'before' | 'after'

interface Conversation {
  readonly client: Socket
  readonly server: Socket
  readonly sent: Buffer[]
  readonly received: Buffer[]
}

/**
 * A TCP relay on loopback between a driver and a server. It records what crosses the socket in both
 * directions, and can cut the connections as a failing network does.
 */
export class Relay {
  readonly #server = createServer((client) => {
    this.#accept(client)
  })
  readonly #target: { host: string; port: number }
  readonly #open = new Set<Conversation>()
  #recorded: Conversation[] = []
  #trap: { text: string; moment: CutMoment } | undefined

  private constructor(target: { host: string; port: number }) {
    this.#target = target
  }

  static async to(target: { host: string; port: number }): Promise<Relay> {
    const relay = new Relay(target)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Everything recorded since the last `reset`, each connection's two directions in one piece. */
  bytes(): Buffer {
    return Buffer.concat(this.#recorded.flatMap(({ sent, received }) => [...sent, ...received]))
  }

  /** What the drivers sent to the server. */
  sent(): Buffer {
    return Buffer.concat(this.#recorded.flatMap(({ sent }) => sent))
  }

  /** What the server answered. */
  received(): Buffer {
    return Buffer.concat(this.#recorded.flatMap(({ received }) => received))
  }

  reset(): void {
    for (const { sent, received } of this.#recorded) {
      sent.length = 0
      received.length = 0
    }
    this.#recorded = [...this.#open]
  }

  /** Cuts all connections now. New ones are accepted. */
  cut(): void {
    for (const { client, server } of this.#open) {
      client.resetAndDestroy()
      server.destroy()
    }
  }

  /** Cuts the next connection on which a driver sends `text`, once. */
  cutOn(text: string, moment: CutMoment): void {
    this.#trap = { text, moment }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  #accept(client: Socket): void {
    const server = connect(this.#target)
    const conversation: Conversation = { client, server, sent: [], received: [] }
    this.#open.add(conversation)
    this.#recorded.push(conversation)
    let answersLost = false

    client.on('data', (chunk) => {
      conversation.sent.push(chunk)
      const moment = this.#springTrap(chunk)
      if (moment === 'before') {
        client.resetAndDestroy()
        server.destroy()
        return
      }
      answersLost ||= moment === 'after'
      server.write(chunk)
    })
    server.on('data', (chunk) => {
      conversation.received.push(chunk)
      if (answersLost) {
        client.resetAndDestroy()
        server.destroy()
      } else {
        client.write(chunk)
      }
    })
    client.on('end', () => server.end())
    server.on('end', () => client.end())
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        other.destroy()
        this.#open.delete(conversation)
      })
    }
  }

  #springTrap(chunk: Buffer): CutMoment | undefined {
    if (!this.#trap || !chunk.includes(this.#trap.text)) return undefined
    const { moment } = this.#trap
    this.#trap = undefined
    return moment
  }
}

/** A relay to the database's server, and the database's options changed to go through it. */
export async function relayTo(database: TestDatabase): Promise<{ relay: Relay; options: DataSourceOptions }> {
  const { options } = database
  if (options.type !== 'mysql' && options.type !== 'mariadb' && options.type !== 'postgres') {
    throw new Error(`${database.name} has no socket that a relay could listen on`)
  }
  const relay = await Relay.to({ host: options.host!, port: options.port! })
  return { relay, options: { ...options, host: '127.0.0.1', port: relay.port } }
}
