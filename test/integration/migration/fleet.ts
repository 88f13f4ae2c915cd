import { DataSource, type DataSourceOptions, type EntityTarget, type Repository } from 'typeorm'
import { type KMSClient } from '@aws-sdk/client-kms'
import { kmsEncryption, type KmsEncryption, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { type TestDatabase } from '../../support/databases'
import { KEY } from '../../support/encryption'

/** A row as every version of the application sees it: one secret, in each of its columns. */
export interface Token {
  id: number
  secret: string
  bytes: Buffer
  data: { secret: string }
}

/** The columns that hold a secret. */
export const COLUMNS = ['secret', 'bytes', 'data'] as const

function columnsOf(secret: string): Omit<Token, 'id'> {
  return { secret, bytes: Buffer.from(secret), data: { secret } }
}

function secretsOf({ secret, bytes, data }: Token): string[] {
  // An entity without encrypted columns has what sql.js delivers: Uint8Arrays.
  return [secret, Buffer.from(bytes).toString(), data.secret]
}

/** A version of the application. */
export interface Version {
  entity: EntityTarget<Token>
  /** Whether it writes for the time being. */
  writes: boolean
  /** Of its `kmsEncryption()`. */
  options?: Partial<KmsEncryptionOptions>
}

interface Instance {
  version: Version
  encryption: KmsEncryption
  dataSource: DataSource
  /** Operations under way. */
  busy: number
}

const WORKERS = 4

/**
 * The instances of an application under load, of one version or of several at once. Each read is compared with what
 * was written last to the row, by whichever instance.
 */
export class Fleet {
  readonly expected: Map<number, string>
  /** What an application would have seen go wrong. */
  readonly wrong: string[] = []
  operations = 0
  readonly #database: TestDatabase
  readonly #client: KMSClient
  readonly #instances: Instance[] = []
  #running: Promise<unknown> | undefined
  #stopped = false

  constructor(database: TestDatabase, client: KMSClient, rows: number) {
    this.#database = database
    this.#client = client
    this.expected = new Map(Array.from({ length: rows }, (_, id) => [id, `original ${id} é`]))
  }

  /** Starts an instance, which takes its share of the load from now on. */
  async deploy(version: Version, options: Partial<DataSourceOptions> = {}): Promise<DataSource> {
    const encryption = kmsEncryption({
      keyId: KEY,
      client: this.#client,
      timeout: 120_000,
      ...version.options,
    })
    const merged = { ...this.#database.options, ...options, entities: [version.entity] } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(merged)).initialize()
    this.#instances.push({ version, encryption, dataSource, busy: 0 })
    return dataSource
  }

  /** Ends the oldest instance, once what it is doing is done. */
  async retire(): Promise<void> {
    const instance = this.#instances.shift()!
    while (instance.busy > 0) await turn()
    await instance.dataSource.destroy()
    instance.encryption.close()
  }

  /** Replaces all instances by two of another version, one after the other, under load all the while. */
  async roll(version: Version): Promise<DataSource> {
    for (let old = this.#instances.length; old > 0; old--) {
      if (old <= 2) await this.deploy(version)
      await this.work()
      await this.retire()
    }
    await this.work()
    return this.#instances[0]!.dataSource
  }

  /** Stores the first values through the newest instance, and begins to read and write. */
  async start(): Promise<void> {
    const { dataSource, version } = this.#instances.at(-1)!
    const rows = Array.from(this.expected, ([id, secret]) => ({ id, ...columnsOf(secret) }))
    await dataSource.getRepository(version.entity).insert(rows)
    this.#running = Promise.all(Array.from({ length: WORKERS }, (_, worker) => this.#use(worker)))
  }

  /** Waits until the application has done so many more operations. */
  async work(count = 50): Promise<void> {
    const until = this.operations + count
    while (this.operations < until && this.wrong.length === 0) await turn()
  }

  /** Ends the load. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** Ends the load and all instances. */
  async end(): Promise<void> {
    await this.stop()
    while (this.#instances.length > 0) await this.retire()
  }

  /** Reads and writes rows that no other worker writes. */
  async #use(worker: number): Promise<void> {
    while (!this.#stopped) {
      const id = Math.floor((Math.random() * this.expected.size) / WORKERS) * WORKERS + worker
      try {
        const token = await this.#onAny((instance) => tokens(instance).findOneByOrFail({ id }))
        const wrong = secretsOf(token).find((secret) => secret !== this.expected.get(id))
        if (wrong !== undefined) this.wrong.push(`row ${id} was read as ${wrong.slice(0, 40)}`)
        const next = `written ${this.operations++} to ${id}`
        if (await this.#onAny((instance) => this.#write(instance, id, next))) this.expected.set(id, next)
      } catch (error) {
        this.wrong.push(String(error))
      }
      await turn()
    }
  }

  /** True if the instance writes. */
  async #write(instance: Instance, id: number, secret: string): Promise<boolean> {
    const { version, dataSource } = instance
    if (!version.writes) return false
    await dataSource.getRepository(version.entity).update({ id }, columnsOf(secret))
    return true
  }

  async #onAny<T>(work: (instance: Instance) => Promise<T>): Promise<T> {
    const instance = this.#instances[Math.floor(Math.random() * this.#instances.length)]!
    instance.busy++
    try {
      return await work(instance)
    } finally {
      instance.busy--
    }
  }
}

function tokens({ dataSource, version }: Instance): Repository<Token> {
  return dataSource.getRepository(version.entity)
}

/** Lets everything else have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
