import { ivsAhead, MAX_AGE, nextIv } from '../../../src/cipher/iv'

describe('IVs', () => {
  let now = 1_000_000
  beforeEach(() => jest.spyOn(performance, 'now').mockImplementation(() => now))
  afterEach(() => jest.restoreAllMocks())

  test('are drawn a few at a time, and never come again', () => {
    const seen = new Set<string>()
    for (let count = 1; count <= 5_000; count++) {
      seen.add(nextIv().toString('hex'))
      expect(ivsAhead()).toBeLessThan(64)
      now += MAX_AGE / 100
    }
    expect(seen.size).toBe(5_000)
    expect(seen.has('00'.repeat(12))).toBe(false)
  })

  test('are used one after the other, until all that were drawn at once are', () => {
    now += MAX_AGE * 2
    for (let left = 63; left >= 0; left--) {
      nextIv()
      expect(ivsAhead()).toBe(left)
      if (left === 32) now += MAX_AGE
    }
    expect(nextIv()).toHaveLength(12)
    expect(ivsAhead()).toBe(63)
  })

  test('that were drawn before a pause are not used after it', () => {
    nextIv()
    now += MAX_AGE * 2
    nextIv()
    expect(ivsAhead()).toBe(63)
    const next = nextIv().toString('hex')
    now += MAX_AGE + 0.001
    expect(nextIv().toString('hex')).not.toBe(next)
    expect(ivsAhead()).toBe(63)
  })
})
