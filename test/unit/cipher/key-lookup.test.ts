import { randomBytes } from 'node:crypto'
import { KeyLookup } from '../../../src/cipher/data-keys/key-lookup'
import { type StoredDataKey } from '../../../src/cipher/data-keys/store'
import { KeyTableUnavailableError } from '../../../src/errors'
import { asEncryptedDataKey } from '../../../src/kms/bytes'
import { MemoryStore } from './memory-store'

const rowOf = (id: Buffer, more: Partial<StoredDataKey> = {}): StoredDataKey => ({
  id,
  purpose: 'value',
  contextHash: Buffer.alloc(32),
  context: undefined,
  keyReference: 'arn',
  encrypted: asEncryptedDataKey(Buffer.alloc(184)),
  createdAt: new Date(0),
  retiredAt: undefined,
  destroyAt: undefined,
  destroyedAt: undefined,
  ...more,
})

/** Notes how many ids each query asks for. */
class CountingStore extends MemoryStore {
  readonly asked: number[] = []

  override find(ids: readonly Buffer[]): Promise<readonly StoredDataKey[]> {
    this.asked.push(ids.length)
    return super.find(ids)
  }
}

describe('Stored data keys are looked up', () => {
  let store: CountingStore
  let lookup: KeyLookup
  const ids = Array.from({ length: 501 }, () => randomBytes(16))
  const [id] = ids as [Buffer]

  beforeEach(() => {
    jest.useFakeTimers()
    store = new CountingStore()
    store.rows = ids.map((each) => rowOf(each))
    lookup = new KeyLookup(store)
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  test('with one query for up to 500 that are asked for in the same turn, and for whoever asks next', async () => {
    lookup.announce(ids)
    lookup.announce(ids.slice(0, 10))
    const found = await Promise.all(ids.map((each) => lookup.find(each)))
    expect(found.map(({ row }) => row)).toEqual(store.rows)
    expect(store.asked).toEqual([500, 1])
  })

  test('again after a second, or when they may have changed', async () => {
    const before = performance.now()
    expect((await lookup.find(id)).seenAt.monotonic).toBe(before)
    await jest.advanceTimersByTimeAsync(999)
    await lookup.find(id)
    expect(store.asked).toEqual([1])
    await jest.advanceTimersByTimeAsync(1)
    await lookup.find(id)
    expect(store.asked).toEqual([1, 1])
    lookup.clear()
    await lookup.find(id)
    expect(store.asked).toEqual([1, 1, 1])
  })

  test('again after the store could not be asked, which nobody need have waited for', async () => {
    jest.spyOn(store, 'find').mockRejectedValueOnce(new KeyTableUnavailableError('down'))
    lookup.announce([id])
    await jest.advanceTimersByTimeAsync(1)
    expect((await lookup.find(id)).row.id).toEqual(id)
    expect(store.asked).toEqual([1])
  })

  test.each([
    ['says when it was destroyed', { destroyedAt: new Date('2026-01-02') }, / on 2026-01-02T/],
    ['has no data key any more', { encrypted: undefined }, /was destroyed: the value was forgotten/],
  ])('and forgotten where the row %s', async (_, more, text) => {
    store.change(more)
    await expect(lookup.find(id)).rejects.toMatchObject({
      code: 'FORGOTTEN',
      message: expect.stringMatching(text),
    })
    expect(await lookup.has(id)).toBe(true)
  })

  test('and on their way for a minute after they were first missed, then lost; unless they came meanwhile', async () => {
    const rows = store.rows.splice(0)
    const codeAfter = async (milliseconds: number): Promise<unknown> => {
      await jest.advanceTimersByTimeAsync(milliseconds)
      return lookup.find(id).then(
        () => 'found',
        (error: unknown) => (error as { code: string }).code,
      )
    }
    expect(await codeAfter(0)).toBe('DATA_KEY_NOT_FOUND')
    expect(await codeAfter(60_000)).toBe('DATA_KEY_NOT_FOUND')
    expect(await codeAfter(1_001)).toBe('DATA_KEY_MISSING')
    expect(await lookup.has(id)).toBe(false)
    store.rows.push(...rows)
    expect(await codeAfter(1_001)).toBe('found')
    store.rows.splice(0)
    expect(await codeAfter(1_001)).toBe('DATA_KEY_NOT_FOUND')
    await jest.advanceTimersByTimeAsync(60_001)
    lookup.clear()
    expect(await codeAfter(0)).toBe('DATA_KEY_NOT_FOUND')
  })
})
