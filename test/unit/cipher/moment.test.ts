import { now, since } from '../../../src/cipher/data-keys/moment'

describe('The time since a moment', () => {
  afterEach(() => jest.restoreAllMocks())

  test.each([
    ['both clocks go on', 100, 100, 100],
    ['the monotonic clock stood still while the machine was suspended', 0, 5_000, 5_000],
    ['the other clock was set back', 100, -60_000, 100],
  ])('is what the clock says that has gone further, where %s', (_, monotonic, wall, expected) => {
    const clocks = { monotonic: 1_000, wall: 1_800_000_000_000 }
    jest.spyOn(performance, 'now').mockImplementation(() => clocks.monotonic)
    jest.spyOn(Date, 'now').mockImplementation(() => clocks.wall)
    const moment = now()
    clocks.monotonic += monotonic
    clocks.wall += wall
    expect(since(moment)).toBe(expected)
  })
})
