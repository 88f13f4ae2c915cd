import { KmsEncryptionError } from '../../src/errors'

/** A decoder or recogniser that takes any bytes. */
export interface Target {
  readonly name: string
  /** Inputs that it takes, and others that are telling. */
  readonly seeds: readonly Buffer[]
  /** Words of the language, if it has any. */
  readonly words?: readonly string[]
  /** Arbitrary inputs of the right structure. */
  readonly structure?: (seed: number, count: number) => readonly Buffer[]
  /**
   * Says what became of an input, in one of few words: inputs with the same are taken for alike. Throws `Wrong` for what
   * must not be, and an error of the library for a refusal. Anything else that is thrown is a fault.
   */
  readonly run: (input: Buffer) => string
}

/** What must not be. */
export class Wrong extends Error {}

/** What became of an input. Throws what is a fault. */
export function outcome({ run }: Target, input: Buffer): string {
  // A decoder must not write into what it is given: other values of a page share its memory.
  const copy = Buffer.from(input)
  let label: string
  try {
    label = run(copy)
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    label = error.code
  }
  if (!copy.equals(input)) throw new Wrong('it changed its input')
  return label
}

/** Throws `Wrong` unless it holds. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Wrong(what)
}
