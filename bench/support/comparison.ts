import { type Report } from './report'
import { measureInTurns, type Run } from './rounds'
import { median, ratios } from './statistics'

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
