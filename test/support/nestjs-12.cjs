// Lets a process have NestJS 12, which is installed beside NestJS 11, and says which versions it has got.
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { join } = require('node:path')

const folder = join(__dirname, '..', 'package', 'nestjs-12')
const said = new Set()

const resolveFilename = Module._resolveFilename
Module._resolveFilename = function (request, parent, isMain, options) {
  const [name] = /^@nestjs\/[\w-]+/.exec(request) ?? []
  if (name === undefined) return resolveFilename.call(this, request, parent, isMain, options)
  const found = resolveFilename.call(this, request, parent, isMain, { paths: [folder] })
  if (!said.has(name)) {
    said.add(name)
    const manifest = join(folder, 'node_modules', name, 'package.json')
    const isThere = found.startsWith(join(folder, 'node_modules', name))
    console.log(`${name} ${isThere ? JSON.parse(readFileSync(manifest, 'utf8')).version : found}`)
  }
  return found
}
