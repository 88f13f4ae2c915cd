/** What the test does to an application and its tools, by what it makes them say. */
const SAYS = {
  throttled: /throttled/i,
  'KMS down': /KMS could not be reached|KMS did not answer/,
  // Instances write under the former key until their data keys expire.
  'alias moved': /rows that are not rotated: others wrote them/,
  // TypeORM gives a runner back when its connection breaks, and says no more of it.
  'connection cut':
    /ECONNRESET|EPIPE|closed state|Query runner already released|connection (terminated|lost|is closed|ended)|server closed the connection|terminating connection|data keys could not be read or written/i,
} as const satisfies Record<string, RegExp>

export type Fault = keyof typeof SAYS

interface Spell {
  readonly fault: Fault
  readonly begin: number
  end: number
}

/** When which fault was there. */
export class FaultLog {
  readonly #spells: Spell[] = []

  /** A fault that lasts until the function that is returned is called. */
  begin(fault: Fault): () => void {
    const spell = { fault, begin: performance.now(), end: Infinity }
    this.#spells.push(spell)
    return () => {
      spell.end = performance.now()
    }
  }

  /** A fault of a moment. */
  note(fault: Fault): void {
    this.begin(fault)()
  }

  /** Whether one of the faults since then makes somebody say this. */
  explains(complaint: string, since: number): boolean {
    return this.#spells.some(({ fault, end }) => end >= since && SAYS[fault].test(complaint))
  }
}
