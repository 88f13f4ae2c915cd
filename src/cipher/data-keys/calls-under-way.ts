import { channels, type DataKeyEvent } from '../../diagnostics'

interface Call<Key> {
  readonly answer: Promise<Key>
  /** Someone waits for it; nobody does for what is fetched in the background. */
  isAwaited: boolean
}

/** Calls to KMS for data keys: one for all who ask for the same at the same time. Counts those that someone waits for. */
export class CallsUnderWay<Key> {
  readonly #calls = new Map<string, Call<Key>>()

  constructor(readonly counts = { hits: 0, misses: 0 }) {}

  /** Asks, unless the same is under way. `purpose`: what someone waits for; without one, nobody does. */
  share(purpose: DataKeyEvent['purpose'] | undefined, id: string, ask: () => Promise<Key>): Promise<Key> {
    let call = this.#calls.get(id)
    if (!call) {
      call = { answer: ask().finally(() => this.#calls.delete(id)), isAwaited: false }
      this.#calls.set(id, call)
    }
    if (purpose && !call.isAwaited) {
      call.isAwaited = true
      this.counts.misses++
      publish(purpose, 'miss')
    }
    return call.answer
  }

  /** Counts a value that was served by a data key in memory. */
  hit(purpose: DataKeyEvent['purpose']): void {
    this.counts.hits++
    publish(purpose, 'hit')
  }
}

function publish(purpose: DataKeyEvent['purpose'], outcome: DataKeyEvent['outcome']): void {
  if (channels.dataKey.hasSubscribers) channels.dataKey.publish({ purpose, outcome } satisfies DataKeyEvent)
}
