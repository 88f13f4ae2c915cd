import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { type Bench } from '../support/bench'
import { median } from '../support/statistics'

/** Paths of other binaries, with commas: `test/nodes/install.mjs` brings them. */
const NODES = (process.env['BENCH_NODES'] ?? '').split(',').filter(Boolean)
const SCRIPT = resolve(__dirname, '../support/seal-and-open-here.ts')
const ROUNDS = 3
const MOST = 1.2

interface Took {
  seal: number
  open: number
}

/** Seals and opens on each Node that is named, in turns, by processor time. */
export function nodeVersions({ report }: Bench): void {
  if (NODES.length === 0) {
    report.note('Not measured on other versions of Node: BENCH_NODES names no binaries.')
    return
  }
  const samples = new Map(NODES.map((node) => [node, [] as Took[]]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [node, all] of samples)
      all.push(JSON.parse(output(node, '-r', '@swc-node/register', SCRIPT)) as Took)
  for (const what of ['seal', 'open'] as const) {
    const all = Array.from(samples, ([node, each]) => ({
      version: output(node, '-p', 'process.versions.node').trim(),
      took: median(each.map((one) => one[what])),
    }))
    const fastest = Math.min(...all.map(({ took }) => took))
    for (const { version, took } of all)
      report.find({
        measure: `${what} a value of 128 characters`,
        on: `Node ${version}`,
        measured: `${took.toFixed(2)} µs of processor time, ${(took / fastest).toFixed(2)} × the fastest`,
        target: `≤ ${MOST} × the fastest`,
        met: took <= MOST * fastest,
      })
  }
}

function output(node: string, ...args: readonly string[]): string {
  return execFileSync(node, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}
