import { type Corpus } from './corpus'
import { mutate } from './mutate'
import { Random } from './random'
import { outcome, type Target } from './target'

/** Inputs of one target in a row: so much of what its seeds share stays in the processor's caches. */
const BATCH = 200
/** Every so many batches the inputs are made by structure, which takes longer than to mutate others. */
const STRUCTURED = 8

/** An input for which something happened that must not. */
export interface Fault {
  readonly target: string
  /** In base64. */
  readonly input: string
  readonly error: unknown
}

export interface Found {
  readonly inputs: number
  readonly faults: readonly Fault[]
  /** What was kept, with outcomes that were not known before. */
  readonly corpus: Corpus
  /** Microseconds of processor time for the input that took longest, and its target. */
  readonly slowest: { readonly target: string; readonly input: string; readonly microseconds: number }
}

/**
 * Runs targets on inputs that are made of their seeds and of the corpus, the same ones for the same seed. A fault ends
 * nothing: it is reported.
 */
export function fuzz(targets: readonly Target[], corpus: Corpus, count: number, seed: number): Found {
  const random = new Random(seed)
  const fields = targets.map((target) => new Field(target, corpus[target.name] ?? {}))
  const faults: Fault[] = []
  let slowest = { target: '', input: '', microseconds: 0 }
  let inputs = 0
  const run = (field: Field, input: Buffer): void => {
    inputs++
    const before = process.cpuUsage()
    try {
      field.keep(outcome(field.target, input), input)
    } catch (error) {
      faults.push({ target: field.target.name, input: input.toString('base64'), error })
    }
    const { user, system } = process.cpuUsage(before)
    if (user + system <= slowest.microseconds) return
    slowest = { target: field.target.name, input: input.toString('base64'), microseconds: user + system }
  }
  for (const field of fields) for (const seed of field.target.seeds) run(field, seed)
  for (let batch = 0; inputs < count; batch++) {
    const field = fields[batch % fields.length]
    if (!field) throw new RangeError('no targets')
    const isStructured = Math.floor(batch / fields.length) % STRUCTURED === 0
    for (const input of field.batch(random, isStructured)) run(field, input)
  }
  return {
    inputs,
    faults,
    corpus: Object.fromEntries(fields.map(({ target, inputs: kept }) => [target.name, base64Of(kept)])),
    slowest,
  }
}

/** A target, and what is known to lead to different outcomes. */
class Field {
  readonly target: Target
  /** The shortest input by outcome. */
  readonly inputs = new Map<string, Buffer>()
  readonly #seeds: Buffer[]

  constructor(target: Target, kept: Readonly<Record<string, string>>) {
    this.target = target
    this.#seeds = [...target.seeds]
    for (const [label, input] of Object.entries(kept)) this.keep(label, Buffer.from(input, 'base64'))
  }

  batch(random: Random, isStructured: boolean): readonly Buffer[] {
    const { structure, words = [] } = this.target
    if (isStructured && structure) return structure(random.below(2 ** 31), BATCH)
    return Array.from({ length: BATCH }, () =>
      mutate(random.from(this.#seeds), random, random.from(this.#seeds), words),
    )
  }

  keep(label: string, input: Buffer): void {
    const known = this.inputs.get(label)
    if (known && known.length <= input.length) return
    const copy = Buffer.from(input)
    this.inputs.set(label, copy)
    if (!known) this.#seeds.push(copy)
  }
}

function base64Of(inputs: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries([...inputs].map(([label, input]) => [label, input.toString('base64')]))
}
