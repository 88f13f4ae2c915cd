import { KmsUnavailableError } from '../../../src/errors'
import { Patience } from '../../../src/kms/patience'
import { inTime, pass, startClock, stopClock } from '../../support/clock'

const TIMEOUT = 400
/** As long as the time-out, where that is short. */
const PAUSE = TIMEOUT

beforeEach(stopClock)
afterEach(startClock)

const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))
const hang = (): Promise<never> => new Promise(() => undefined)
const answer = (patience: Patience) => () => {
  patience.answered()
  return Promise.resolve('answer')
}

/** What became of a call, and after how many milliseconds. */
async function outcome(call: Promise<unknown>): Promise<{ said: string; took: number }> {
  const began = performance.now()
  let took = 0
  const ended = call.finally(() => (took = performance.now() - began))
  const said = await inTime(ended).then(String, (error: unknown) => {
    expect(error).toBeInstanceOf(KmsUnavailableError)
    const { message } = error as Error
    return message.includes('fail at once')
      ? 'at once'
      : message.includes('within 400 ms')
        ? 'time-out'
        : message
  })
  return { said, took }
}

/** A patience that has just waited for a whole time-out in vain. */
async function tried(): Promise<Patience> {
  const patience = new Patience(TIMEOUT)
  expect((await outcome(patience.limit('Decrypt', hang))).said).toBe('time-out')
  return patience
}

describe('A key service that hangs', () => {
  it('costs one time-out, and the signal of the call is aborted', async () => {
    const patience = new Patience(TIMEOUT)
    let aborted: AbortSignal | undefined
    const { said, took } = await outcome(
      patience.limit('Decrypt', ({ signal }) => {
        aborted = signal
        return hang()
      }),
    )
    expect(said).toBe('time-out')
    expect(took).toBe(TIMEOUT)
    expect(aborted?.aborted).toBe(true)
  })

  it('then fails all calls at once', async () => {
    const patience = await tried()
    for (let i = 0; i < 20; i++) {
      const { said, took } = await outcome(patience.limit('Decrypt', hang))
      expect({ said, took }).toEqual({ said: 'at once', took: 0 })
    }
  })

  it('is tried again by one call after a pause, while the others fail at once', async () => {
    const patience = await tried()
    await pass(PAUSE + 10)
    let sent = 0
    const count = (): Promise<never> => {
      sent++
      return hang()
    }
    const began = performance.now()
    while (performance.now() < began + TIMEOUT - 10) {
      const calls = Array.from({ length: 10 }, () => outcome(patience.limit('Decrypt', count)))
      for (const { said, took } of await Promise.all(calls)) {
        expect(said).toBe('at once')
        // Whoever tries again waits for a quarter of the time-out, and the call goes on without it.
        expect(took).toBeLessThanOrEqual(TIMEOUT / 4)
      }
      await pass(5)
    }
    expect(sent).toBe(1)
  })

  it('is tried again when the pause is exactly over, not before', async () => {
    const patience = await tried()
    await pass(PAUSE - 1)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('at once')
    await pass(1)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('has one pause, though calls that began before it fail within it', async () => {
    const patience = new Patience(TIMEOUT)
    const first = outcome(patience.limit('Decrypt', hang))
    await pass(TIMEOUT / 2)
    const second = outcome(patience.limit('Decrypt', hang))
    expect((await first).said).toBe('time-out')
    expect((await second).said).toBe('time-out')
    await pass(PAUSE - TIMEOUT / 2)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('has another pause after each that tries again in vain', async () => {
    const patience = await tried()
    await pass(PAUSE)
    expect((await outcome(patience.limit('Decrypt', hang))).said).toBe('at once')
    // The call itself goes on for the whole time-out; the pause begins when that is over.
    await pass(TIMEOUT * 0.75 + PAUSE - 1)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('at once')
    await pass(1)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('is in use again as soon as it answers one', async () => {
    const patience = await tried()
    await pass(PAUSE + 10)
    const first = outcome(patience.limit('Decrypt', answer(patience)))
    expect((await first).said).toBe('answer')
    const calls = Array.from({ length: 10 }, () => outcome(patience.limit('Decrypt', answer(patience))))
    expect((await Promise.all(calls)).map(({ said }) => said)).toEqual(Array(10).fill('answer'))
  })

  it('is in use again when the call that tries again is answered too late for its caller', async () => {
    const patience = await tried()
    await pass(PAUSE + 10)
    let isGivenUp: boolean | undefined
    const trial = patience.limit('Decrypt', async (attempt) => {
      await later(TIMEOUT * 0.6)
      isGivenUp = attempt.isGivenUp
      patience.answered()
    })
    expect((await outcome(trial)).said).toBe('at once')
    await pass(TIMEOUT * 0.5)
    expect(isGivenUp).toBe(true)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('is in use again when a call is answered that had been given up', async () => {
    const patience = await tried()
    patience.answered()
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })
})

describe('The others are not made to fail', () => {
  it('by a call that hangs while others are answered', async () => {
    const patience = new Patience(TIMEOUT)
    const hanging = outcome(patience.limit('Decrypt', hang))
    await pass(20)
    await patience.limit('Decrypt', answer(patience))
    expect((await hanging).said).toBe('time-out')
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('by a call that hangs from the moment on in which another was answered', async () => {
    const patience = new Patience(TIMEOUT)
    const hanging = outcome(patience.limit('Decrypt', hang))
    patience.answered()
    expect((await hanging).said).toBe('time-out')
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('by a call that fails soon: a refused connection costs nobody time', async () => {
    const patience = new Patience(TIMEOUT)
    const refused = new KmsUnavailableError('refused')
    for (let i = 0; i < 3; i++) {
      await expect(patience.limit('Decrypt', () => Promise.reject(refused))).rejects.toBe(refused)
    }
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })

  it('by the one that tries again and is refused soon', async () => {
    const patience = await tried()
    await pass(PAUSE + 10)
    const refused = new KmsUnavailableError('refused')
    await expect(patience.limit('Decrypt', () => Promise.reject(refused))).rejects.toBe(refused)
    expect((await outcome(patience.limit('Decrypt', answer(patience)))).said).toBe('answer')
  })
})

it.each([
  [60_000, 999, 'in vain'],
  [60_000, 1_000, 'at once'],
  // A timer may fire a millisecond early.
  [TIMEOUT, 394, 'in vain'],
  [TIMEOUT, 395, 'at once'],
])(
  'Of %d ms, a call that fails after %d without an answer leaves the next one %s',
  async (timeout, took, said) => {
    const patience = new Patience(timeout)
    const slow = async (): Promise<never> => {
      await later(took)
      throw new KmsUnavailableError('in vain')
    }
    expect((await outcome(patience.limit('Decrypt', slow))).said).toContain('in vain')
    expect((await outcome(patience.limit('Decrypt', slow))).said).toContain(said)
  },
)

it('A call that is answered, or fails, leaves no timer behind', async () => {
  const patience = new Patience(TIMEOUT)
  await patience.limit('Decrypt', answer(patience))
  await expect(patience.limit('Decrypt', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(jest.getTimerCount()).toBe(0)
})

it('A call that fails after seconds without an answer counts like a time-out', async () => {
  const patience = new Patience(60_000)
  const slow = async (): Promise<never> => {
    await later(1_020)
    throw new KmsUnavailableError('three connections in vain')
  }
  expect((await outcome(patience.limit('Decrypt', slow))).said).toBe('three connections in vain')
  expect((await outcome(patience.limit('Decrypt', slow))).said).toBe('at once')
})
