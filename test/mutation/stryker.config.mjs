import { join } from 'node:path'
import { isSample } from './sample.mjs'

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'warm',
  plugins: [join(import.meta.dirname, 'runner.mjs')],
  mutate: ['src/cipher/**/*.ts'],
  coverageAnalysis: 'perTest',
  // What is evaluated once when a file is loaded would take all tests of the file for each mutant.
  ignoreStatic: true,
  // Texts are for people, and tests that repeat them word for word help nobody.
  mutator: { excludedMutations: ['StringLiteral'] },
  ignorePatterns: ['website', 'bench/results', 'coverage', 'dist', 'docs/pictures', 'test/package'],
  concurrency: Number(process.env.MUTATION_PROCESSES ?? 2),
  // The runner gives up by itself; this is for mutants that never give back the processor.
  timeoutMS: 90_000,
  timeoutFactor: 1.5,
  // Tests that fail leave connections and servers behind.
  maxTestRunnerReuse: 150,
  // On a machine that is busy with something else the first run of all tests takes longer than the five minutes of the default.
  dryRunTimeoutMinutes: 60,
  incremental: !isSample,
  incrementalFile: 'node_modules/.cache/mutation.json',
  tempDirName: '.build-mutation',
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: 'node_modules/.cache/mutation-report.json' },
  allowEmpty: true,
}
