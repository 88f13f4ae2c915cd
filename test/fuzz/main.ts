/**
 * Gives random bytes to every decoder and recogniser of the library. `npm run fuzz`, or
 * `npm run fuzz -- --inputs 10000000 --seed 7`; `--keep` writes what was found new into the corpus.
 */
import 'reflect-metadata'
import { parseArgs } from 'node:util'
import { readCorpus, writeCorpus } from './corpus'
import { fuzz } from './fuzz'
import { makeTargets } from './targets'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    keep: { type: 'boolean', default: false },
  },
})

/** Most faults that are printed. */
const MAX_PRINTED = 20

async function main(): Promise<void> {
  const corpus = readCorpus()
  const found = fuzz(await makeTargets(), corpus, Number(values.inputs), Number(values.seed))
  const news = Object.entries(found.corpus).flatMap(([target, inputs]) =>
    Object.keys(inputs).filter((label) => corpus[target]?.[label] === undefined),
  )
  if (values.keep) writeCorpus(found.corpus)
  for (const { target, input, error } of found.faults.slice(0, MAX_PRINTED)) {
    console.error(`${target}\n  ${input}\n  ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
  }
  const { user } = process.cpuUsage()
  const { target, microseconds, input } = found.slowest
  console.log(
    `${found.inputs} inputs, seed ${values.seed}: ${found.faults.length} faults, ${news.length} outcomes that the corpus does not have. Slowest: ${(microseconds / 1_000).toFixed(1)} ms for ${target} (${Buffer.from(input, 'base64').length} bytes). ${Math.round(user / 1e6)} s of processor time.`,
  )
  process.exitCode = found.faults.length > 0 ? 1 : 0
}

void main()
