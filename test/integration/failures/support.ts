import { setTimeout as delay } from 'node:timers/promises'
import { Column, type DataSource, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionError } from 'typeorm-kms-encrypted'
import { until } from '../../support/clock'

@Entity()
export class Account {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
}

/** Its values are one call to KMS each. */
@Entity()
export class DirectAccount {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted({ mode: 'direct' }) privateKey!: string
}

@Entity()
export class Holder {
  @PrimaryGeneratedColumn() id!: number
  @OneToMany('Secret', 'holder', { lazy: true }) secrets!: Promise<Secret[]>
}

@Entity()
export class Secret {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne('Holder', 'secrets') holder!: Holder
  @KmsEncrypted() value!: string
}

export function accounts(count: number): { email: string; privateKey: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    email: `user${index}@example.org`,
    privateKey: `key of ${index}`,
  }))
}

/** One read or write of an application under load. */
interface Attempt {
  kind: 'read' | 'write'
  /** Milliseconds. */
  took: number
  /** `ok`, or the code of the error. */
  outcome: string
}

/** An application under load: some workers that insert accounts and read others, until they are told to stop. */
export class Load {
  /** In the order in which they ended. */
  readonly attempts: Attempt[] = []
  #stopped = false
  readonly #workers: Promise<void>[]
  /** How often each worker ended an attempt. */
  readonly #ended: number[] = []
  readonly #ids: number[] = []

  constructor(dataSource: DataSource, workers = 6) {
    this.#workers = Array.from({ length: workers }, (_, worker) => this.#work(dataSource, worker))
  }

  /** Ends the load and fails if anybody was given a wrong value. */
  async stop(): Promise<void> {
    this.#stopped = true
    let isOver = false
    const over = Promise.all(this.#workers).finally(() => (isOver = true))
    await until(() => isOver)
    await over
  }

  /** Waits until all attempts that began before now have ended. From this number of attempts on they began later. */
  async turn(): Promise<number> {
    const before = [...this.#ended]
    await until(() => this.#ended.every((ended, worker) => ended >= (before[worker] ?? 0) + 2))
    return this.attempts.length
  }

  /** Waits until reads and writes had this outcome, among the attempts from this number on. */
  async until(outcome: string, from = 0): Promise<void> {
    const kinds = ['read', 'write'] as const
    await until(() => kinds.every((kind) => this.outcomes(kind, from)[outcome] !== undefined))
  }

  /** How often each outcome was seen, among the attempts from one number to another. */
  outcomes(kind: Attempt['kind'], from = 0, to = Infinity): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { kind: ofKind, outcome } of this.attempts.slice(from, to)) {
      if (ofKind === kind) counts[outcome] = (counts[outcome] ?? 0) + 1
    }
    return counts
  }

  /** The longest attempt, in milliseconds. */
  get longest(): number {
    return Math.max(...this.attempts.map(({ took }) => took))
  }

  async #work(dataSource: DataSource, worker: number): Promise<void> {
    const repository = dataSource.getRepository(Account)
    this.#ended[worker] = 0
    while (!this.#stopped) {
      await this.#attempt('write', worker, async () => {
        const [account] = accounts(1)
        const { id } = await repository.save(account!)
        this.#ids.push(id)
      })
      const id = this.#ids[Math.floor(Math.random() * this.#ids.length)]
      if (id !== undefined) {
        await this.#attempt('read', worker, async () => {
          const { privateKey } = await repository.findOneByOrFail({ id })
          if (privateKey !== 'key of 0') throw new Error(`a wrong value was read: ${privateKey}`)
        })
      }
      await delay(5)
    }
  }

  async #attempt(kind: Attempt['kind'], worker: number, work: () => Promise<void>): Promise<void> {
    const { took, error } = await timed(work())
    if (error !== undefined && typeof (error as KmsEncryptionError).code !== 'string') throw error as Error
    this.attempts.push({ kind, took, outcome: error ? (error as KmsEncryptionError).code : 'ok' })
    this.#ended[worker] = (this.#ended[worker] ?? 0) + 1
  }
}

/** How long a promise takes to settle, in milliseconds, and what it settles to. */
export async function timed<T>(promise: Promise<T>): Promise<{ took: number; error: unknown }> {
  const started = performance.now()
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { took: performance.now() - started, error }
}
