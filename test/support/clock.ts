import { setTimeout as sleep } from 'node:timers/promises'

let isStopped = false
/** Jest puts another object in its place; some libraries have kept this one. */
const ownPerformance = performance
let own: jest.SpyInstance | undefined

/**
 * Stops the clock: from now on time passes only when the test says so, for the timers, `performance.now()` and `Date` of
 * everything that Jest runs, the library and the embedded KMS's time-outs among it. Databases, the network and whoever
 * waits for them go on. So what is tested of time-outs and ages holds on a machine of any speed.
 *
 */
export function stopClock(): void {
  isStopped = true
  jest.useFakeTimers({
    doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask', 'hrtime'],
  })
  own = jest.spyOn(ownPerformance, 'now').mockImplementation(() => performance.now())
}

/** Ends that. Who waits for a timer of the time in between waits for ever. */
export function startClock(): void {
  isStopped = false
  own?.mockRestore()
  jest.useRealTimers()
}

/** Lets so many milliseconds pass. In the pauses between the steps, which take no time, the machine gets some work done. */
export async function pass(milliseconds: number, step = milliseconds): Promise<void> {
  if (!isStopped) return sleep(milliseconds)
  for (let left = milliseconds; left > 0; left -= step) {
    await jest.advanceTimersByTimeAsync(Math.min(step, left))
    await moment()
  }
}

/** Lets time pass until a promise is settled. */
export async function inTime<T>(promise: Promise<T>, step = 1): Promise<T> {
  if (!isStopped) return promise
  const settled: boolean[] = []
  const settle = (): void => void settled.push(true)
  promise.then(settle, settle)
  await moment()
  while (settled.length === 0) await pass(step)
  return promise
}

/** Real nanoseconds. */
const PATIENCE = 20_000_000_000n

/**
 * Waits until something is so, while time stands still; but not for ever, where the machine was so slow that something
 * waits for time to pass.
 */
export async function until(condition: () => boolean): Promise<void> {
  const began = process.hrtime.bigint()
  while (!condition()) {
    await sleep(1)
    if (isStopped && process.hrtime.bigint() - began > PATIENCE) await pass(1)
  }
}

/** A moment in which no time passes: callbacks that are due are called. */
function moment(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
