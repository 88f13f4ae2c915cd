const Module = require('node:module')
const { dirname, sep } = require('node:path')
const { performance: clock } = require('node:perf_hooks')
const { Script } = require('node:vm')
const { expect } = require('expect')
const { bind } = require('jest-each')
const { ModuleMocker } = require('jest-mock')
const { ModernFakeTimers } = require('@jest/fake-timers')

const SECOND = 1_000
const { setTimeout, clearTimeout } = globalThis

/** What the file that is being loaded declares. */
let block

const newBlock = (name, parent, skipped = false) => ({
  name,
  parent,
  skipped,
  children: [],
  beforeAll: [],
  beforeEach: [],
  afterEach: [],
  afterAll: [],
})

function describe(name, declare, skipped = false) {
  const parent = block
  block = newBlock(`${parent.name} ${name.name ?? name}`.trim(), parent, parent.skipped || skipped)
  parent.children.push(block)
  try {
    declare()
  } finally {
    block = parent
  }
}

const test = (name, run, skipped = false) =>
  block.children.push({
    name: `${block.name} ${name.name ?? name}`.trim(),
    run,
    skipped: block.skipped || skipped,
  })

const describeOnly = (name, declare) => describe(name, declare)
const testOnly = (name, run) => test(name, run)
const describeSkipped = (name, declare) => describe(name, declare, true)
const testSkipped = (name, run) => test(name, run, true)
Object.assign(describeOnly, { each: bind(describeOnly, false), skip: describeSkipped })
Object.assign(testOnly, { each: bind(testOnly), skip: testSkipped })
describeSkipped.each = bind(describeSkipped, false)
testSkipped.each = bind(testSkipped)

const mocker = new ModuleMocker(globalThis)
const timers = new ModernFakeTimers({
  global: globalThis,
  config: { rootDir: process.cwd(), testMatch: [], fakeTimers: { enableGlobally: false } },
})

function installGlobals() {
  Object.assign(globalThis, {
    expect,
    describe: describeOnly,
    test: testOnly,
    it: testOnly,
    jest: {
      fn: mocker.fn.bind(mocker),
      spyOn: mocker.spyOn.bind(mocker),
      restoreAllMocks: () => mocker.restoreAllMocks(),
      requireActual: require,
      setTimeout() {},
      useFakeTimers: (options) => timers.useFakeTimers(options),
      useRealTimers: () => timers.useRealTimers(),
      advanceTimersByTimeAsync: (milliseconds) => timers.advanceTimersByTimeAsync(milliseconds),
      setSystemTime: (now) => timers.setSystemTime(now),
      getTimerCount: () => timers.getTimerCount(),
    },
  })
  for (const kind of ['beforeAll', 'beforeEach', 'afterEach', 'afterAll']) {
    globalThis[kind] = (run) => block[kind].push(run)
  }
  const real = globalThis.performance
  Object.defineProperty(globalThis, 'performance', {
    configurable: true,
    writable: true,
    value: { now: () => real.now(), timeOrigin: real.timeOrigin, mark() {}, measure() {} },
  })
}

/** Compiles a file once, however often it is loaded. */
function keepCompiled() {
  const scripts = new Map()
  const { _compile } = Module.prototype
  Module.prototype._compile = function (code, filename, ...rest) {
    if (!filename.endsWith('.ts')) return _compile.call(this, code, filename, ...rest)
    const script = new Script(Module.wrap(code), { filename })
    scripts.set(filename, script)
    return evaluate(this, script, filename)
  }
  const load = Module._extensions['.ts']
  Module._extensions['.ts'] = (module, filename) => {
    const script = scripts.get(filename)
    if (script) evaluate(module, script, filename)
    else load(module, filename)
  }
}

function evaluate(module, script, filename) {
  const own = Module.createRequire(filename)
  const require = (request) => module.require(request)
  require.resolve = own.resolve
  require.cache = own.cache
  script.runInThisContext().call(module.exports, module.exports, require, module, filename, dirname(filename))
}

