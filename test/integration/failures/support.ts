import { setTimeout as delay } from 'node:timers/promises'
import { Column, type DataSource, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionError } from 'typeorm-kms-encrypted'

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
  /** Of `performance.now()`. */
  started: number
  ended: number
  /** `ok`, or the code of the error. */
  outcome: string
}

/** An application under load: some workers that insert accounts and read others, until they are told to stop. */
export class Load {
  readonly attempts: Attempt[] = []
  #stopped = false
  readonly #workers: Promise<void>[]
  readonly #ids: number[] = []

  constructor(dataSource: DataSource, workers = 6) {
    this.#workers = Array.from({ length: workers }, () => this.#work(dataSource))
  }

  /** Ends the load and fails if anybody was given a wrong value. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#workers)
  }

  /** Waits until reads and writes that began after `since` had this outcome. */
  async until(outcome: string, since = 0): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!this.outcomes('read', since)[outcome] || !this.outcomes('write', since)[outcome]) {
      if (performance.now() > deadline) throw new Error(`nothing was ${outcome} within 10 s`)
      await delay(10)
    }
  }

  /** How often each outcome was seen in attempts that began in a span of `performance.now()`. */
  outcomes(kind: Attempt['kind'], from = 0, to = Infinity): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { kind: ofKind, started, ended, outcome } of this.attempts) {
      if (ofKind === kind && started >= from && ended <= to) counts[outcome] = (counts[outcome] ?? 0) + 1
    }
    return counts
  }

  /** The longest attempt, in milliseconds. */
  get longest(): number {
    return Math.max(...this.attempts.map(({ started, ended }) => ended - started))
  }

  async #work(dataSource: DataSource): Promise<void> {
    const repository = dataSource.getRepository(Account)
    while (!this.#stopped) {
      await this.#attempt('write', async () => {
        const [account] = accounts(1)
        const { id } = await repository.save(account!)
        this.#ids.push(id)
      })
      const id = this.#ids[Math.floor(Math.random() * this.#ids.length)]
      if (id !== undefined) {
        await this.#attempt('read', async () => {
          const { privateKey } = await repository.findOneByOrFail({ id })
          if (privateKey !== 'key of 0') throw new Error(`a wrong value was read: ${privateKey}`)
        })
      }
      await delay(5)
    }
  }

  async #attempt(kind: Attempt['kind'], work: () => Promise<void>): Promise<void> {
    const started = performance.now()
    const outcome = await work().then(
      () => 'ok',
      (error: unknown) => {
        if (typeof (error as KmsEncryptionError).code !== 'string') throw error
        return (error as KmsEncryptionError).code
      },
    )
    this.attempts.push({ kind, started, ended: performance.now(), outcome })
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
