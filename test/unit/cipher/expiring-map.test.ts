import { ExpiringMap } from '../../../src/cipher/expiring-map'
import { pass, startClock, stopClock } from '../../support/clock'

describe('A map whose entries expire', () => {
  const left: string[] = []
  let map: ExpiringMap<string>

  beforeEach(() => {
    stopClock()
    left.length = 0
    map = new ExpiringMap({ max: 3, lifetime: 100, left: (value) => left.push(value) })
  })
  afterEach(() => {
    map.clear()
    startClock()
  })

  test('lets each leave when its time is over, though nobody asks', async () => {
    map.set('a', '1')
    await pass(60)
    map.set('b', '2')
    await pass(50)
    expect([map.size, left]).toEqual([1, ['1']])
    await pass(50)
    expect([map.size, left]).toEqual([0, ['1', '2']])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('tells nobody where nobody wants to know', async () => {
    const quiet = new ExpiringMap<string>({ max: 1, lifetime: 100 })
    quiet.set('a', '1')
    quiet.set('a', '2')
    expect([quiet.size, quiet.get('a')]).toEqual([1, '2'])
    quiet.set('b', '3')
    expect(quiet.get('a')).toBeUndefined()
    await pass(100)
    expect(quiet.size).toBe(0)
  })

  test('gives one that is set again its whole time, and says nothing left', async () => {
    map.set('a', '1')
    map.set('b', '2')
    await pass(60)
    map.set('a', '1')
    await pass(60)
    expect([map.get('a'), map.get('b'), left]).toEqual(['1', undefined, ['2']])
    await pass(60)
    expect(left).toEqual(['2', '1'])
  })

  test('has the one that expires first leave for one too many', () => {
    for (const key of ['a', 'b', 'c']) map.set(key, key)
    map.set('a', 'a')
    map.set('d', 'd')
    expect([map.size, left]).toEqual([3, ['b']])
  })

  test('says once of each what left: replaced, deleted, cleared', () => {
    map.set('a', '1')
    map.set('a', '2')
    map.set('b', '3')
    map.set('c', '4')
    map.delete('b')
    map.delete('b')
    map.clear()
    expect([map.size, left]).toEqual([0, ['1', '3', '2', '4']])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('goes on while what leaves takes others with it', async () => {
    const names = new ExpiringMap<string>({
      max: 5,
      lifetime: 10,
      left: () => {
        names.delete('b')
      },
    })
    for (const key of ['a', 'b', 'c']) names.set(key, key)
    await pass(20)
    expect(names.size).toBe(0)
  })
})
