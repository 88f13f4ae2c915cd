import {
  Between,
  Column,
  type ColumnOptions,
  type DataSourceOptions,
  Entity,
  PrimaryGeneratedColumn,
  type Repository,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { bareTransformer } from '../contenders/node-crypto'
import { typeormEncrypted } from '../contenders/typeorm-encrypted'
import { type Bench } from '../support/bench'
import { type Place } from '../support/databases'
import { collectGarbage } from '../support/rounds'
import { median, quantile, ratios } from '../support/statistics'
import { Table } from '../support/tables'
import { POOL, type Request, requests, serve } from '../support/traffic'
import { privateKey } from '../support/workload'

const ROWS = 2_000
const PAGE = 50
const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 1_200)
const WARM_UP = 2

interface Customer {
  id: number
  name: string
  first: string
  second: string
}

type Name = 'plain' | 'typeorm-encrypted' | 'node:crypto' | 'this library' | "open: 'on-read'"
type Shown = 'all' | 'no secret'

/** Requests as an application has them, answered with JSON, beside what else it might use. */
export async function applicationRequests({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  const servers = allPlaces.filter(({ options: { type } }) => type !== 'better-sqlite3')
  for (const place of servers.length > 0 ? servers : allPlaces) {
    const pooled = { ...place, options: { ...place.options, poolSize: POOL } as DataSourceOptions }
    const tables = await open(pooled, kms)
    try {
      for (const table of tables.values()) await fill(table.repository)
      for (const shown of ['all', 'no secret'] as const) {
        const names: readonly Name[] =
          shown === 'all'
            ? ['plain', 'typeorm-encrypted', 'node:crypto', 'this library']
            : ['plain', 'this library', "open: 'on-read'"]
        const served = await measure(tables, names, shown, quick ? 5 : 9)
        tell(report, place, shown, served)
      }
    } finally {
      for (const table of tables.values()) {
        await table.repository.clear()
        await table.close()
      }
    }
  }
}

async function open(place: Place, kms: Bench['kms']): Promise<Map<Name, Table<Customer>>> {
  const bytes = place.options.type === 'postgres' ? 'bytea' : 'blob'
  const columns: readonly [Name, () => PropertyDecorator][] = [
    ['plain', () => Column({ type: 'text' })],
    ['typeorm-encrypted', () => Column({ type: 'text', transformer: typeormEncrypted })],
    ['node:crypto', () => Column({ type: bytes, transformer: bareTransformer } as ColumnOptions)],
    ['this library', () => KmsEncrypted({ type: 'string' })],
    ["open: 'on-read'", () => KmsEncrypted({ type: 'string', open: 'on-read' })],
  ]
  const tables = new Map<Name, Table<Customer>>()
  for (const [at, [name, encrypted]] of columns.entries()) {
    @Entity(`requests_${at}`)
    class Row implements Customer {
      @PrimaryGeneratedColumn() id!: number
      @Column() name!: string
      @encrypted() first!: string
      @encrypted() second!: string
    }
    tables.set(name, await Table.open(place, Row, at > 2 ? { kms } : {}))
  }
  return tables
}

const customer = (at: number): Omit<Customer, 'id'> => ({
  name: `customer ${at}`,
  first: privateKey(),
  second: privateKey(),
})

async function fill(repository: Repository<Customer>): Promise<void> {
  await repository.clear()
  await repository.save(
    Array.from({ length: ROWS }, (_, at) => customer(at)),
    { chunk: 500 },
  )
}

/** What an endpoint would do, and its answer. */
async function answer(
  repository: Repository<Customer>,
  shown: Shown,
  request: Request,
  at: number,
): Promise<string> {
  const json = ({ id, name, first, second }: Customer): object => ({ id, name, first, second })
  const show = shown === 'all' ? json : ({ id, name }: Customer): object => ({ id, name })
  const id = 1 + ((at * 7_919) % (ROWS - PAGE))
  if (request === 'by id') return JSON.stringify(show(await repository.findOneByOrFail({ id })))
  if (request === 'list') {
    const rows = await repository.find({ where: { id: Between(id, id + PAGE - 1) }, order: { id: 'ASC' } })
    return JSON.stringify(rows.map(show))
  }
  if (request === 'create')
    return JSON.stringify(show(await repository.save(repository.create(customer(at)))))
  const found = await repository.findOneByOrFail({ id })
  found.name = `customer ${at}, changed`
  found.first = privateKey()
  return JSON.stringify(show(await repository.save(found)))
}

interface Samples {
  readonly elapsed: number[]
  /** The 99th percentile of each round. */
  readonly slow: number[]
}

async function measure(
  tables: ReadonlyMap<Name, Table<Customer>>,
  names: readonly Name[],
  shown: Shown,
  rounds: number,
): Promise<Map<Name, Samples>> {
  const all = requests(REQUESTS)
  const samples = new Map<Name, Samples>(names.map((name) => [name, { elapsed: [], slow: [] }]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const turn of names.keys()) {
      const name = names[(turn + round + WARM_UP) % names.length] ?? 'plain'
      const repository = tables.get(name)?.repository
      if (!repository) continue
      collectGarbage('minor')
      const { elapsed, latencies } = await serve(all, (request, at) => answer(repository, shown, request, at))
      if (round < 0) continue
      samples.get(name)?.elapsed.push(elapsed)
      samples.get(name)?.slow.push(quantile(latencies, 0.99))
    }
  }
  return samples
}

function tell(report: Bench['report'], { name: on }: Place, shown: Shown, all: Map<Name, Samples>): void {
  const of = (name: Name): Samples => all.get(name) ?? { elapsed: [], slow: [] }
  const measureName = `${REQUESTS} requests of an application, answers show ${shown}`
  report.time({
    measure: measureName,
    on,
    unit: 'ms',
    samples: Object.fromEntries(Array.from(all, ([name, { elapsed }]) => [name, elapsed])),
    base: 'plain',
  })
  report.time({
    measure: `${measureName}: 99th percentile`,
    on,
    unit: 'ms',
    samples: Object.fromEntries(Array.from(all, ([name, { slow }]) => [name, slow])),
    base: 'plain',
  })
  const throughput = (name: Name, base: Name): number => median(ratios(of(base).elapsed, of(name).elapsed))
  const slower = (name: Name, base: Name): number => median(ratios(of(name).slow, of(base).slow))
  const find = (name: Name, base: Name, least: number, most?: number): void => {
    const ratio = throughput(name, base)
    const slow = slower(name, base)
    report.find({
      measure: `${measureName}: ${name}`,
      on,
      measured: `${ratio.toFixed(2)} × ${base}, 99th percentile ${slow.toFixed(2)} ×`,
      target: `≥ ${least.toFixed(2)} × ${base}${most === undefined ? '' : `, 99th percentile ≤ ${most} ×`}`,
      met: ratio >= least && slow <= (most ?? Infinity),
    })
  }
  if (shown === 'no secret') {
    find("open: 'on-read'", 'plain', 0.95, 1.1)
    return
  }
  find('this library', 'node:crypto', 1)
  find('this library', 'typeorm-encrypted', 1.1)
}
