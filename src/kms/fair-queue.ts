import { type Caller } from './key-service'

/** The calls of one caller. */
class Line {
  /** Lets the next call begin. */
  readonly waiting: (() => void)[] = []
  underWay = 0
}

/**
 * Bounds how many calls are under way at once, and is fair between callers: a caller with nothing under way comes
 * before all who have something under way, and those have turns. So a page of a thousand values, each with a call of
 * its own, delays another read by one call at most.
 *
 * No library of the size of p-limit has callers; see docs/decisions/0011-waiting-for-kms.md.
 */
export class FairQueue {
  readonly #lines = new Map<Caller, Line>()
  /** Lines that wait; within a set, the one whose turn is next comes first. */
  readonly #idle = new Set<Line>()
  readonly #busy = new Set<Line>()
  #free: number

  /** `concurrency`: calls under way at once. */
  constructor(concurrency: number) {
    this.#free = concurrency
  }

  /** Runs a call when it is its turn. Without a caller, the call is one of its own. */
  async run<T>(call: () => Promise<T>, caller: Caller = {}): Promise<T> {
    let line = this.#lines.get(caller)
    if (!line) this.#lines.set(caller, (line = new Line()))
    const turn = this.#turnOf(line)
    if (turn) await turn
    try {
      return await call()
    } finally {
      this.#ended(line)
      if (line.underWay === 0 && line.waiting.length === 0) this.#lines.delete(caller)
    }
  }

  #turnOf(line: Line): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--
      line.underWay++
      return undefined
    }
    return new Promise((begin) => {
      line.waiting.push(begin)
      this.#lineUp(line)
    })
  }

  #lineUp(line: Line): void {
    if (line.underWay === 0) this.#idle.add(line)
    else this.#busy.add(line)
  }

  #ended(line: Line): void {
    line.underWay--
    if (line.underWay === 0 && this.#busy.delete(line)) this.#idle.add(line)
    const [next] = this.#idle.size > 0 ? this.#idle : this.#busy
    const begin = next?.waiting.shift()
    if (!next || !begin) {
      this.#free++
      return
    }
    this.#idle.delete(next)
    this.#busy.delete(next)
    next.underWay++
    if (next.waiting.length > 0) this.#lineUp(next)
    begin()
  }
}
