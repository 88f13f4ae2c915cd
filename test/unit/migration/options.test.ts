import { BatchSize } from '../../../src/migration/batch-size'
import { Failures } from '../../../src/migration/failures'
import { keepRate } from '../../../src/migration/keep-rate'
import { checkedOptions, type MigrationOptions } from '../../../src/migration/options'
import { InvalidValueError } from '../../../src/errors'
import { rowOf } from './support'

describe('the options of a pass', () => {
  it('have defaults, and pass on what they say nothing of', () => {
    const signal = new AbortController().signal
    expect(checkedOptions({ signal, dryRun: true })).toEqual({
      signal,
      dryRun: true,
      batchSize: 500,
      concurrency: 2,
      lockTimeout: 10_000,
    })
    expect(checkedOptions({ batchSize: 1, concurrency: 5, lockTimeout: 7, maxRate: 3 })).toEqual({
      batchSize: 1,
      concurrency: 5,
      lockTimeout: 7,
      maxRate: 3,
    })
  })

  it.each<MigrationOptions>([
    { batchSize: 1 },
    { batchSize: 10_000 },
    { maxRate: 1 },
    { shard: { index: 1, count: 1 } },
    { shard: { index: 8, count: 8 } },
  ])('may be %j', (options) => {
    expect(checkedOptions(options)).toMatchObject(options)
  })

  it.each<[MigrationOptions, RegExp]>([
    [{ batchSize: 0 }, /^batchSize must be a positive whole number$/],
    [{ batchSize: 1.5 }, /^batchSize must be a positive/],
    [{ batchSize: 10_001 }, /^batchSize must be at most 10,000$/],
    [{ concurrency: -1 }, /^concurrency must be a positive/],
    [{ concurrency: 0 }, /^concurrency must be a positive/],
    [{ lockTimeout: Number.NaN }, /^lockTimeout must be a positive/],
    [{ maxRate: 0 }, /^maxRate must be a positive/],
    [{ shard: { index: 0, count: 2 } }, /^shard takes index and count/],
    [{ shard: { index: 3, count: 2 } }, /^shard takes index and count/],
    [{ shard: { index: 1, count: 0 } }, /^shard takes index and count/],
    [{ shard: { index: 1.5, count: 2 } }, /^shard takes index and count/],
    [{ shard: { index: 1, count: 2.5 } }, /^shard takes index and count/],
  ])('are refused where they are %j', (options, message) => {
    expect(() => checkedOptions(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', reason: expect.stringMatching(message) as unknown }),
    )
  })
})

describe('the size of a batch', () => {
  const rows = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, id) => rowOf(id, 'é'.repeat(bytes / 2)))

  it.each([
    [1, 1],
    [64, 64],
    [500, 64],
  ])('begins with few: of at most %d with %d', (limit, first) => {
    expect(new BatchSize(limit).next).toBe(first)
  })

  it('grows fourfold up to the limit, however small the values', () => {
    const size = new BatchSize(500)
    const sizes = [64, 256].map((count) => {
      size.learn(rows(count, 0))
      return size.next
    })
    expect(sizes).toEqual([256, 500])
  })

  it('holds no more than 4 MB of values like those that were read, counted in bytes', () => {
    const size = new BatchSize(500)
    size.learn(rows(64, 2 ** 15))
    expect(size.next).toBe(128)
    size.learn(rows(3, 2 ** 21))
    expect(size.next).toBe(2)
    size.learn(rows(2, 2 ** 23))
    expect(size.next).toBe(1)
    size.learn(rows(1, 2))
    expect(size.next).toBe(4)
  })
})

describe('the rate of a pass', () => {
  /** What came first: the end of the wait, or that of all that is due at once. */
  async function waits(rows: number, elapsed: number, maxRate: number | undefined): Promise<boolean> {
    const stop = new AbortController()
    const due = keepRate({ rows, elapsed }, maxRate, stop.signal).then(() => false)
    const waited = await Promise.race([due, new Promise((resolve) => setImmediate(resolve, true))])
    // Being stopped ends the wait at once, and is no error of its own.
    stop.abort()
    const ended = await Promise.race([due, new Promise((resolve) => setImmediate(resolve, true))])
    expect(ended).toBe(false)
    return waited === true
  }

  it.each<[rows: number, elapsed: number, maxRate: number | undefined, expected: boolean]>([
    [1, 0, undefined, false],
    [10, 0, 10, true],
    [10, 990, 10, true],
    [10, 1_000, 10, false],
    [10, 100_000, 10, false],
    [20, 1_000, 10, true],
    [0, 0, 10, false],
  ])('%d rows in %d ms, at most %p a second: waits %p', async (rows, elapsed, maxRate, expected) => {
    expect(await waits(rows, elapsed, maxRate)).toBe(expected)
  })
})

describe('the rows that failed', () => {
  it('are counted all, and the first 1,000 listed with key, code and reason', () => {
    const failures = new Failures()
    const error = new InvalidValueError('not of the type')
    for (let id = 1; id <= 1_001; id++) failures.add(rowOf(id), error)
    expect(failures.count).toBe(1_001)
    expect(failures.listed).toHaveLength(1_000)
    expect(failures.listed.at(-1)).toEqual({
      primaryKey: { id: 1_000 },
      code: 'INVALID_VALUE',
      reason: 'not of the type',
    })
  })

  it('are forgotten when the rows are gone through once more', () => {
    const failures = new Failures()
    failures.add(rowOf(1), new InvalidValueError('not of the type'))
    const { listed } = failures
    failures.clear()
    expect([failures.count, listed]).toEqual([0, []])
  })
})
