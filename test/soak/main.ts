/**
 * The soak test: an application of several processes under mixed traffic on each database, while data keys expire, KMS
 * fails, connections drop, processes are killed and the tool works beside it. At the end every value and every index
 * is compared with what was written. `npm run soak`, or `npm run soak -- --minutes 60`.
 */
import 'reflect-metadata'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CreateAliasCommand, UpdateAliasCommand } from '@aws-sdk/client-kms'
import { In } from 'typeorm'
import { type LocalKmsFaults } from 'typeorm-kms-encrypted/local-kms'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases'
import { testKms, type TestKms, withIndexKey } from '../support/encryption'
import { LOADER } from '../support/loader'
import { type Relay, relayTo } from '../support/relay'
import { selectedDatabases } from '../support/selection'
import globalSetup from '../support/servers/global-setup'
import globalTeardown from '../support/servers/global-teardown'
import { Account, accountOf, faultIn, FORGOTTEN } from './account'
import { type Fault, FaultLog } from './faults'
import { Journal } from './journal'
import { connect, type SoakTask } from './task'
import { runTool, type ToolRun } from './tool'
import { type WorkerNews } from './worker'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    workers: { type: 'string', default: '2' },
    rows: { type: 'string', default: '2000' },
  },
})
const WORKERS = Number(values.workers)
const ROWS = Number(values.rows)

/** Milliseconds for KMS when nothing is in trouble any more: the traffic on the other databases may go on. */
const PATIENT = 300_000

/** Sockets of both pools, to KMS and under way, and timers. */
const MAX_HANDLES = 250

/** What KMS does in turn, each for a few seconds with health in between, and what a tool may fail for meanwhile. */
const TROUBLES: readonly (readonly [faults: LocalKmsFaults, fault?: Fault])[] = [
  [{ throttle: 0.3 }, 'throttled'],
  [{ latency: 200 }],
  [{ outage: 'refuse' }, 'KMS down'],
  [{ fail: (_, call) => (call % 3 === 0 ? 'KMSInternalException' : undefined) }, 'KMS down'],
  [{ outage: 'hang' }, 'KMS down'],
]

/** What the tool does in turn. `rotate` follows the alias, which is moved to the other key before. */
const TOOLS = [['rotate'], ['verify'], ['status'], ['rotate', '--shard', '1/2'], ['doctor']] as const

class Soak {
  readonly #name: DatabaseName
  readonly #database: TestDatabase
  readonly #relay: Relay | undefined
  readonly #task: SoakTask
  readonly #folder: string
  readonly #workers = new Map<number, ChildProcess>()
  /** Those that have done something since they were started. */
  readonly #atWork = new Set<ChildProcess>()
  readonly #heaps = new Map<number, number[]>()
  readonly #handles: number[] = []
  readonly wrong: string[] = []
  readonly #counts = { operations: 0, kills: 0, cuts: 0, restarts: 0, forgotten: 0 }
  /** For each command of the tool: how often it ran, and how often it did what it is for. */
  readonly #tools: Record<string, { runs: number; done: number }> = {}
  readonly #failures: Record<string, number> = {}
  readonly #forgotten: number[] = []
  #stopping = false

  private constructor(
    database: TestDatabase,
    relay: Relay | undefined,
    task: SoakTask,
    folder: string,
    private readonly faults: { readonly ofKms: FaultLog; readonly ofConnections: FaultLog },
  ) {
    this.#name = database.name
    this.#database = database
    this.#relay = relay
    this.#task = task
    this.#folder = folder
  }

  static async on(name: DatabaseName, endpoint: string, indexKey: string, ofKms: FaultLog): Promise<Soak> {
    const database = await createDatabase(name)
    const folder = mkdtempSync(join(tmpdir(), 'typeorm-kms-encrypted-soak-'))
    const through = name === 'sqlite' ? undefined : await relayTo(database)
    const options = { ...(through?.options ?? { ...database.options, enableWAL: true }) }
    const task = { options, endpoint, indexKey, first: 0, step: WORKERS, rows: ROWS, journal: '' }
    const { dataSource, encryption } = connect({
      ...task,
      options: { ...database.options, synchronize: true },
    })
    await dataSource.initialize()
    await dataSource.destroy()
    encryption.close()
    const faults = { ofKms, ofConnections: new FaultLog() }
    return new Soak(database, through?.relay, task, folder, faults)
  }

  start(): void {
    for (let first = 0; first < WORKERS; first++) this.#startWorker(first)
  }

