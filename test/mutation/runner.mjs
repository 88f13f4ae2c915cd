/**
 * Runs tests for Stryker in one process that stays warm. Jest loads all modules of a test file anew for each mutant,
 * which takes a hundred times as long as most tests. Here the library and TypeORM stay in memory, and what that could
 * spoil is looked after: a test that failed must pass without the mutant, and a mutant that no test went through, because
 * a module kept what it had computed before, gets modules of its own.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PluginKind, declareClassPlugin } from '@stryker-mutator/api/plugin'
import { DryRunStatus, MutantRunStatus, TestStatus } from '@stryker-mutator/api/test-runner'
import { isDrawn } from './sample.mjs'

const require = createRequire(import.meta.url)
const { forgetModules, installGlobals, keepCompiled, runFile } = require('./tests.cjs')

const SECOND = 1_000
const SEPARATOR = ' › '
const CACHE = 'node_modules/.cache/mutation'
/** Milliseconds of a processor: a mutant that lives on for so long has survived. */
const PATIENCE = Number(process.env.MUTATION_SECONDS ?? 5) * SECOND
/** Tests that found the last mutants: the next one is mostly near. */
const MAX_RECENT = 4
/** Tests that a process may find spoilt before another takes its place. */
const MAX_SPOILT = 5

/** Those that read documents, start programs, replace modules, or try so many inputs that no mutant is worth the time. */
const LEFT_OUT = [
  /^test\/unit\/(docs|cli|report|fuzz|opentelemetry|lock)/,
  /(foreign-decoder|known-answers|fuzz|length|tampering|turns|two-copies|python|kill|killed|held-up)\.test\.ts$/,
  /^test\/integration\/(cli|canary|model|servers|kms-calls|nestjs|steady-state|performance-counts|upgrades)/,
  /^test\/integration\/migration\/(command-line|interruption|generate-command|bad-input-tool|no-downtime|volume|lost-connection)/,
  /^test\/integration\/(row-binding\/(mending|tenants)|failures\/(outage|region-outage|pool|throttling))/,
]

class Runner {
  root = process.cwd()
  state = (globalThis.__stryker__ ??= {})
  /** Milliseconds of each test. */
  times = new Map()
  /** How many mutants each test file has found. */
  finds = new Map()
  /** Ids of tests. */
  recent = []
  spoilt = new Set()

  capabilities() {
    return { reloadEnvironment: true }
  }

  init() {
    require(join(this.root, 'test/support/typescript.cjs'))
    require(join(this.root, 'node_modules/reflect-metadata'))
    keepCompiled()
    installGlobals()
    process.env.NODE_ENV = 'test'
    globalThis.typeormMajor = '1'
    // Tests say what they leave out on which database; here Stryker speaks.
    process.stdout.write = () => true
    try {
      this.times = new Map(JSON.parse(readFileSync(join(this.root, CACHE, 'times.json'), 'utf8')))
    } catch {
      // The first run of all tests writes them.
    }
  }

