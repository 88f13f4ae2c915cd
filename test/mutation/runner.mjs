/**
 * Runs unit tests for Stryker in one process that stays warm. Jest loads all modules of a test file anew for each mutant,
 * which takes a hundred times as long as the tests. Here they stay in memory, and what that could spoil is looked after:
 * a test that failed must pass without the mutant, and a mutant that no test went through, because a module kept what it
 * had computed before, gets modules of its own.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PluginKind, declareClassPlugin } from '@stryker-mutator/api/plugin'
import { DryRunStatus, MutantRunStatus, TestStatus } from '@stryker-mutator/api/test-runner'

const require = createRequire(import.meta.url)
const { forgetModules, installGlobals, keepCompiled, runFile } = require('./tests.cjs')

const SECOND = 1_000
const SEPARATOR = ' › '
const TIMES = '.test-times.json'
/** Milliseconds of work, above which a test is left to those mutants that no other test finds. */
const QUICK = 100
/** Tests that found the last mutants: the next one is mostly near. */
const MAX_RECENT = 3

/** Those that read documents, start programs, replace modules, or try so many inputs that no mutant is worth the time. */
const LEFT_OUT =
  /test\/unit\/(docs|cli|report|local-kms|fuzz|opentelemetry|lock)|(foreign-decoder|known-answers|fuzz|length|tampering|turns)\.test\.ts$/

class Runner {
  root = process.cwd()
  state = (globalThis.__stryker__ ??= {})
  /** Milliseconds of work of each test. */
  times = new Map()
  /** Ids of tests. */
  recent = []

  capabilities() {
    return { reloadEnvironment: true }
  }

  init() {
    require(join(this.root, 'test/support/typescript.cjs'))
    require(join(this.root, 'node_modules/reflect-metadata'))
    keepCompiled()
    installGlobals()
    process.env.NODE_ENV = 'test'
    try {
      this.times = new Map(JSON.parse(readFileSync(join(this.root, TIMES), 'utf8')))
    } catch {
      // The first run of all tests writes them.
    }
  }

  async dryRun() {
    this.state.mutantCoverage = { static: {}, perTest: {} }
    const tests = []
    for (const file of testFiles(this.root)) {
      forgetModules(this.root)
      const results = await runFile(join(this.root, file), {
        limit: () => 300 * SECOND,
        started: (name) => (this.state.currentTestId = file + SEPARATOR + name),
        ended: () => delete this.state.currentTestId,
      })
      for (const { name, error, milliseconds, work } of results) {
        const id = file + SEPARATOR + name
        this.times.set(id, { milliseconds, work })
        tests.push({
          id,
          name: id,
          fileName: file,
          timeSpentMs: milliseconds,
          ...(error
            ? { status: TestStatus.Failed, failureMessage: String(error?.stack ?? error) }
            : { status: TestStatus.Success }),
        })
      }
    }
    writeFileSync(join(this.root, TIMES), JSON.stringify([...this.times]))
    return { status: DryRunStatus.Complete, tests, mutantCoverage: this.state.mutantCoverage }
  }

  async mutantRun({ activeMutant: { id }, testFilter, hitLimit = Infinity }) {
    const quick = testFilter.filter((test) => this.#workOf(test) <= QUICK)
    const slow = testFilter.filter((test) => this.#workOf(test) > QUICK)
    const recent = this.recent.filter((test) => quick.includes(test))
    let failure
    let isReached = false
    for (const tests of process.env.MUTATION_QUICK ? [recent, quick] : [recent, quick, slow]) {
      failure ??= await this.#firstFailure(tests, id, hitLimit)
      isReached ||= this.state.hitCount > 0
    }
    const isSpoilt = failure && (await this.#firstFailure([failure.id]))
    if (isSpoilt || (!failure && !isReached)) {
      forgetModules(this.root)
      failure = await this.#firstFailure(testFilter, id, hitLimit)
      forgetModules(this.root)
    }
    if (!failure) return { status: MutantRunStatus.Survived, nrOfTests: testFilter.length }
    this.recent = [failure.id, ...this.recent.filter((test) => test !== failure.id)].slice(0, MAX_RECENT)
    return {
      status: MutantRunStatus.Killed,
      killedBy: [failure.id],
      failureMessage: String(failure.error?.message ?? failure.error),
      nrOfTests: 1,
    }
  }

  /** Runs tests until one fails, with a mutant or without one. */
  async #firstFailure(tests, activeMutant, hitLimit) {
    Object.assign(this.state, { activeMutant, hitLimit, hitCount: 0 })
    try {
      for (const [file, names] of this.#byTime(tests)) {
        const results = await runFile(join(this.root, file), {
          wanted: (name) => names.has(name),
          limit: (name) => 5 * SECOND + 20 * (this.times.get(file + SEPARATOR + name)?.milliseconds ?? 0),
          until: ({ error }) => error,
        })
        const failure = results.find(({ error }) => error)
        if (failure) return { id: file + SEPARATOR + failure.name, error: failure.error }
      }
    } finally {
      delete this.state.activeMutant
    }
  }

  #workOf(id) {
    return this.times.get(id)?.work ?? 0
  }

  /** The names of tests by file, those first whose tests take the least time. */
  #byTime(ids) {
    const files = new Map()
    for (const id of ids) {
      const [file, ...rest] = id.split(SEPARATOR)
      const { names, work } = files.get(file) ?? { names: new Set(), work: 0 }
      names.add(rest.join(SEPARATOR))
      files.set(file, { names, work: work + this.#workOf(id) })
    }
    return new Map(
      [...files]
        .sort(([, one], [, other]) => one.work - other.work)
        .map(([file, { names }]) => [file, names]),
    )
  }
}

function testFiles(root) {
  const only = new RegExp(process.env.MUTATION_TESTS ?? '')
  return readdirSync(join(root, 'test/unit'), { recursive: true })
    .map((file) => `test/unit/${file}`)
    .filter((file) => file.endsWith('.test.ts') && !LEFT_OUT.test(file) && only.test(file))
    .sort()
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'warm', Runner)]