  #startWorker(first: number): void {
    const child = fork(join(__dirname, 'worker.ts'), {
      execArgv: ['--expose-gc', ...LOADER],
      env: {
        ...process.env,
        SOAK_TASK: JSON.stringify({ ...this.#task, first, journal: this.#journal(first) }),
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const errors = child.stderr ? text(child.stderr) : Promise.resolve('')
    let operations = 0
    const heaps: number[] = []
    this.#workers.set(first, child)
    child.on('message', (news: WorkerNews) => {
      this.#counts.operations += news.operations - operations
      operations = news.operations
      if (operations > 0) this.#atWork.add(child)
      heaps.push(news.heap)
      this.#handles.push(news.handles)
      this.#heaps.set(first, heaps)
      for (const [code, count] of Object.entries(news.failures))
        this.#failures[code] = Math.max(this.#failures[code] ?? 0, count)
      for (const fault of news.wrong) this.wrong.push(`${this.#name}: ${fault}`)
    })
    child.once('exit', (code, signal) => {
      this.#atWork.delete(child)
      if (this.#stopping) {
        if (code !== 0)
          void errors.then((said) =>
            this.wrong.push(
              `${this.#name}: worker ${first} ended with ${code ?? signal}: ${said.slice(-500)}`,
            ),
          )
        return
      }
      this.#counts.restarts++
      // One that cannot start while KMS or the connection is down is started again.
      setTimeout(() => {
        if (!this.#stopping) this.#startWorker(first)
      }, 200)
    })
  }

  #journal(first: number): string {
    return join(this.#folder, `journal-${first}.jsonl`)
  }

  /** On a slow machine a process takes longer to start than it is left alone: one that has just begun is spared. */
  kill(): void {
    const child = [...this.#atWork][Math.floor(Math.random() * this.#atWork.size)]
    if (child?.kill('SIGKILL')) this.#counts.kills++
  }

  cut(): void {
    if (!this.#relay) return
    this.#relay.cut()
    this.faults.ofConnections.note('connection cut')
    this.#counts.cuts++
  }

  tidy(): void {
    this.#relay?.reset()
  }

  /**
   * Runs the tool, which may fail for what the test did to KMS meanwhile, and to its connections if it goes the same way
   * as the application. Anything else that it fails for is a fault.
   */
  async tool(args: readonly string[], { direct = false } = {}): Promise<ToolRun> {
    const run = await runTool(args, direct ? { ...this.#task, options: this.#database.options } : this.#task)
    const [command = ''] = args
    const count = (this.#tools[command] ??= { runs: 0, done: 0 })
    count.runs++
    if (run.status === 0) count.done++
    for (const complaint of run.complaints) {
      const isExplained =
        this.faults.ofKms.explains(complaint, run.begun) ||
        (!direct && this.faults.ofConnections.explains(complaint, run.begun))
      if (!isExplained)
        this.wrong.push(
          `${this.#name}: ${args.join(' ')}${direct ? ', directly,' : ''} ended with ${run.status}: ${complaint.slice(-800)}`,
        )
    }
    return run
  }

  /** A tenant of its own, whose rows nobody writes afterwards, is forgotten. */
  async forgetOne(): Promise<void> {
    const tenantId = FORGOTTEN + this.#forgotten.length
    const { dataSource, encryption } = connect({ ...this.#task, options: this.#database.options }, PATIENT)
    await dataSource.initialize()
    const rows = [0, 1, 2].map((each) =>
      Object.assign(accountOf(1_000_000 + 10 * tenantId + each, 2), { tenantId }),
    )
    await dataSource.getRepository(Account).insert(rows)
    await dataSource.destroy()
    encryption.close()
    await this.tool(['forget', '--context', `tenantId=${tenantId}`, '--days', '0', '--yes'], { direct: true })
    this.#forgotten.push(tenantId)
    this.#counts.forgotten++
  }

  /** Ends the traffic, and compares every row and every index with what was written. */
  async finish(): Promise<void> {
    this.#stopping = true
    for (const child of this.#workers.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      // One that is still being started hears nothing yet.
      const telling = setInterval(() => child.send('stop', () => undefined), 500)
      await exit
      clearInterval(telling)
    }
    const { dataSource, encryption } = connect({ ...this.#task, options: this.#database.options }, PATIENT)
    await dataSource.initialize()
    const accounts = dataSource.getRepository(Account)
    const rows = new Map(
      (await accounts.find({ where: { tenantId: In([0, 1, 2, 3, 4, 5, 6, 7]) } })).map((row) => [
        row.id,
        row,
      ]),
    )
    let compared = 0
    for (let first = 0; first < WORKERS; first++) {
      const journal = new Journal(this.#journal(first))
      for (const id of journal.ids) {
        const row = rows.get(id)
        rows.delete(id)
        compared++
        if (!journal.of(id).includes(row?.version ?? null))
          this.wrong.push(
            `${this.#name}: row ${id} is at ${row?.version ?? 'no version'} and may be at ${journal.of(id).join(', ')}`,
          )
        if (!row) continue
        const fault = faultIn(row)
        if (fault !== undefined) this.wrong.push(`${this.#name}: ${fault}`)
        const found = await accounts.findBy({ email: row.email })
        if (found.length !== 1 || found[0]?.id !== id)
          this.wrong.push(`${this.#name}: row ${id} is not found by its address`)
      }
    }
    for (const id of rows.keys()) this.wrong.push(`${this.#name}: row ${id} was never written`)
    for (const tenantId of this.#forgotten) {
      const outcome = await accounts.findBy({ tenantId }).then(
        () => 'values',
        (error: unknown) => String(Reflect.get(Object(error) as object, 'code')),
      )
      if (outcome !== 'FORGOTTEN')
        this.wrong.push(`${this.#name}: forgotten tenant ${tenantId} reads as ${outcome}`)
    }
    await dataSource.destroy()
    encryption.close()
    this.#compareMemory()
    for (const [command, { runs, done }] of Object.entries(this.#tools))
      if (done === 0) this.wrong.push(`${this.#name}: ${command} ran ${runs} times and was never done`)
    console.log(
      JSON.stringify({
        database: this.#name,
        compared,
        ...this.#counts,
        tools: this.#tools,
        failures: this.#failures,
        heaps: [...this.#heaps.values()].map((heaps) =>
          [heaps[0], heaps.at(-1)].map((bytes = 0) => Math.round(bytes / 1e6)),
        ),
      }),
    )
  }

  /** Of processes that lived for long enough: the last quarter holds no more than the second, beyond what settles. */
  #compareMemory(): void {
    for (const heaps of this.#heaps.values()) {
      if (heaps.length < 60) continue
      const part = (from: number, to: number) =>
        heaps.slice(heaps.length * from, heaps.length * to).sort((a, b) => a - b)[
          Math.floor((heaps.length * (to - from)) / 2)
        ] ?? 0
      if (part(0.75, 1) > part(0.25, 0.5) * 1.2 + 5e6)
        this.wrong.push(`${this.#name}: the heap of a worker grows: ${heaps.join(' ')}`)
    }
    if (Math.max(...this.#handles) > MAX_HANDLES)
      this.wrong.push(`${this.#name}: a worker holds ${Math.max(...this.#handles)} handles`)
  }

  async drop(): Promise<void> {
    await this.#relay?.close()
    await this.#database.drop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** KMS fails in turns, and its alias moves between two keys. */
async function troubleKms(test: TestKms, log: FaultLog, signal: AbortSignal): Promise<void> {
  const { kms, client } = test
  const keys = [await test.createKey(), await test.createKey()]
  for (let turn = 0; !signal.aborted; turn++) {
    kms.misbehave({})
    await sleep(8_000)
    const isMoved = turn % 3 === 2
    const settled = isMoved && log.begin('alias moved')
    if (isMoved)
      await client.send(
        new UpdateAliasCommand({ AliasName: 'alias/soak', TargetKeyId: keys[turn % 2]?.split('/')[1] }),
      )
    const [faults = {}, fault] = TROUBLES[turn % TROUBLES.length] ?? []
    const end = fault && log.begin(fault)
    kms.misbehave(faults)
    await sleep(3_000)
    end?.()
    if (settled) settled()
  }
  kms.misbehave({})
}

async function trouble(soak: Soak, signal: AbortSignal): Promise<void> {
  for (let turn = 1; !signal.aborted; turn++) {
    await sleep(2_500)
    soak.tidy()
    if (turn % 2 === 0) soak.cut()
    if (turn % 5 === 0) soak.kill()
  }
}

async function tools(soak: Soak, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    // One in two goes past the relay that cuts connections: it has nothing but KMS to fail for.
    await soak.tool(TOOLS[turn % TOOLS.length] ?? ['status'], { direct: turn % 2 === 0 })
    await sleep(2_000)
  }
}

async function main(): Promise<void> {
  await globalSetup()
  const test = await testKms()
  const server = await test.kms.listen()
  await test.client.send(
    new CreateAliasCommand({ AliasName: 'alias/soak', TargetKeyId: (await test.createKey()).split('/')[1] }),
  )
  const { indexKey } = await withIndexKey(test)
  const faults = new FaultLog()
  const soaks = await Promise.all(
    selectedDatabases().map((name) => Soak.on(name, server.url, indexKey, faults)),
  )
  const end = new AbortController()
  setTimeout(
    () => {
      end.abort()
    },
    Number(values.minutes) * 60_000,
  )
  for (const soak of soaks) soak.start()
  await Promise.all([
    troubleKms(test, faults, end.signal),
    ...soaks.flatMap((soak) => [trouble(soak, end.signal), tools(soak, end.signal)]),
  ])
  for (const soak of soaks) {
    await soak.forgetOne()
    for (const command of ['verify', 'status', 'doctor', 'rotate'])
      await soak.tool([command], { direct: true })
    await soak.finish()
    await soak.drop()
  }
  await server.close()
  await globalTeardown()
  const wrong = soaks.flatMap((soak) => soak.wrong)
  for (const fault of wrong.slice(0, 50)) console.error(fault)
  console.log(wrong.length === 0 ? 'Nothing was lost or wrong.' : `${wrong.length} faults.`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}

void main()