  async dryRun() {
    mkdirSync(join(this.root, CACHE), { recursive: true })
    const coverage = { static: {}, perTest: {} }
    const tests = []
    const common = this.#hashOf(
      filesIn(this.root, 'src', 'test/support', 'test/integration', 'test/unit').filter(
        (file) => !isTest(file),
      ),
    )
    for (const file of testFiles(this.root)) {
      const known = join(
        this.root,
        CACHE,
        `${createHash('sha256')
          .update(common)
          .update(this.#hashOf([file]))
          .digest('hex')}.json`,
      )
      let reached
      try {
        reached = JSON.parse(readFileSync(known, 'utf8'))
      } catch {
        reached = await this.#reach(file)
        writeFileSync(known, JSON.stringify(reached))
      }
      merge(coverage.static, reached.static)
      for (const { id, milliseconds, hits } of reached.tests) {
        this.times.set(id, milliseconds)
        coverage.perTest[id] = hits
        tests.push({ id, name: id, fileName: file, timeSpentMs: milliseconds, status: TestStatus.Success })
      }
    }
    writeFileSync(join(this.root, CACHE, 'times.json'), JSON.stringify([...this.times]))
    return { status: DryRunStatus.Complete, tests, mutantCoverage: coverage }
  }

  /** What the tests of a file go through: what they share counts for each of them. A test that fails is left out. */
  async #reach(file) {
    const hits = (this.state.mutantCoverage = { static: {}, perTest: {} })
    const path = join(this.root, file)
    forgetModules(this.root)
    delete this.state.currentTestId
    await runFile(path, { wanted: () => false, limit: () => 0 })
    const results = await runFile(path, {
      limit: () => 120 * SECOND,
      begins: (id) => (this.state.currentTestId = id),
    })
    delete this.state.currentTestId
    const tests = []
    for (const { name, error, milliseconds, parts } of results) {
      const id = file + SEPARATOR + name
      if (error) {
        process.stderr.write(
          `Left out, for it fails without a mutant: ${id}\n    ${String(error?.message ?? error)
            .split('\n', 3)
            .join('\n    ')}\n`,
        )
        continue
      }
      const all = {}
      for (const part of ['@', ...parts, name]) merge(all, hits.perTest[part] ?? {})
      tests.push({ id, milliseconds, hits: all })
    }
    return { static: hits.static, tests }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit = Infinity }) {
    if (!isDrawn(activeMutant)) return { status: MutantRunStatus.Survived, nrOfTests: 0 }
    const { id, fileName } = activeMutant
    const until = work() + PATIENCE
    const find = this.finds.get(fileName) ?? new Map()
    this.finds.set(fileName, find)
    const left = new Set(testFilter.filter((test) => !this.spoilt.has(test)))
    const found = (failure) => {
      this.recent = [failure.id, ...this.recent.filter((test) => test !== failure.id)].slice(0, MAX_RECENT)
      const file = fileOf(failure.id)
      find.set(file, (find.get(file) ?? 0) + 1)
      return {
        status: MutantRunStatus.Killed,
        killedBy: [failure.id],
        failureMessage: String(failure.error?.message ?? failure.error),
        nrOfTests: 1,
      }
    }
    const orders = [this.recent.filter((test) => left.has(test)), [...left]]
    let isReached = false
    for (const order of orders) {
      for (;;) {
        const failure = await this.#firstFailure(
          order.filter((test) => left.has(test)),
          { id, hitLimit, until, find },
        )
        isReached ||= this.state.hitCount > 0
        if (!failure) break
        if (!(await this.#firstFailure([failure.id]))) return found(failure)
        forgetModules(this.root)
        if (await this.#firstFailure([failure.id])) this.#putAside(failure)
        else {
          const again = await this.#firstFailure([failure.id], { id, hitLimit })
          forgetModules(this.root)
          if (again) return found(again)
        }
        left.delete(failure.id)
      }
    }
    if (!isReached) {
      forgetModules(this.root)
      const failure = await this.#firstFailure([...left], { id, hitLimit, until, find })
      forgetModules(this.root)
      if (failure && !(await this.#firstFailure([failure.id]))) return found(failure)
    }
    return { status: MutantRunStatus.Survived, nrOfTests: testFilter.length }
  }

  /** A test that fails without a mutant tells nothing; where there are many, the process is spoilt, and Stryker starts another. */
  #putAside({ id, error }) {
    this.spoilt.add(id)
    if (this.spoilt.size > MAX_SPOILT)
      throw new Error(`Tests fail without a mutant: ${id}: ${error?.message}`)
  }

  /** Runs tests until one fails, with a mutant or without one. */
  async #firstFailure(tests, { id, hitLimit = Infinity, until = Infinity, find } = {}) {
    Object.assign(this.state, { activeMutant: id, hitLimit, hitCount: 0 })
    try {
      for (const [file, names] of this.#inOrder(tests, find)) {
        if (work() > until) return
        const results = await runFile(join(this.root, file), {
          wanted: (name) => names.has(name),
          limit: (name) => 5 * SECOND + 20 * (this.times.get(file + SEPARATOR + name) ?? 0),
          until: ({ error }) => error ?? work() > until,
        })
        const failure = results.find(({ error }) => error)
        if (failure) return { id: file + SEPARATOR + failure.name, error: failure.error }
      }
    } finally {
      delete this.state.activeMutant
    }
  }

  /** The names of tests by file, those first that find much in little time. */
  #inOrder(ids, find) {
    const files = new Map()
    for (const id of ids) {
      const file = fileOf(id)
      const all = files.get(file) ?? { names: new Set(), time: 10 }
      all.names.add(id.slice(file.length + SEPARATOR.length))
      all.time += this.times.get(id) ?? 0
      files.set(file, all)
    }
    const worth = ([file, { time }]) => (1 + (find?.get(file) ?? 0)) / time
    return new Map(
      [...files].sort((one, other) => worth(other) - worth(one)).map(([file, { names }]) => [file, names]),
    )
  }

  #hashOf(files) {
    const hash = createHash('sha256')
    for (const file of files)
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(join(this.root, file)))
    return hash.digest('hex')
  }
}

/** Milliseconds for which this process had a processor. */
function work() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const isTest = (file) => file.endsWith('.test.ts')
const fileOf = (id) => id.slice(0, id.indexOf(SEPARATOR))

function merge(into, hits) {
  for (const [mutant, count] of Object.entries(hits)) into[mutant] = (into[mutant] ?? 0) + count
}

const filesIn = (root, ...folders) =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${folder}/${file}`),
    )
    .sort()

function testFiles(root) {
  const only = new RegExp(process.env.MUTATION_TESTS ?? '')
  return filesIn(root, 'test/unit', 'test/integration').filter(
    (file) => isTest(file) && only.test(file) && !LEFT_OUT.some((pattern) => pattern.test(file)),
  )
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'warm', Runner)]
