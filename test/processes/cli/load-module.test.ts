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

/** What a package has installed: all that this one has; or, by name, what it needs, so that no other loader is there. */
type Modules = 'all' | readonly string[]

const WITH_TSX = ['tsx', 'typeorm', 'reflect-metadata', 'better-sqlite3']

/** Runs `status` against a package of its own; with no encrypted column it says so once the DataSource is loaded. */
function load(
  type: string | undefined,
  files: Record<string, string>,
  name: string,
  modules: Modules = 'all',
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
  const [installed, own] = [join(root, 'node_modules'), join(folder, 'node_modules')]
  if (modules === 'all') symlinkSync(installed, own)
  else {
    mkdirSync(own)
    for (const each of modules) symlinkSync(join(installed, each), join(own, each))
  }
  return new Promise((resolve) => {
    const command = [join(tool, 'cli', 'main.js'), 'status', '-d', join(folder, name)]
    const child = execFile(process.execPath, command, { cwd: tmpdir() }, (_error, _stdout, stderr) => {
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

/** What, the type of the package, the file and how it names the entity, the entity's file, and what it exports. */
const FORMS: [string, string | undefined, string, string, string, string][] = [
  [
    'TypeScript in an ES-module package',
    'module',
    'main.ts',
    './user.js',
    'user.ts',
    'export default make()',
  ],
  ['TypeScript in a CommonJS package', undefined, 'main.ts', './user.js', 'user.ts', 'export default make()'],
  ['.mts in a CommonJS package', undefined, 'main.mts', './user.mjs', 'user.mts', 'export const db = make()'],
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
]

describe("The tool's loader", () => {
  beforeAll(() => {
    compileTool()
  })
  afterAll(() => {
    rmSync(tool, { recursive: true, force: true })
  })

  it.each(FORMS)('takes %s', async (_, type, main, user, file, exported) => {
    const { status, stderr } = await load(type, { [main]: made(user) + exported, [file]: USER }, main)
    expect([status, stderr]).toEqual([2, expect.stringContaining(LOADED)])
  })

  // esbuild writes no types of properties down: each column says its own.
  it.each(FORMS.slice(0, 4))(
    'takes %s where tsx is the only loader',
    async (_, type, main, user, file, exported) => {
      const typed = USER.replace('@Column()', "@Column('text')")
      const { status, stderr } = await load(
        type,
        { [main]: made(user) + exported, [file]: typed },
        main,
        WITH_TSX,
      )
      expect([status, stderr]).toEqual([2, expect.stringContaining(LOADED)])
    },
  )

  it('shows where an error without a message comes from', async () => {
    const files = { 'main.mts': 'throw new RangeError()' }
    const { status, stderr } = await load('module', files, 'main.mts')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/RangeError\n.*main\.mts/)])
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
    const { status, stderr } = await load('module', { 'main.ts': 'export default 1' }, 'main.ts', [])
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
