import { FairQueue } from '../../../src/kms/fair-queue'

/** Calls that end when the test says so, with the order in which they began. */
class Calls {
  readonly began: string[] = []
  readonly #ends = new Map<string, () => void>()
  readonly #queue: FairQueue

  constructor(concurrency: number) {
    this.#queue = new FairQueue(concurrency)
  }

  add(name: string, caller?: object): Promise<string> {
    return this.#queue.run(() => {
      this.began.push(name)
      return new Promise((resolve) => {
        this.#ends.set(name, () => {
          resolve(name)
        })
      })
    }, caller)
  }

  addAll(names: string, caller?: object): void {
    for (const name of names) void this.add(name, caller)
  }

  async end(names: string): Promise<void> {
    for (const name of names) {
      this.#ends.get(name)?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

describe('The queue before the key service', () => {
  it('lets as many calls begin as there are places, and the next when one ends', async () => {
    const calls = new Calls(2)
    calls.addAll('abcd')
    expect(calls.began.join('')).toBe('ab')
    await calls.end('b')
    expect(calls.began.join('')).toBe('abc')
    await calls.end('ac')
    expect(calls.began.join('')).toBe('abcd')
  })

  it('takes calls without a caller in the order in which they came', async () => {
    const calls = new Calls(1)
    calls.addAll('abcdefgh')
    await calls.end('abcdefgh')
    expect(calls.began.join('')).toBe('abcdefgh')
  })

  it.each([
    [1, 'a'],
    [3, 'abc'],
  ])(
    'delays a call by one of another caller, however many that has waiting (%d at once)',
    async (places, first) => {
      const calls = new Calls(places)
      calls.addAll('abcdefgh', {})
      await calls.end('')
      void calls.add('X')
      expect(calls.began.join('')).toBe(first)
      await calls.end('a')
      expect(calls.began.join('')).toBe(`${first}X`)
    },
  )

  it('gives turns to callers that have calls under way', async () => {
    const calls = new Calls(2)
    calls.addAll('abcd', {})
    calls.addAll('1234', {})
    await calls.end('ab12cd3')
    expect(calls.began.join('')).toBe('ab1c23d4')
  })

  it('gives a place of a caller that keeps others to whoever has waited longest', async () => {
    const calls = new Calls(3)
    const [many, few] = [{}, {}]
    calls.addAll('ab', many)
    calls.addAll('12', few)
    calls.addAll('cd', many)
    await calls.end('a')
    expect(calls.began.join('')).toBe('ab12')
    await calls.end('b')
    expect(calls.began.join('')).toBe('ab12c')
  })

  it('knows a caller that has calls waiting or under way, however many have ended', async () => {
    const calls = new Calls(2)
    const [many, few] = [{}, {}]
    calls.addAll('abcd', many)
    await calls.end('a')
    calls.addAll('1', few)
    calls.addAll('e', many)
    await calls.end('b')
    expect(calls.began.join('')).toBe('abc1')
    await calls.end('c')
    calls.addAll('f', many)
    await calls.end('1d')
    expect(calls.began.join('')).toBe('abc1def')
  })

  it('knows a caller that has a call under way and none waiting', async () => {
    const calls = new Calls(3)
    const [many, few] = [{}, {}]
    calls.addAll('ab', many)
    calls.addAll('1', few)
    await calls.end('a')
    void calls.add('X')
    calls.addAll('2', few)
    calls.addAll('c', many)
    await calls.end('X')
    expect(calls.began.join('')).toBe('ab1X2')
  })

  it('knows a caller that has calls waiting and none under way', async () => {
    const calls = new Calls(1)
    const many = {}
    calls.addAll('ab', many)
    void calls.add('X')
    await calls.end('a')
    calls.addAll('c', many)
    void calls.add('Y')
    await calls.end('XbY')
    expect(calls.began.join('')).toBe('aXbYc')
  })

  it('has a caller that came back before those that have calls under way', async () => {
    const calls = new Calls(2)
    const [many, few] = [{}, {}]
    calls.addAll('1', few)
    await calls.end('1')
    calls.addAll('abcd', many)
    calls.addAll('2', few)
    await calls.end('a')
    expect(calls.began.join('')).toBe('1ab2')
  })

  it('does not let others starve a caller with many calls', async () => {
    const calls = new Calls(1)
    calls.addAll('abc', {})
    let others = 0
    for (
      let round = 0;
      calls.began.filter((name) => 'abc'.includes(name)).length < 3 && round < 20;
      round++
    ) {
      void calls.add(String(others++))
      await calls.end(calls.began[calls.began.length - 1] ?? '')
    }
    expect(calls.began).toEqual(expect.arrayContaining(['a', 'b', 'c']))
  })

  it('goes on after calls that fail, and passes on what they throw', async () => {
    const queue = new FairQueue(1)
    const results = await Promise.allSettled([
      queue.run(() => Promise.reject(new Error('no'))),
      queue.run(() => {
        throw new Error('at once')
      }),
      queue.run(() => Promise.resolve('yes')),
    ])
    expect(results).toMatchObject([
      { reason: { message: 'no' } },
      { reason: { message: 'at once' } },
      { value: 'yes' },
    ])
  })

  it('never has more under way than places, with any callers, and makes all calls', async () => {
    const queue = new FairQueue(4)
    const callers = Array.from({ length: 5 }, () => ({}))
    let [underWay, most, made] = [0, 0, 0]
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        queue.run(
          async () => {
            most = Math.max(most, ++underWay)
            for (let turns = (i * 7) % 5; turns > 0; turns--) await Promise.resolve()
            underWay--
            made++
          },
          callers[(i * i) % 7],
        ),
      ),
    )
    expect([most, made, underWay]).toEqual([4, 500, 0])
  })
})
