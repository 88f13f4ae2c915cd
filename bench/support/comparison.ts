import { type Report } from './report'
import { measureInTurns, type Run, timeInTurns } from './rounds'
import { differences, median, ratios } from './statistics'

/** What is compared, where, and how many times as long it may take. `aim`: `undefined` if it is only measured. */
interface Question {
  readonly measure: string
  readonly on: string
  readonly aim: number | undefined
}

type Side = Omit<Run, 'name'>

/**
 * Finds how many times as long one run takes as another, by time and by processor time of this process; the time decides,
 * as it is what who waits can see.
 */
export async function compare(
  report: Report,
  { measure, on, aim }: Question,
  { base, own, rounds }: { readonly base: Side; readonly own: Side; readonly rounds: number },
): Promise<void> {
  const took = await measureInTurns(
    [
      { name: 'base', ...base },
      { name: 'own', ...own },
    ],
    { rounds },
  )
  const ratio = median(ratios(took.own.time, took.base.time))
  const processor = median(ratios(took.own.processor, took.base.processor))
  const times = [took.own, took.base].map(({ time }) => median(time).toFixed(1))
  report.find({
    measure,
    on,
    measured: `${ratio.toFixed(2)} × (${times.join(' against ')} ms), ${processor.toFixed(2)} × by processor time`,
    target: aim === undefined ? 'measured' : `≤ ${aim} ×`,
    met: aim === undefined || ratio <= aim,
  })
}

interface Contenders extends Record<'plain' | 'own' | 'transformed' | 'bare', Side> {
  /** The AWS Encryption SDK, opening as many values by itself. */
  readonly sdk?: Side
  readonly rounds: number
}

/**
 * Finds what the library adds to plain TypeORM, as a multiple of the bare cryptographic operations that it cannot do
 * without, and beside typeorm-encrypted. A place by itself, not a server that shares the cores, tells it best.
 */
export async function compareAdded(
  report: Report,
  { measure, on, aim }: Question & { readonly aim: number },
  { plain, own, transformed, bare, sdk, rounds }: Contenders,
): Promise<void> {
  const took = await timeInTurns(
    [
      { name: 'plain TypeORM', ...plain },
      { name: 'this library', ...own },
      { name: 'typeorm-encrypted', ...transformed },
      { name: 'bare operations', ...bare },
      ...(sdk ? [{ name: 'AWS Encryption SDK' as const, ...sdk }] : []),
    ],
    { rounds },
  )
  const added = differences(took['this library'], took['plain TypeORM'])
  const ratio = median(ratios(added, took['bare operations']))
  report.time({ measure, on, unit: 'ms', samples: took, base: 'plain TypeORM' })
  report.find({
    measure: `${measure}, added to plain TypeORM`,
    on,
    measured: `${median(added).toFixed(1)} ms = ${ratio.toFixed(2)} × bare operations`,
    target: `≤ ${aim} × bare operations`,
    met: ratio <= aim,
  })
  const peer = median(ratios(took['this library'], took['typeorm-encrypted']))
  report.find({
    measure,
    on,
    measured: `${peer.toFixed(2)} × typeorm-encrypted`,
    target: 'measured',
    met: true,
  })
}
