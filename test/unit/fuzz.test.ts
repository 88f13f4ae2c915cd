import { readCorpus } from '../fuzz/corpus'
import { fuzz } from '../fuzz/fuzz'
import { outcome, type Target } from '../fuzz/target'
import { makeTargets } from '../fuzz/targets'
import { runs } from '../support/thorough'

/** Small here; `npm run fuzz` goes on for as long as is wanted. */
describe('Whatever bytes are stored, delivered or pasted', () => {
  let targets: Target[]

  beforeAll(async () => {
    targets = await makeTargets()
  })

  test('what was kept of earlier runs has the outcome that it had', () => {
    const corpus = readCorpus()
    expect(Object.keys(corpus).sort()).toEqual(targets.map(({ name }) => name).sort())
    for (const target of targets) {
      const kept = Object.entries(corpus[target.name] ?? {})
      expect(kept.length).toBeGreaterThan(0)
      for (const [label, input] of kept) {
        expect(`${target.name}: ${outcome(target, Buffer.from(input, 'base64'))}`).toBe(
          `${target.name}: ${label}`,
        )
      }
    }
  })

  test('are refused with an error of the library, or are what they were', () => {
    const { faults, inputs } = fuzz(targets, readCorpus(), runs(13_000, 1_000_000), 20_261_126)
    expect(faults).toEqual([])
    expect(inputs).toBeGreaterThanOrEqual(13_000)
  })

  test('a fault would be reported', () => {
    const crash: Target = {
      name: 'crash',
      seeds: [Buffer.from('seed')],
      run: (input) => input[99]!.toFixed(),
    }
    const { faults } = fuzz([crash], {}, 200, 1)
    expect(faults.length).toBeGreaterThan(100)
    expect(faults[0]).toMatchObject({ target: 'crash', error: expect.any(TypeError) })
  })
})
