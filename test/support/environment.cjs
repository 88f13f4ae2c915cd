const { clearTimeout } = require('node:timers')
const vm = require('node:vm')
const { TestEnvironment } = require('jest-environment-node')

/** By file name. */
const compiled = new Map()
/** `import()` in a file, as the test file that runs has it. */
const imports = new Map()
const { compileFunction } = vm

/**
 * Jest compiles every module anew for each test file, which is half of the time that a small one takes. A script that
 * is compiled once runs in the context of any file: it gets variables of its own there.
 */
function compileOnce(code, parameters, options) {
  const { filename, importModuleDynamically, parsingContext } = options ?? {}
  // A test that calls it for itself.
  if (!parsingContext || !importModuleDynamically) return compileFunction(code, parameters, options)
  let known = compiled.get(filename)
  if (known?.code !== code) {
    known = { code, script: scriptOf(code, parameters, filename) }
    compiled.set(filename, known)
  }
  imports.set(filename, importModuleDynamically)
  return known.script?.runInContext(parsingContext) ?? compileFunction(code, parameters, options)
}

function scriptOf(code, parameters, filename) {
  const start = `(function (${parameters.join(', ')}) {`
  try {
    return new vm.Script(`${start}${code}\n})`, {
      filename,
      columnOffset: -start.length,
      importModuleDynamically: (...given) => imports.get(filename)(...given),
    })
  } catch {
    // What is no body of a function, or no JavaScript, Jest's own call explains.
    return undefined
  }
}

/** Node's, with modules that are compiled once for all test files of a process, and timers that end with their file. */
module.exports = class extends TestEnvironment {
  #timers = []

  constructor(config, context) {
    super(config, context)
    // Coverage counts characters from the beginning of a script.
    vm.compileFunction = config.globalConfig.collectCoverage ? compileFunction : compileOnce
    for (const name of ['setTimeout', 'setInterval']) this.#remember(name)
  }

  /** A data key that is fetched anew minutes later would be heard by whatever file runs in the process then. */
  #remember(name) {
    const start = this.global[name]
    const remembered = (...given) => {
      const timer = start(...given)
      this.#timers.push(new WeakRef(timer))
      return timer
    }
    this.global[name] = Object.defineProperties(remembered, Object.getOwnPropertyDescriptors(start))
  }

  async teardown() {
    for (const timer of this.#timers) clearTimeout(timer.deref())
    this.#timers = []
    imports.clear()
    await super.teardown()
  }
}
