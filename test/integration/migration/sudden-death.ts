import { Worker } from 'node:worker_threads'

const kill = "process.kill(process.pid, 'SIGKILL')"
let isDying = false

/**
 * To be called with the progress of a pass: has this process killed so many milliseconds after the first call, whatever it
 * is doing then, and before the pass is over. A thread of the same process does it, so that a busy machine changes little.
 */
export function dieWithin(milliseconds: number, { rows, total }: { rows: number; total: number }): void {
  if (rows * 2 > total) process.kill(process.pid, 'SIGKILL')
  if (isDying) return
  isDying = true
  new Worker(`setTimeout(() => ${kill}, ${milliseconds})`, { eval: true })
}
