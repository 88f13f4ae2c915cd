import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** For each target and outcome the shortest input that was found, in base64. It is kept, so that each run begins there. */
export type Corpus = Record<string, Record<string, string>>

const FILE = join(__dirname, 'kept-inputs.json')

export function readCorpus(): Corpus {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Corpus
}

export function writeCorpus(corpus: Corpus): void {
  const sorted = Object.entries(corpus)
    .sort(byName)
    .map(([target, inputs]) => [target, Object.fromEntries(Object.entries(inputs).sort(byName))])
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(sorted), undefined, 2)}\n`)
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}
