// Lets a process that a test starts load TypeScript: `node -r test/support/typescript.cjs`. Unlike `@swc-node/register` it
// neither loads the compiler of TypeScript nor looks at JavaScript, which halves the time that such a process takes.
const { createHash } = require('node:crypto')
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const Module = require('node:module')
const { join } = require('node:path')
const { entries } = require('./entries.cjs')
const { swc } = require('./swc.cjs')

const root = join(__dirname, '..', '..')
const folder = join(root, 'node_modules', '.cache', 'typeorm-kms-encrypted', 'typescript')
const options = { ...swc, sourceMaps: 'inline' }
const settings = JSON.stringify([options, require('@swc/core/package.json').version])

Module._extensions['.ts'] = (module, filename) => {
  const source = readFileSync(filename, 'utf8')
  const key = createHash('sha256').update(settings).update(filename).update('\0').update(source).digest('hex')
  module._compile(compiled(source, filename, join(folder, `${key}.js`)), filename)
}

function compiled(source, filename, cached) {
  try {
    return readFileSync(cached, 'utf8')
  } catch {
    const { code } = require('@swc/core').transformSync(source, { ...options, filename, swcrc: false })
    mkdirSync(folder, { recursive: true })
    // Another process may read it at this moment.
    writeFileSync(`${cached}.${process.pid}`, code)
    renameSync(`${cached}.${process.pid}`, cached)
    return code
  }
}

const resolveFilename = Module._resolveFilename
Module._resolveFilename = function (request, ...rest) {
  const source = Object.hasOwn(entries, request) ? join(root, entries[request]) : request
  return resolveFilename.call(this, source, ...rest)
}
