import { type Change } from './column-rows'

/** Most bytes of values in one statement: `max_allowed_packet` is 16 MB by default, and values are sent as hex. */
const STATEMENT_BYTES = 2 ** 20

/** Splits a batch so that no statement grows beyond what servers take. */
export function* parts(changes: readonly Change[]): Generator<Change[]> {
  let part: Change[] = []
  let bytes = 0
  for (const change of changes) {
    const size = Buffer.byteLength(change.value)
    if (part.length > 0 && bytes + size > STATEMENT_BYTES) {
      yield part
      part = []
      bytes = 0
    }
    part.push(change)
    bytes += size
  }
  if (part.length > 0) yield part
}
