import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { transformFileSync } from '@swc/core'
import { isEsModule } from '../../../src/cli/load-module'

const root = join(__dirname, '..', '..', '..')
const USER = `
import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
@Entity()
export class User { @PrimaryColumn('int') id!: number; @Column() name!: string }
`
const made = (user: string) => `
import { DataSource } from 'typeorm'
import { User } from '${user}'
const options = { type: 'better-sqlite3', database: ':memory:', entities: [User] } as const
const make = () => new DataSource(options)
`
const TSCONFIG = {
  module: 'nodenext',
  target: 'es2022',
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
}

/** Runs `status` against a package of its own; with no encrypted column it says so once the DataSource is loaded. */
function load(
  type: string | undefined,
  files: Record<string, string>,
  name: string,
  modules = true,
): Promise<{ status: number; stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'load-'))
  const all = {
    ...files,
    'package.json': JSON.stringify({ type }),
    'tsconfig.json': JSON.stringify({ compilerOptions: TSCONFIG }),
  }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  if (modules) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return new Promise((resolve) => {
    const command = [join(tool, 'cli', 'main.js'), 'status', '-d', join(folder, name)]
    const child = execFile(process.execPath, command, { cwd: root }, (_error, _stdout, stderr) => {
      rmSync(folder, { recursive: true, force: true })
      resolve({ status: child.exitCode ?? -1, stderr })
    })
  })
}

/** The tool as it is shipped, in JavaScript: a loader that is there for its own sake must not help the application. */
const tool = join(root, 'node_modules', '.cache', `tool-${process.pid}`)

function compileTool(folder = join(root, 'src')): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const source = join(folder, entry.name)
    if (entry.isDirectory()) compileTool(source)
    if (!/(?<!\.d)\.ts$/.test(entry.name)) continue
    const { code } = transformFileSync(source, {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2022' },
      module: { type: 'commonjs', ignoreDynamic: true },
    })
    const target = join(tool, relative(join(root, 'src'), source)).replace(/ts$/, 'js')
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, code)
  }
}

const LOADED = 'the DataSource has no encrypted columns'

describe("The tool's loader", () => {
  beforeAll(() => {
    compileTool()
  })
  afterAll(() => {
    rmSync(tool, { recursive: true, force: true })
  })

  it.each([
    [
      'TypeScript in an ES-module package',
      'module',
      'main.ts',
      './user.js',
      'user.ts',
      'export default make()',
    ],
    [
      'TypeScript in a CommonJS package',
      undefined,
      'main.ts',
      './user.js',
      'user.ts',
      'export default make()',
    ],
    [
      '.mts in a CommonJS package',
      undefined,
      'main.mts',
      './user.mjs',
      'user.mts',
      'export const db = make()',
    ],
    ['.cts in an ES-module package', 'module', 'main.cts', './user.cjs', 'user.cts', 'export default make()'],
    ['a factory', 'module', 'main.ts', './user.js', 'user.ts', 'export default make'],
    [
      'an async factory by name',
      undefined,
      'main.ts',
      './user',
      'user.ts',
      'export const createDataSource = async () => make()',
    ],
    ['options', 'module', 'main.ts', './user.js', 'user.ts', 'export default options'],
    ['options of CommonJS', undefined, 'main.ts', './user', 'user.ts', 'export default options'],
    ['a promise', 'module', 'main.ts', './user.js', 'user.ts', 'export default Promise.resolve(make())'],
  ])('takes %s', async (_, type, main, user, file, exported) => {
    const { status, stderr } = await load(type, { [main]: made(user) + exported, [file]: USER }, main)
    expect([status, stderr]).toEqual([2, expect.stringContaining(LOADED)])
  })

  it.each([
    ['nothing', 'export const port = 1', 'exports no DataSource'],
    ['two', 'export const a = make(); export const b = make()', 'exports more than one DataSource'],
    [
      'what must not be called',
      'export function dropAll() { throw new Error("called") }',
      'exports no DataSource',
    ],
  ])('says so where a file exports %s', async (_, exported, message) => {
    const { status, stderr } = await load(
      'module',
      { 'main.ts': made('./user.js') + exported, 'user.ts': USER },
      'main.ts',
    )
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('says what to install where no loader is', async () => {
    const { status, stderr } = await load('module', { 'main.ts': 'export default 1' }, 'main.ts', false)
    expect(status).toBe(2)
    expect(stderr).toContain('is an ES module in TypeScript')
    expect(stderr).toContain('npm install --save-dev @swc-node/register @swc/core')
  })

  it.each([
    ['a.mts', true],
    ['a.cts', false],
    ['a.ts', false],
  ])('tells what kind of module %s is in this package', (name, esm) => {
    expect(isEsModule(join(root, name))).toBe(esm)
  })
})
