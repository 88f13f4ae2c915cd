import { type Random } from './random'

/** Bytes at which decoders decide: signs, limits of lengths, beginnings of headers, quotes and comments. */
const TELLING = [0, 1, 2, 3, 4, 5, 0x20, 0x22, 0x27, 0x2d, 0x2f, 0x5c, 0x60, 0x7f, 0x80, 0xc1, 0xfe, 0xff]

/** No input is longer: what a length costs, `structure` and the tests of the reader see. */
const MAX_LENGTH = 4_096

type Mutation = (input: Buffer, random: Random, other: Buffer, words: readonly string[]) => Buffer

const mutations: readonly Mutation[] = [
  // A bit.
  (input, random) => set(input, random, (byte) => byte ^ (1 << random.below(8))),
  // A byte.
  (input, random) => set(input, random, () => random.from(TELLING)),
  (input, random) => set(input, random, () => random.below(256)),
  (input, random) => set(input, random, (byte) => (byte + random.from([1, 255])) & 0xff),
  // Two bytes that may be a length.
  (input, random) => {
    const at = random.below(input.length)
    const length = random.from([0, 1, 31, 32, input.length, input.length - at, 6_144, 6_145, 0xffff])
    return Buffer.concat([
      input.subarray(0, at),
      Buffer.of((length >> 8) & 0xff, length & 0xff),
      input.subarray(at + 2),
    ])
  },
  // Less, more, the same again, and parts of another.
  (input, random) => input.subarray(0, random.below(input.length + 1)),
  (input, random) => input.subarray(random.below(input.length + 1)),
  (input, random) => {
    const [start, end] = part(input, random)
    return Buffer.concat([input.subarray(0, start), input.subarray(end)])
  },
  (input, random) => {
    const [start, end] = part(input, random)
    return Buffer.concat([input.subarray(0, end), input.subarray(start)])
  },
  (input, random, other) => {
    const [start, end] = part(other, random)
    const at = random.below(input.length + 1)
    return Buffer.concat([input.subarray(0, at), other.subarray(start, end), input.subarray(at)])
  },
  (input, random, other) =>
    Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]),
  // A word of the language.
  (input, random, _, words) => {
    const at = random.below(input.length + 1)
    const word = words.length > 0 ? random.from(words) : ''
    return Buffer.concat([input.subarray(0, at), Buffer.from(word), input.subarray(at)])
  },
]

/** Something like the input, that mostly is not as it should be. */
export function mutate(input: Buffer, random: Random, other: Buffer, words: readonly string[]): Buffer {
  let changed = input
  for (let times = 1 + random.below(4); times > 0; times--) {
    changed = random.from(mutations)(changed, random, other, words)
  }
  return changed.subarray(0, MAX_LENGTH)
}

function set(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  if (input.length === 0) return Buffer.of(random.below(256))
  const copy = Buffer.from(input)
  const at = random.below(copy.length)
  copy.writeUInt8(change(copy.readUInt8(at)), at)
  return copy
}

function part(input: Buffer, random: Random): [start: number, end: number] {
  const start = random.below(input.length + 1)
  return [start, start + random.below(input.length - start + 1)]
}
