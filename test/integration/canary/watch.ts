import { inspect } from 'node:util'
import { type DataSource, type DataSourceOptions, type EntitySubscriberInterface, type Logger } from 'typeorm'
import { type KmsEncryption } from 'typeorm-kms-encrypted'
import { type TestDatabase } from '../../support/databases'
import { dump } from '../../support/dump'
import { logsFrom, type ServerLog } from '../../support/logs'
import { formsOfMarker, type MarkerForm, newMarker } from '../../support/markers'
import { type Relay, relayTo } from '../../support/relay'

/** Where a marker was found, and in which forms: empty if nothing leaked. */
export type Findings = Record<string, MarkerForm[]>

/**
 * Everything that can be had from a value without knowing what it is: what `util.inspect`, JSON and text make of it,
 * and every string and byte in its properties, hidden ones too, however deep.
 */
export function everythingOf(value: unknown): string {
  const written = [
    () => inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: null, maxStringLength: null }),
    () => JSON.stringify(value),
    () => String(value),
  ].map(attempt)
  return [...written, ...contentsOf(value)].join('\n')
}

function attempt(write: () => string | undefined): string {
  try {
    return write() ?? ''
  } catch (error) {
    // What refuses to be written must not tell it in the refusal.
    return error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error)
  }
}

/** Every string and byte that is reached through properties, maps and sets. Getters are not called. */
export function contentsOf(root: unknown): string[] {
  const contents: string[] = []
  const seen = new Set<unknown>()
  const waiting = [root]
  for (let value = waiting.pop(); waiting.length > 0 || value !== undefined; value = waiting.pop()) {
    if (typeof value === 'string') contents.push(value)
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Uint8Array) {
      contents.push(Buffer.from(value).toString('latin1'))
      continue
    }
    if (value instanceof Map) waiting.push(...(value.keys() as Iterable<unknown>))
    if (value instanceof Map || value instanceof Set) waiting.push(...(value.values() as Iterable<unknown>))
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      contents.push(name)
      waiting.push(property.value)
    }
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      waiting.push(Object.getOwnPropertyDescriptor(value, symbol)?.value)
    }
  }
  return contents
}

/** An error with all it carries: message, stack, parameters and the chain of its causes. */
export function everythingOfError(error: unknown): string {
  const texts: string[] = []
  for (let current = error; current !== undefined; current = (current as { cause?: unknown }).cause) {
    const { message, stack, parameters, query } = current as Record<string, unknown>
    texts.push(everythingOf(current), ...[message, stack, parameters, query].map(everythingOf))
  }
  return texts.join('\n')
}

/** Watches every channel through which a plaintext could leave an application that uses the database. */
export class Watch {
  readonly marker = newMarker()
  readonly #logged: string[] = []
  readonly #queried: string[] = []
  readonly #errors: string[] = []
  readonly #serverLogs: ServerLog[]

  private constructor(
    readonly database: TestDatabase,
    readonly relay: Relay | undefined,
    readonly options: DataSourceOptions,
  ) {
    this.#serverLogs = logsFrom(database)
  }

  static async over(database: TestDatabase): Promise<Watch> {
    const isReached = database.name !== 'sqlite' && !database.standIn
    const relayed = isReached ? await relayTo(database) : undefined
    return new Watch(database, relayed?.relay, relayed?.options ?? database.options)
  }

  /** TypeORM's logger: notes all it is given, but for the query runner, which it is given each time. */
  readonly logger: Logger = {
    logQuery: (...args) => {
      this.#log(args)
    },
    logQueryError: (...args) => {
      this.#log(args)
    },
    logQuerySlow: (...args) => {
      this.#log(args)
    },
    logSchemaBuild: (...args) => {
      this.#log(args)
    },
    logMigration: (...args) => {
      this.#log(args)
    },
    log: (...args) => {
      this.#log(args)
    },
  }

  /** What another subscriber of the application, such as a tracer, sees of the statements. */
  readonly tracer: EntitySubscriberInterface = {
    beforeQuery: ({ query, parameters }) => {
      this.#queried.push(everythingOf([query, parameters]))
    },
    afterQuery: ({ query, parameters, rawResults, error }) => {
      this.#queried.push(everythingOf([query, parameters, rawResults]), error ? everythingOfError(error) : '')
    },
  }

  noteError(error: unknown): void {
    this.#errors.push(everythingOfError(error))
  }

  /** What leaked since the last call into the channels that can be read at any time. */
  passing(): Findings {
    const findings = {
      ...this.#find('logger', this.#logged.splice(0).join('\n')),
      ...this.#find('query subscribers', this.#queried.splice(0).join('\n')),
      ...this.#find('errors', this.#errors.splice(0).join('\n')),
      ...(this.relay ? this.#find('socket', this.relay.bytes()) : {}),
    }
    this.relay?.reset()
    return findings
  }

  /** What leaked since the start into what stays: the tables and the logs of the server. */
  async lasting(): Promise<Findings> {
    const findings = this.#find('tables', await dump(this.database))
    for (const log of this.#serverLogs) Object.assign(findings, this.#find(log.name, await log.read()))
    return findings
  }

  /** What the objects of the library, and those of TypeORM that they are attached to, show of themselves. */
  objects(encryption: KmsEncryption, dataSource: DataSource): Findings {
    const { subscribers, entityMetadatas } = dataSource
    const transformers = entityMetadatas
      .flatMap(({ columns }) => columns)
      .flatMap((column) => column.transformer ?? [])
    const inspected = [encryption, encryption.metrics(), ...transformers].map(everythingOf)
    return this.#find('objects', [...inspected, ...contentsOf([subscribers, dataSource])].join('\n'))
  }

  #log(args: unknown[]): void {
    const queryRunner = args.at(-1)
    const withoutRunner = typeof queryRunner === 'object' && queryRunner && 'broadcaster' in queryRunner
    this.#logged.push(everythingOf(withoutRunner ? args.slice(0, -1) : args))
  }

  #find(channel: string, content: Buffer | string): Findings {
    return { [channel]: formsOfMarker(content, this.marker) }
  }
}
