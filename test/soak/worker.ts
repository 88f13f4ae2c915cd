/** A process of the soak test's application: reads and writes its rows, and checks each that it reads. */
import { KmsEncryptionError } from 'typeorm-kms-encrypted'
import { type EntityManager, In, type Repository } from 'typeorm'
import { setTimeout as sleep } from 'node:timers/promises'
import { Account, accountOf, faultIn } from './account'
import { Journal, type State } from './journal'
import { connect, LEASE, type SoakTask, taskOf } from './task'

/** What a worker tells, once in a second and when something is wrong. */
export interface WorkerNews {
  operations: number
  /** Failed for a reason that the test made: KMS, or the connection. By code. */
  failures: Record<string, number>
  wrong: string[]
  heap: number
  handles: number
}

class Worker {
  readonly #journal: Journal
  readonly #news: WorkerNews = { operations: 0, failures: {}, wrong: [], heap: 0, handles: 0 }
  #stopped = false

  constructor(
    private readonly task: SoakTask,
    private readonly accounts: Repository<Account>,
  ) {
    this.#journal = new Journal(task.journal)
  }

  async run(): Promise<void> {
    process.on('message', () => (this.#stopped = true))
    const telling = setInterval(() => {
      this.#tell()
    }, 1_000)
    while (!this.#stopped) {
      const began = performance.now()
      try {
        await this.#operate()
        this.#news.operations++
      } catch (error) {
        this.#failed(error, performance.now() - began)
        // What was sent before the connection was cut may still be carried out.
        await sleep(500)
      }
    }
    clearInterval(telling)
    this.#tell()
  }

  /** Rows of this worker at random; some of them were never written. */
  #ids(count: number): number[] {
    const { first, step, rows } = this.task
    const places = Math.floor(rows / step)
    const ids = Array.from({ length: count }, () => first + step * Math.floor(Math.random() * places))
    return [...new Set(ids)]
  }

  async #operate(): Promise<void> {
    const dice = Math.random()
    if (dice < 0.3) return this.#readOne()
    if (dice < 0.4) return this.#readSome()
    if (dice < 0.5) return this.#search()
    if (dice < 0.7) return this.#save(this.accounts.manager, this.#ids(1))
    if (dice < 0.8) return this.#save(this.accounts.manager, this.#ids(20))
    if (dice < 0.87) return this.#insertOrUpdate()
    if (dice < 0.92) return this.#delete()
    return this.#rollBack()
  }

  async #readOne(): Promise<void> {
    const [id = 0] = this.#ids(1)
    this.#check([id], await this.accounts.findBy({ id }))
  }

  async #readSome(): Promise<void> {
    const ids = this.#ids(50)
    this.#check(ids, await this.accounts.findBy({ id: In(ids) }))
  }

  /** By the encrypted address: a row that surely holds it is found, and no other. */
  async #search(): Promise<void> {
    const [id = 0] = this.#ids(1)
    const states = this.#journal.of(id)
    const version = states.find((state) => state !== null)
    if (version === undefined) return
    const found = await this.accounts.findBy({ email: accountOf(id, version).email })
    if (states.length === 1 && found.length !== 1)
      this.#wrong(`row ${id} version ${version} was found ${found.length} times by its address`)
    for (const row of found)
      if (row.id !== id) this.#wrong(`row ${row.id} was found by the address of row ${id}`)
    this.#checkRows(found)
  }

  async #save(manager: EntityManager, ids: readonly number[]): Promise<void> {
    const rows = ids.map((id) => accountOf(id, this.#next(id)))
    await this.#write(
      rows.map(({ id, version }) => ({ id, to: version })),
      () => manager.save(rows),
    )
  }

  /** By the forms that read nothing. */
  async #insertOrUpdate(): Promise<void> {
    const [id = 0] = this.#ids(1)
    const states = this.#journal.of(id)
    const row = accountOf(id, this.#next(id))
    const writes = [{ id, to: row.version }]
    if (states.every((state) => state === null)) await this.#write(writes, () => this.accounts.insert(row))
    else if (states.every((state) => state !== null)) {
      const { id: same, ...values } = row
      await this.#write(writes, () => this.accounts.update({ id: same, tenantId: row.tenantId }, values))
    }
  }

  async #delete(): Promise<void> {
    const [id = 0] = this.#ids(1)
    await this.#write([{ id, to: null }], () => this.accounts.delete({ id }))
  }

  /** A transaction that is rolled back leaves all rows as they were. */
  async #rollBack(): Promise<void> {
    const ids = this.#ids(5)
    const undone = new Error('rolled back')
    try {
      await this.accounts.manager.transaction(async (manager) => {
        await manager.save(ids.map((id) => accountOf(id, this.#next(id) + 1)))
        throw undone
      })
    } catch (error) {
      if (error !== undone) throw error
    }
    this.#check(ids, await this.accounts.findBy({ id: In(ids) }))
  }

  #next(id: number): number {
    return Math.max(0, ...this.#journal.of(id).map((state) => state ?? 0)) + 2
  }

  async #write(writes: { id: number; to: State }[], write: () => Promise<unknown>): Promise<void> {
    this.#journal.begin(writes)
    await write()
    this.#journal.done(writes)
  }

  #check(ids: readonly number[], rows: readonly Account[]): void {
    for (const id of ids) {
      const row = rows.find((each) => each.id === id)
      const states = this.#journal.of(id)
      if (!states.includes(row ? row.version : null))
        this.#wrong(`row ${id} is at ${row?.version ?? 'no version'}, and may be at ${states.join(', ')}`)
    }
    this.#checkRows(rows)
  }

  #checkRows(rows: readonly Account[]): void {
    for (const row of rows) {
      const fault = faultIn(row)
      if (fault !== undefined) this.#wrong(fault)
    }
  }

  #wrong(what: string): void {
    this.#news.wrong.push(what)
  }

  /** Troubles of KMS and of connections are what the test makes; anything else is a fault. */
  #failed(error: unknown, milliseconds: number): void {
    const code = error instanceof Error ? String(Reflect.get(error, 'code') ?? error.name) : typeof error
    this.#news.failures[code] = (this.#news.failures[code] ?? 0) + 1
    // A rotation retires data keys: what was held up for longer than the lease is to be written again.
    if (code === 'FORGOTTEN' && milliseconds > LEASE) return
    if (error instanceof KmsEncryptionError ? error.kind !== 'service' : !isOfConnection(error))
      this.#wrong(`${code}: ${String(error).slice(0, 300)}`)
  }

  #tell(): void {
    globalThis.gc?.()
    this.#news.heap = process.memoryUsage().heapUsed
    this.#news.handles = process.getActiveResourcesInfo().length
    process.send?.(this.#news)
    this.#news.wrong = []
  }
}

/** What drivers say of connections that break, and databases of transactions that got into each other's way. */
function isOfConnection(error: unknown): boolean {
  return /connection|already released|ECONN|socket|closed|deadlock|terminat|lock wait|locked|busy|EPIPE/i.test(
    String(error),
  )
}

async function main(): Promise<void> {
  const task = taskOf()
  const { dataSource, encryption } = connect(task)
  await dataSource.initialize()
  await new Worker(task, dataSource.getRepository(Account)).run()
  await dataSource.destroy()
  encryption.close()
  process.disconnect()
}

process.exitCode = 1
main().then(
  () => {
    process.exitCode = 0
  },
  (error: unknown) => {
    console.error(error)
    process.disconnect()
  },
)