/** Forgets the modules of the project, so that they are loaded anew. */
function forgetModules(root) {
  for (const filename of Object.keys(require.cache)) {
    if (filename.startsWith(root + sep) && !filename.includes(`${sep}node_modules${sep}`))
      forgetModule(filename)
  }
  delete globalThis.typeormMetadataArgsStorage
}

function forgetModule(filename) {
  const loaded = require.cache[filename]
  if (!loaded) return
  delete require.cache[filename]
  const index = module.children.indexOf(loaded)
  if (index >= 0) module.children.splice(index, 1)
}

/** Loads the file of tests anew, with what it takes from beside it, and gives what it declares. */
function load(filename) {
  block = newBlock('')
  const declared = block
  const root = process.cwd()
  for (const loaded of Object.keys(require.cache)) {
    if (
      loaded.startsWith(root + sep) &&
      !/^(src|node_modules|dist)$/.test(loaded.slice(root.length + 1).split(sep, 1)[0])
    )
      forgetModule(loaded)
  }
  // The entities of other files, and those of the last time.
  delete globalThis.typeormMetadataArgsStorage
  require(filename)
  return declared
}

/**
 * Runs tests of a file, `until` tells that enough is known. Gives `{ name, error, milliseconds, parts }` of each that was
 * run; `parts` are the ids of the blocks that it lies in. What runs is told to `begins`: the id of a block while its
 * `beforeAll` and `afterAll` run or the file is loaded, the name of a test.
 */
async function runFile(
  filename,
  { wanted = () => true, limit, until = () => false, begins = () => undefined },
) {
  const results = []
  begins('@')
  await runBlock(load(filename))
  return results

  async function runBlock(each, before = [], after = [], parts = []) {
    const chosen = (child) =>
      child.children ? child.children.some(chosen) : !child.skipped && wanted(child.name)
    if (!each.children.some(chosen)) return
    before = [...before, ...each.beforeEach]
    after = [...each.afterEach, ...after]
    const id = `@${each.name}`
    parts = [...parts, id]
    begins(id)
    const broken = await attempt(each.beforeAll, 60 * SECOND)
    for (const child of each.children.filter(chosen)) {
      if (results.some(until)) break
      if (child.children) await runBlock(child, before, after, parts)
      else await runTest(child, before, after, broken, parts)
    }
    begins(id)
    const error = await attempt(each.afterAll, 60 * SECOND)
    if (error && results.length > 0) results[results.length - 1].error ??= error
  }

  async function runTest({ name, run }, before, after, broken, parts) {
    const start = clock.now()
    begins(name)
    expect.setState({ currentTestName: name, assertionCalls: 0 })
    let error = broken ?? (await attempt(before, limit(name)))
    error ??= await attempt([run], limit(name))
    error = (await attempt(after, limit(name))) ?? error
    results.push({ name, error, milliseconds: clock.now() - start, parts })
  }
}

async function attempt(functions, milliseconds) {
  for (const run of functions) {
    try {
      await within(run, milliseconds)
    } catch (error) {
      return error ?? new Error('Nothing was thrown')
    }
  }
}

/** What a test throws later, in a callback or a promise that nobody awaits, is its failure as well. */
function within(run, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(reject)(new Error(`No end within ${milliseconds} ms`)), milliseconds)
    const done = (settle) => (value) => {
      clearTimeout(timer)
      process.off('uncaughtException', failed)
      process.off('unhandledRejection', failed)
      settle(value)
    }
    const failed = done(reject)
    process.on('uncaughtException', failed)
    process.on('unhandledRejection', failed)
    try {
      if (run.length > 0) run((error) => (error ? failed(error) : done(resolve)()))
      else Promise.resolve(run()).then(done(resolve), failed)
    } catch (error) {
      failed(error)
    }
  })
}

module.exports = { forgetModules, installGlobals, keepCompiled, runFile }
