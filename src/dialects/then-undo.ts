/**
 * Runs `work`, and then `undo` in any case. If `work` failed, its error is thrown, whatever becomes of `undo`: a lost
 * connection fails both, and the second time its error says nothing of what happened.
 */
export async function thenUndo<T>(work: () => Promise<T>, undo: () => Promise<unknown>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    await undo().catch(() => undefined)
    throw error
  }
  await undo()
  return result
}
