import { ivsAhead, nextIv } from '../../../src/cipher/data-keys/iv'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('IVs', () => {
  test('are drawn a few at a time, and none is left when the turn of the event loop ends', async () => {
    const seen = new Set<string>()
    for (let round = 0; round < 150; round++) {
      for (let n = 0; n <= round; n++) {
        seen.add(nextIv().toString('hex'))
        expect(ivsAhead()).toBeLessThan(64)
      }
      await turn()
      expect(ivsAhead()).toBe(0)
    }
    expect(seen.size).toBe((150 * 151) / 2)
    expect(seen.has('00'.repeat(12))).toBe(false)
  })
})
