import { thenUndo } from '../../../src/dialects/then-undo'

const lost = new Error('connection lost')
const closed = new Error('not sent: the connection is closed')
const fail = (error: Error) => () => Promise.reject(error)

describe('Work that is undone', () => {
  it('gives its result once that has happened', async () => {
    const done: string[] = []
    const step = (name: string) => () => Promise.resolve(done.push(name))
    expect(await thenUndo(step('work'), step('undo'))).toBe(1)
    expect(done).toEqual(['work', 'undo'])
  })

  it('fails with its own error, though undoing it fails as well', async () => {
    await expect(thenUndo(fail(lost), fail(closed))).rejects.toBe(lost)
  })

  it('fails if only undoing it does', async () => {
    await expect(thenUndo(() => Promise.resolve(1), fail(closed))).rejects.toBe(closed)
  })
})
