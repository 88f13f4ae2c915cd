import type { ChildProcess } from 'node:child_process'

/** Shared by setup and teardown, which Jest runs in one process. */
export const keeper: { child?: ChildProcess } = {}

/** Tells the keeper to end the servers, and waits until they are gone and their folder is removed. */
export default async function globalTeardown(): Promise<void> {
  const { child } = keeper
  if (!child) return
  child.ref()
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.disconnect()
  await ended
}
