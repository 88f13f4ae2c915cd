import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transformFile } from '@swc/core'
import Database from 'better-sqlite3'
import { installConsumer } from './consumer'
import { blocksOf, Newcomer, onSqlite } from './newcomer'
import { node, root, run, tool } from './run'
import { packDependencies, packProject, type Tarball } from './tarball'

const folder = mkdtempSync(join(tmpdir(), 'kms-encrypted-package-'))
let project: Tarball
let dependencies: Tarball[]

beforeAll(async () => {
  mkdirSync(join(folder, 'tarballs'))
  project = await packProject(join(folder, 'tarballs'))
  dependencies = await packDependencies(join(folder, 'tarballs'))
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function install(source: string, name = source, peers: Record<string, string> = {}): Promise<string> {
  return installConsumer(join(folder, name), source, { project, dependencies }, peers)
}

function compile(consumer: string): Promise<string> {
  return node(tool('typescript/bin/tsc'), ['-p', consumer])
}

async function outputOf(consumer: string): Promise<unknown> {
  return JSON.parse(await node('out/main.js', [], consumer))
}

/** What the README leads to, for people. */
const isDocument = (path: string): boolean => /^docs\/[\w/-]+\.(md|svg)$/.test(path)

/** What every consumer prints: the values it read back, and how the row begins. */
const ROUND_TRIP = { privateKey: 'a private key', recovery: { codes: ['1', '2'] }, row: 'c10101' }

describe('the packed package', () => {
  it('holds what a user needs and nothing else', () => {
    const texts = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json']
    expect(project.files).toEqual(expect.arrayContaining(texts))
    const others = project.files.filter((path) => !texts.includes(path) && !isDocument(path))
    expect(others.filter((path) => !/^dist\/[\w/-]+\.(js|mjs|d\.ts|d\.mts)$/.test(path))).toEqual([])
  })

  it('has the API that was agreed on: npm run api writes a change of it down, to be seen in a review', async () => {
    const agreed = readFileSync(join(__dirname, 'api-report.txt'), 'utf8')
    expect((await node(join(root, 'scripts/api.mjs'))).split('\n')).toEqual(agreed.split('\n'))
  })

  it('has what its README links to', () => {
    const links = Array.from(
      readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(([^)#\s:]+)(?:#[^)]*)?\)/g),
      ([, target = '']) => target,
    )
    expect(links.length).toBeGreaterThan(20)
    const missing = links.filter(
      (target) => !project.files.some((path) => path === target || path.startsWith(`${target}/`)),
    )
    expect(missing).toEqual([])
  })

  it('has every file that its entries name', () => {
    const { exports, typesVersions, bin } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, unknown>
    const named = JSON.stringify({ exports, typesVersions, bin }).match(/(?<="\.\/)[^"]+\.\w+(?=")/g)!
    expect(project.files).toEqual(expect.arrayContaining(named.filter((path) => path.includes('/'))))
  })

  describe('installed', () => {
    let installed: string

    beforeAll(async () => {
      installed = join(await install('commonjs', 'installed'), 'node_modules')
    })

    it('tells nothing of the machine that packed it', () => {
      const folder = join(installed, project.name)
      const telling = project.files.filter((path) => readFileSync(join(folder, path), 'utf8').includes(root))
      expect(telling).toEqual([])
    })

    it('loads nothing for NestJS or ESLint but from their own entries', () => {
      const code = project.files.filter((path) => /\.m?js$/.test(path))
      const loading = code.filter((path) =>
        /require\("(@nestjs|eslint|typescript)/.test(
          readFileSync(join(installed, project.name, path), 'utf8'),
        ),
      )
      expect(loading).toEqual(['dist/nestjs/index.js'])
    })

    it('loads at import what declares columns, and neither what meets TypeORM nor its other entries', async () => {
      const peers = ['reflect-metadata', 'typeorm', '@aws-sdk/client-kms']
      writeFileSync(
        join(installed, '..', 'loaded.js'),
        `${peers.map((name) => `require('${name}')`).join('\n')}
const before = new Set(Object.keys(require.cache))
require('${project.name}')
console.log(JSON.stringify(Object.keys(require.cache).filter((path) => !before.has(path))))`,
      )
      const loaded = JSON.parse(await node('loaded.js', [], join(installed, '..'))) as string[]
      const own = join(installed, project.name, 'dist')
      expect(loaded).toContain(join(own, 'index.js'))
      const others = loaded.filter(
        (path) => !/^(?:index|shared\/[\w-]+)\.js$/.test(path.slice(own.length + 1)),
      )
      expect(others).toEqual([])
      const text = loaded.map((path) => readFileSync(path, 'utf8')).join('\n')
      // Nor is any of it in a file that the core shares with others.
      const all = project.files.filter((path) => path.endsWith('.js'))
      const everything = all
        .map((path) => readFileSync(join(installed, project.name, path), 'utf8'))
        .join('\n')
      for (const of of [
        'prismaFieldEncryption=',
        'KmsEncryptionModule=',
        'no-logged-plaintext',
        'LocalKms=class',
        'DataSourceBinding=class',
        'Statements=class',
        'class MysqlRows',
      ]) {
        expect(everything).toContain(of)
        expect(text).not.toContain(of)
      }
    })

    it('takes at most 900 kB, dependencies included, peers and documents not', () => {
      // The peers are links, which are left out: newer versions of Node would follow them if they listed all at once.
      const filesIn = (folder: string): string[] =>
        readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory()
            ? filesIn(join(folder, entry.name))
            : entry.isFile()
              ? join(folder, entry.name)
              : [],
        )
      const files = filesIn(installed).filter((path) => !/\.(md|svg)$/.test(path))
      const sizes = files.map((path) => statSync(path).size)
      expect(files.length).toBeGreaterThan(project.files.filter((path) => !/\.(md|svg)$/.test(path)).length)
      expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(900_000)
    })
  })

  it('satisfies publint', async () => {
    expect(await node(tool('publint/src/cli.js'), ['run', '--strict', project.file])).toContain('All good!')
  })

  it('has types that agree with its code in every module system', async () => {
    await node(tool('@arethetypeswrong/cli/dist/index.js'), [project.file])
  })
})

describe.each([
  ['1.x', 'typeorm'],
  ['0.3.x', 'typeorm-0.3'],
])('an application in CommonJS with TypeORM %s', (_, typeorm) => {
  let consumer: string

  beforeAll(async () => {
    consumer = await install('commonjs', typeorm, { typeorm })
    // The declarations as they are published must refuse what those in the sources refuse.
    cpSync(join(root, 'test/typings'), join(consumer, 'typings'), { recursive: true })
    await compile(consumer)
  })

  it('stores ciphertext and reads plaintext', async () => {
    await expect(outputOf(consumer)).resolves.toEqual(ROUND_TRIP)
  })

  it('is tested with Jest', async () => {
    const config = JSON.stringify({ testMatch: ['<rootDir>/out/*.spec.js'] })
    await node(tool('jest/bin/jest.js'), ['--rootDir', consumer, '--config', config], consumer)
  })
})

describe('the installed tool', () => {
  let consumer: string

  beforeAll(async () => {
    consumer = await install('commonjs', 'tool')
  })

  /** What it says of a file that is named with -d. */
  const status = async (name: string, content: string): Promise<string> => {
    const common = name.endsWith('.cjs')
    const names = [
      ['DataSource', 'typeorm'],
      ['kmsEncryption', project.name],
    ]
    const loaded = names.map(([each, from]) =>
      common ? `const { ${each} } = require('${from}')` : `import { ${each} } from '${from}'`,
    )
    const options = "{ type: 'sqljs' }"
    const make = `const make = () => new DataSource(kmsEncryption({ keyId: 'alias/x' }).configure(${options}))`
    writeFileSync(join(consumer, name), [...loaded, make, content].join('\n'))
    const tool = join(consumer, 'node_modules', project.name, 'dist/cli/main.js')
    return node(tool, ['status', '-d', name], consumer).catch(String)
  }

  it.each([
    ['esm.mjs', 'export default make()'],
    ['esm.mjs', 'export const AppDataSource = make()'],
    ['esm.mjs', 'export const AppDataSource = make()\nexport default AppDataSource'],
    ['esm.mjs', 'export default Promise.resolve(make())'],
    ['common.cjs', 'module.exports = make()'],
    ['common.cjs', 'exports.AppDataSource = make()'],
    [
      'compiled.cjs',
      "Object.defineProperty(exports, '__esModule', { value: true })\nexports.default = make()",
    ],
    ['compiled.cjs', 'exports.other = 1\nexports.default = Promise.resolve(make())'],
  ])('finds the DataSource of %s: %s', async (name, content) => {
    await expect(status(name, content)).resolves.toContain('no encrypted column')
  })

  it.each([
    ['no DataSource', 'exports.options = {}'],
    ['more than one DataSource', 'exports.one = make()\nexports.two = make()'],
  ])('refuses a file that exports %s', async (message, content) => {
    await expect(status('refused.cjs', content)).resolves.toContain(`exports ${message}`)
  })
})

describe('two installed copies of the package', () => {
  /** A library of the application brings a copy of its own, whose decorators its entities have. */
  const ENTITY = `
const { KmsEncrypted, KmsEncryptionError } = require('typeorm-kms-encrypted')
const { Entity, PrimaryColumn } = require('typeorm')
class Secret {}
PrimaryColumn({ type: 'int' })(Secret.prototype, 'id')
KmsEncrypted({ type: 'string' })(Secret.prototype, 'value')
Entity()(Secret)
module.exports = { Secret, KmsEncryptionError }
`
  const MAIN = `
const { Secret, ...library } = require('./library/entity.js')
const { kmsEncryption, KmsEncryptionError } = require('typeorm-kms-encrypted')
const { LocalKms } = require('typeorm-kms-encrypted/local-kms')
const { CreateKeyCommand } = require('@aws-sdk/client-kms')
const { DataSource } = require('typeorm')
void (async () => {
  const client = new LocalKms({ quiet: true }).client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const options = { type: 'sqljs', entities: [Secret], synchronize: true }
  const encryption = kmsEncryption({ keyId: KeyMetadata.Arn, client })
  const dataSource = await new DataSource(encryption.configure(options)).initialize()
  await dataSource.manager.save(Secret, { id: 1, value: 'a private key' })
  const [{ row }] = await dataSource.query('SELECT lower(substr(hex(value), 1, 6)) AS row FROM secret')
  const [{ value }] = await dataSource.manager.find(Secret)
  const isOneCopy = KmsEncryptionError === library.KmsEncryptionError
  console.log(JSON.stringify({ isOneCopy, value, row }))
})()
`

  it('work together, the decorator of one and the configuration of the other', async () => {
    const consumer = await install('commonjs', 'two-copies')
    const library = join(consumer, 'library')
    const nested = join(library, 'node_modules', project.name)
    mkdirSync(join(library, 'node_modules'), { recursive: true })
    cpSync(join(consumer, 'node_modules', project.name), nested, { recursive: true, dereference: true })
    writeFileSync(join(library, 'entity.js'), ENTITY)
    writeFileSync(join(consumer, 'main.js'), MAIN)
    expect(JSON.parse(await node('main.js', [], consumer))).toEqual({
      isOneCopy: false,
      value: 'a private key',
      row: 'c10101',
    })
  })
})

describe('an application in ES modules', () => {
  it('shares one copy of the package with code that requires it', async () => {
    const consumer = await install('esm')
    await compile(consumer)
    await expect(outputOf(consumer)).resolves.toEqual({
      ...ROUND_TRIP,
      sameError: true,
      onlyImported: [],
      onlyRequired: [],
    })
  })
})

describe('an application with NestJS 12, which is ES modules only', () => {
  it('stores ciphertext and reads plaintext', async () => {
    const packages = ['common', 'core', 'typeorm'].map((name) => `@nestjs/${name}`)
    const peers = Object.fromEntries(
      packages.map((name) => [name, join('../test/package/nestjs-12/node_modules', name)]),
    )
    const consumer = await install('nestjs', 'nestjs', { ...peers, rxjs: 'rxjs' })
    await compile(consumer)
    await expect(outputOf(consumer)).resolves.toEqual({
      ...ROUND_TRIP,
      health: { kms: { status: 'up', calls: 1, failed: 0 } },
    })
  })
})

describe('an application compiled without decorator metadata', () => {
  let output: { missingType: unknown }

  beforeAll(async () => {
    const consumer = await install('no-metadata')
    mkdirSync(join(consumer, 'out'))
    for (const name of ['main', 'missing-type']) {
      // As esbuild does: each file by itself, with ECMAScript's class fields.
      const { code } = await transformFile(join(consumer, `${name}.ts`), {
        swcrc: false,
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false, useDefineForClassFields: true },
        },
        module: { type: 'commonjs' },
      })
      writeFileSync(join(consumer, 'out', `${name}.js`), code)
    }
    output = (await outputOf(consumer)) as typeof output
  })

  it('stores ciphertext and reads plaintext', () => {
    expect(output).toMatchObject(ROUND_TRIP)
  })

  it('is told how to fix a missing type', () => {
    expect(output.missingType).toEqual({
      code: 'UNKNOWN_VALUE_TYPE',
      message: expect.stringMatching(
        /^Forgetful\.privateKey: .*@KmsEncrypted\({ type: 'string' }\).*emitDecoratorMetadata/,
      ) as string,
    })
  })
})

/** `npm run newcomer`: all of them. */
const ALL_NEWCOMERS = process.env['NEWCOMERS'] === 'all'
if (!ALL_NEWCOMERS)
  process.stdout.write(
    'Newcomers with ES modules and a bundle are left out, since they take half a minute: npm run newcomer.\n',
  )
const more = ALL_NEWCOMERS && sqliteLoads() ? it : it.skip
const newcomers = sqliteLoads() ? it : it.skip

/** better-sqlite3 is compiled for the Node that ran npm ci; newcomers have one that was compiled for theirs. */
function sqliteLoads(): boolean {
  try {
    new Database(':memory:').close()
    return true
  } catch {
    process.stdout.write(
      `Newcomers are left out: better-sqlite3 is not compiled for Node ${process.version}.\n`,
    )
    return false
  }
}

/** From an empty folder to a row that holds ciphertext and a doctor that has nothing to say, by the documents alone. */
describe('a newcomer', () => {
  const SQLITE = ['better-sqlite3']
  const COMPILER = ['typescript', '@swc-node/register', '@swc/core']
  const [, tsconfig = ''] = ['', ...blocksOf('docs/start/node.md', 'json')]
  const [keysCreate = ''] = blocksOf('README.md', 'sh', '## Install').slice(1)
  const [entity = '', dataSource = ''] = blocksOf('README.md', 'ts', '## Use')
  /** What the application of the README does in its third step. */
  const SAVED =
    "{ email: 'ada@example.org', publicKey: 'public', privateKey: 'a private key', recovery: null }"
  const ROW = 'SELECT hex(privateKey) AS row FROM user'
  let newcomer: Newcomer

  const begin = async (name: string, packages: readonly string[]): Promise<void> => {
    newcomer = await Newcomer.in(await install('newcomer', name), [...SQLITE, ...COMPILER, ...packages])
    newcomer.write('tsconfig.json', tsconfig)
  }
  const isWell = async (file: string): Promise<void> => {
    expect(await newcomer.type(`npx typeorm-kms doctor -d ${file}`)).toContain('All is well')
  }

  afterEach(() => newcomer.kms.close())

  newcomers('with plain Node.js: docs/start/node.md as it stands', async () => {
    await begin('newcomer-node', [])
    const page = readFileSync(join(root, 'docs/start/node.md'), 'utf8')
    for (const [, name = '', code = ''] of page.matchAll(/^`([\w-]+\.ts)`[^\n]*\n+```ts\n([\s\S]*?)^```$/gm))
      newcomer.write(name, code)
    const [, commands = ''] = blocksOf('docs/start/node.md', 'sh')
    const printed = await newcomer.type(commands)
    expect(printed).toMatch(/^a private key\n\[[^\]]*'C10101/)
    expect(printed).toContain('All is well')
    expect(printed).toMatch(/User\.privateKey +1 +0 +0 +1/)
  })

  more('with ES modules: the README', async () => {
    await begin('newcomer-esm', [])
    newcomer.write('package.json', '{ "type": "module" }')
    newcomer.write('user.ts', entity)
    newcomer.write(
      'data-source.ts',
      `import 'reflect-metadata'\nimport { User } from './user.js'\n${onSqlite(dataSource)}`,
    )
    newcomer.write(
      'main.ts',
      `import dataSource from './data-source.js'
import { User } from './user.js'
await dataSource.initialize()
const users = dataSource.getRepository(User)
await users.save(${SAVED})
const { privateKey } = await users.findOneByOrFail({ email: 'ada@example.org' })
console.log(JSON.stringify([privateKey, ...(await dataSource.query('${ROW}'))]))
await dataSource.destroy()
`,
    )
    await newcomer.type(keysCreate)
    const printed = await newcomer.type('npx tsc && node main.js')
    expect(JSON.parse(printed)).toEqual(['a private key', { row: expect.stringMatching(/^C10101/) }])
    await isWell('data-source.js')
  })

  newcomers('with NestJS: docs/nestjs.md', async () => {
    const nest = ['common', 'core', 'config', 'typeorm', 'platform-express'].map((name) => `@nestjs/${name}`)
    await begin('newcomer-nestjs', [...nest, 'rxjs'])
    const [module = ''] = blocksOf('docs/nestjs.md', 'ts')
    newcomer.write('.env', 'KMS_KEY_ID=alias/my-app\nDATABASE_URL=app.sqlite\n')
    newcomer.write('user.ts', entity)
    newcomer.write('app.module.ts', onSqlite(module))
    newcomer.write('data-source.ts', `import { User } from './user'\n${onSqlite(dataSource)}`)
    newcomer.write(
      'main.ts',
      `import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm'
import { type Repository } from 'typeorm'
import { AppModule } from './app.module'
import { User } from './user'

@Module({ imports: [AppModule, TypeOrmModule.forFeature([User])] })
class Main {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(Main, { logger: ['error'] })
  const users = app.get<Repository<User>>(getRepositoryToken(User))
  await users.save(${SAVED})
  const { privateKey } = await users.findOneByOrFail({ email: 'ada@example.org' })
  console.log(JSON.stringify([privateKey, ...(await users.query('${ROW}'))]))
  await app.close()
}
void main()
`,
    )
    await newcomer.type(keysCreate)
    const printed = await newcomer.type('node -r @swc-node/register main.ts')
    expect(JSON.parse(printed)).toEqual(['a private key', { row: expect.stringMatching(/^C10101/) }])
    await isWell('data-source.ts')
  })

  more('with a bundle for Lambda: docs/start/lambda.md', async () => {
    await begin('newcomer-lambda', [])
    const [customer = '', handler = ''] = blocksOf('docs/start/lambda.md', 'ts')
    const [bundle = ''] = blocksOf('docs/start/lambda.md', 'sh')
    newcomer.write('handler.ts', `${customer}\n${onSqlite(handler)}\nexport { started }\n`)
    newcomer.write(
      'main.js',
      `const { Customer, handler, started } = require('./out/handler.js')
void (async () => {
  const dataSource = await started
  await dataSource.getRepository(Customer).save({ id: '1', email: 'ada@example.org', iban: 'DE02', notes: null })
  console.log(JSON.stringify([await handler({ id: '1' }), ...(await dataSource.query('SELECT hex(iban) AS row FROM customer'))]))
  await dataSource.destroy()
})()
`,
    )
    await newcomer.type(keysCreate)
    await newcomer.type(bundle)
    expect(JSON.parse(await newcomer.type('node main.js'))).toEqual([
      { email: 'ada@example.org' },
      { row: expect.stringMatching(/^C10104/) },
    ])
    await isWell('handler.ts')
  })
})

/** `TEST_NODES=20.19.0,22`: other versions than the newest; `none` where the tests run on another Node already. */
const nodes = (process.env['TEST_NODES'] ?? '26').split(',').filter((version) => version !== 'none')

if (nodes.length === 0)
  process.stdout.write(
    'Applications on other versions of Node are left out, since all runs on another one.\n',
  )
const describeNodes = nodes.length > 0 ? describe.each(nodes) : describe.skip.each(['another'])

describeNodes('the applications, as they were built, on Node %s', (version) => {
  let program: string
  let offline: string | undefined

  beforeAll(() => {
    const install = `import('${join(root, 'test/nodes/install.mjs')}').then(({ binariesOf }) => console.log(binariesOf('${version}')))`
    return run(process.execPath, ['-e', install]).then(
      (binaries) => (program = join(binaries.trim(), 'node')),
      (error: unknown) => (offline = (error as Error).message),
    )
  })

  it.each(['typeorm', 'typeorm-0.3', 'esm', 'nestjs', 'no-metadata'])('%s works', async (consumer) => {
    if (offline !== undefined) {
      process.stdout.write(`Node ${version} cannot be had, so nothing was run on it: ${offline}\n`)
      expect(offline).toMatch(/EAI_AGAIN|ENOTFOUND|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|E5\d\d/)
      return
    }
    expect(await run(program, ['-p', 'process.versions.node'])).toMatch(new RegExp(`^${version}\\b`))
    const printed: unknown = JSON.parse(await run(program, ['out/main.js'], join(folder, consumer)))
    expect(printed).toMatchObject(ROUND_TRIP)
  })
})
