import 'reflect-metadata'
import diagnostics from 'node:diagnostics_channel'
import http from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms'
import * as aws from '@aws-sdk/client-kms'
import ts from 'typescript'
import * as typeorm from 'typeorm'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import * as library from 'typeorm-kms-encrypted'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import * as localKms from 'typeorm-kms-encrypted/local-kms'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import * as migration from 'typeorm-kms-encrypted/migration'
import { withIndexKey } from '../support/encryption'
import { examples } from '../support/examples'

/** What stands in the way of running an example: another program, or files that stand in other examples. */
const NOT_RUN: readonly [sign: RegExp, why: string][] = [
  [/from '\.{1,2}\//, 'a file of an application; docs/start/node.md is run whole by package.test.ts'],
  [/@opentelemetry/, 'OpenTelemetry is not installed here; opentelemetry-example.test.ts runs it'],
  [/aws-cdk-lib/, 'the AWS CDK is not installed here'],
  [/export async function handler/, 'begins with a connection to a server'],
  [/expect\(kms\.calls/, 'counts the calls of an application that is not here'],
]

const TIDY: (() => void)[] = []

/** Modules as examples get them: what they leave behind is taken away again. */
const MODULES: Readonly<Record<string, unknown>> = {
  'node:http': {
    ...http,
    createServer: (...args: Parameters<typeof http.createServer>) => {
      const server = http.createServer(...args)
      TIDY.push(() => server.close())
      return server
    },
  },
  'node:diagnostics_channel': {
    ...diagnostics,
    subscribe: (name: string, listener: (message: unknown, name: string | symbol) => void) => {
      diagnostics.subscribe(name, listener)
      TIDY.push(() => diagnostics.unsubscribe(name, listener))
    },
  },
}

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: [true, { name: 'domain', from: (email: string) => email.split('@')[1] ?? '' }] })
  email!: string
  @Column({ type: 'text', default: '' }) publicKey!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ type: 'json', nullable: true }) recovery!: { codes: string[] } | null
}

@Entity()
class Card {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: [true, { name: 'last4', from: (card: string) => card.slice(-4) }] }) card!: string
}

@Entity()
class Person {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: { name: 'person', with: ['first', 'born'] } }) last!: string
  @KmsEncrypted() first!: string
  @KmsEncrypted({ type: 'date' }) born!: Date
}

const runnable = examples.filter(({ code }) => !NOT_RUN.some(([sign]) => sign.test(code)))

describe('Examples of the documents', () => {
  const before = process.cwd()
  let folder: string
  let dataSource: DataSource
  let names: Record<string, unknown>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'examples-'))
    process.chdir(folder)
    const kms = new LocalKms({ quiet: true })
    const client = kms.client()
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    const keyId = KeyMetadata!.Arn!
    await client.send(new CreateAliasCommand({ AliasName: 'alias/my-app', TargetKeyId: keyId }))
    const { indexKey } = await withIndexKey({ client }, keyId)
    process.env['KMS_INDEX_KEY'] = indexKey
    process.env['PRISMA_FIELD_ENCRYPTION_KEY'] = `k1.aesgcm256.${Buffer.alloc(32).toString('base64url')}=`
    const encryption = kmsEncryption({ keyId: 'alias/my-app', client, indexKey, dataKeys: 'stored' })
    const options: DataSourceOptions = {
      type: 'better-sqlite3',
      database: ':memory:',
      entities: [User, Card, Person],
      synchronize: true,
    }
    dataSource = await new DataSource(encryption.configure(options)).initialize()
    const users = dataSource.getRepository(User)
    await users.insert({ id: 1, email: 'ada@example.org', privateKey: 'a private key' })
    const all: Record<string, unknown> = {
      ...library,
      ...localKms,
      ...migration,
      ...aws,
      ...typeorm,
      User,
      dataSource,
      options,
      users,
      cards: dataSource.getRepository(Card),
      people: dataSource.getRepository(Person),
      born: new Date('1815-12-10'),
      encryption,
      kms,
      client,
      keyId,
      logger: { warn: () => undefined },
      stored: await encryption.encrypt(User, 'privateKey', 'pem'),
      email: 'grace@example.org',
      publicKey: 'public',
      privateKey: 'private',
      pem: 'pem',
      id: 1,
      subscribe: (MODULES['node:diagnostics_channel'] as typeof diagnostics).subscribe,
    }
    names = Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'default'))
  })
  afterEach(() => {
    for (const tidy of TIDY.splice(0)) tidy()
  })
  afterAll(async () => {
    delete process.env['KMS_INDEX_KEY']
    delete process.env['PRISMA_FIELD_ENCRYPTION_KEY']
    process.chdir(before)
    await dataSource.destroy()
    rmSync(folder, { recursive: true })
  })

  test.each(runnable.map(({ place, code }) => [place, code]))('%s runs', async (place, code) => {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.CommonJS,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        esModuleInterop: true,
      },
    })
    const loaded = (name: string): unknown => MODULES[name] ?? jest.requireActual<object>(name)
    const said = jest.spyOn(console, 'log').mockImplementation()
    try {
      const file = join(folder, `${place.replaceAll(/\W/g, '-')}.js`)
      const parameters = ['require', 'exports', 'expect', ...Object.keys(names)].join(', ')
      writeFileSync(file, `module.exports = async (${parameters}) => { {${outputText}\n} }`)
      const run = jest.requireActual<(...args: unknown[]) => Promise<void>>(file)
      await run(loaded, {}, expect, ...Object.values(names))
    } finally {
      said.mockRestore()
    }
  })
})
