import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { LOADER } from '../../test/support/loader'
import { type Bench } from '../support/bench'
import { median, ratios } from '../support/statistics'

const SCRIPT = resolve(__dirname, '../support/many-entities.ts')
const MEASURE = 'start-up of a process with 1,000 entities, 300 of them with encrypted columns'
const AIM = 1.05

const CONTENDERS = ['plain', 'this library', 'typeorm-encrypted'] as const
type Contender = (typeof CONTENDERS)[number]

/** Each time in a fresh process, as nobody starts twice; in turns. */
export function startUp({ report, quick }: Bench): void {
  const samples: Record<Contender, number[]> = { plain: [], 'this library': [], 'typeorm-encrypted': [] }
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    for (const name of CONTENDERS) samples[name].push(milliseconds(name))
  }
  report.time({ measure: MEASURE, unit: 'ms', samples, base: 'plain' })
  const ratio = median(ratios(samples['this library'], samples.plain))
  report.find({
    measure: MEASURE,
    measured: `${ratio.toFixed(2)} × plain (${median(samples['this library']).toFixed(0)} against ${median(samples.plain).toFixed(0)} ms), typeorm-encrypted ${median(ratios(samples['typeorm-encrypted'], samples.plain)).toFixed(2)} ×`,
    target: `≤ ${AIM} × plain`,
    met: ratio <= AIM,
  })
}

function milliseconds(name: Contender): number {
  return Number(execFileSync(process.execPath, [...LOADER, SCRIPT, name], { encoding: 'utf8' }))
}
