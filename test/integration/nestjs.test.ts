import 'reflect-metadata'
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { join } from 'node:path'
import { type INestApplication, Module } from '@nestjs/common'
import { ConfigModule, ConfigService } from '@nestjs/config'
import { NestFactory } from '@nestjs/core'
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm'
import { type DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, type ValueEvent } from 'typeorm-kms-encrypted'
import { KmsEncryption, KmsEncryptionModule, requestContext } from 'typeorm-kms-encrypted/nestjs'
import { AppModule } from '../../examples/nestjs/app.module'
import {
  createDatabase,
  describeDatabases,
  itWithInstalledTypeorm,
  type TestDatabase,
} from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'
import { LOADER } from '../support/loader'

const IBAN = 'DE02120300000000202051'

/** The example, started on a database. */
interface Started {
  readonly url: string
  /** What Nest prints. */
  readonly log: string[]
  close(): Promise<void>
}

/** In this process, as its own `main.ts` does. */
async function start(
  url: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Started & { app: INestApplication }> {
  const before = { ...process.env }
  Object.assign(process.env, { ...environment, DATABASE_URL: url })
  const log: string[] = []
  const write = (...values: unknown[]): void => {
    log.push(values.map(String).join(' '))
  }
  const logger = { log: write, warn: write, error: write }
  const app = await NestFactory.create(AppModule, { logger, abortOnError: false })
  await app.listen(0, '127.0.0.1')
  const close = async (): Promise<void> => {
    await app.close()
    // The AWS SDK reads it when it is first used.
    process.env = before
  }
  return { app, url: await app.getUrl(), log, close }
}

/** By its command, with NestJS 12: that is ES modules only, which Jest does not load. */
async function startWithNest12(url: string, environment: NodeJS.ProcessEnv = {}): Promise<Started> {
  const loaders = [...LOADER, '-r', join(__dirname, '../support/nestjs-12.cjs')]
  const child = spawn(process.execPath, [...loaders, join(__dirname, '../../examples/nestjs/main.ts')], {
    env: { ...process.env, NO_COLOR: '1', ...environment, DATABASE_URL: url, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  const log: string[] = []
  const at = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        log.push(text)
        const [, found] = /Listening at (\S+)\/customers/.exec(log.join('')) ?? []
        if (found !== undefined) resolve(found)
      })
    }
    void ended.then(() => {
      reject(new Error(`The example ended: ${log.join('')}`))
    })
  })
  return {
    url: at,
    log,
    async close() {
      child.kill('SIGTERM')
      // Nest closes everything, and then lets the signal end the process.
      expect(await ended).toEqual([null, 'SIGTERM'])
    },
  }
}

function urlOf({ options }: TestDatabase): string {
  if (options.type !== 'mysql') throw new Error('the example is tried on MariaDB')
  const { username, password, host, port, database } = options
  return `mysql://${username}:${password}@${host}:${port}/${database}`
}

async function request({ url }: Started, path: string, method = 'GET', body?: unknown) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as unknown }
}

/** From end to end, over HTTP. */
function describeExample(version: string, startExample: typeof startWithNest12, itHere: typeof it): void {
  describeDatabases(
    `The example with NestJS ${version}`,
    (db) => {
      let example: Started

      beforeAll(async () => {
        if (itHere !== it.skip) example = await startExample(urlOf(db()))
      })
      afterAll(async () => {
        if (itHere !== it.skip) await example.close()
      })

      itHere('stores ciphertext and answers with what a client may see', async () => {
        const created = await request(example, '/customers', 'POST', { name: 'Ada', iban: IBAN })
        expect(created).toMatchObject({ status: 201, json: { name: 'Ada', iban: '…2051' } })
        const [row] = await db().rawQuery('SELECT iban FROM customer')
        expect((row!['iban'] as Buffer).subarray(0, 3).toString('hex')).toBe('c10101')
        expect((await request(example, '/customers')).json).toEqual([created.json])
      })

      itHere('changes a value', async () => {
        const { json } = await request(example, '/customers', 'POST', { name: 'Ben', iban: IBAN })
        const { id } = json as { id: string }
        const iban = 'NL91ABNA0417164300'
        const changed = await request(example, `/customers/${id}/iban`, 'PUT', { iban })
        expect(changed).toMatchObject({ status: 200, json: { iban: '…4300' } })
        expect((await request(example, `/customers/${id}`)).json).toEqual(changed.json)
      })

      itHere('answers 400 to a search that is refused, and shows no value', async () => {
        const { status, text, json } = await request(example, `/customers?iban=${IBAN}`)
        expect(status).toBe(400)
        expect(json).toMatchObject({ statusCode: 400, code: 'SEARCH_REFUSED' })
        expect(text + example.log.join('\n')).not.toContain(IBAN)
      })

      itHere('answers 400 to a value that is too large, and shows no value', async () => {
        const iban = 'X'.repeat(65)
        const { status, text } = await request(example, '/customers', 'POST', { name: 'Cid', iban })
        expect(status).toBe(400)
        expect(text + example.log.join('\n')).not.toContain(iban)
      })

      itHere('reports its health', async () => {
        expect((await request(example, '/health')).json).toMatchObject({
          status: 'ok',
          details: { database: { status: 'up' }, kms: { status: 'up' } },
        })
      })

      itHere('answers 503 with Retry-After while KMS is away, and says so in its health', async () => {
        const away = await startExample(urlOf(db()), {
          KMS_KEY_ID: KEY,
          AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1',
          AWS_REGION: 'eu-central-1',
          AWS_ACCESS_KEY_ID: 'test',
          AWS_SECRET_ACCESS_KEY: 'test',
        })
        try {
          const body = { name: 'Dan', iban: IBAN }
          const created = await request(away, '/customers', 'POST', body)
          expect(created).toMatchObject({ status: 503, json: { statusCode: 503, code: 'KMS_UNAVAILABLE' } })
          expect(created.headers.get('retry-after')).toBe('2')
          expect(created.text + away.log.join('\n')).not.toContain(IBAN)
          expect(away.log.join('\n')).toContain('KMS_UNAVAILABLE')
          const health = await request(away, '/health')
          expect(health).toMatchObject({ status: 503, json: { error: { kms: { status: 'down' } } } })
        } finally {
          await away.close()
        }
      })

      if (version !== '12') return
      itHere('has that version of NestJS, and of the modules that it brings', () => {
        const versions = example.log.join('').matchAll(/^@nestjs\/([\w-]+) (\S+)$/gm)
        const found = Object.fromEntries(Array.from(versions, ([, name, its]) => [name, its]))
        expect(Object.keys(found).sort()).toEqual(['common', 'config', 'core', 'terminus', 'typeorm'])
        for (const its of Object.values(found)) expect(its).toMatch(/^12\./)
      })
    },
    { databases: ['mariadb'] },
  )
}

describeExample('11', start, it)
describeExample('12', startWithNest12, itWithInstalledTypeorm('The example with NestJS 12'))

describeDatabases(
  'The NestJS example, in this process',
  (db) => {
    it('says for which request a value was decrypted', async () => {
      const events: ValueEvent[] = []
      const note = (event: unknown): void => {
        events.push(event as ValueEvent)
      }
      const example = await start(urlOf(db()))
      await request(example, '/customers', 'POST', { name: 'Ada', iban: IBAN })
      subscribe('typeorm-kms-encrypted:value', note)
      try {
        await request(example, '/customers')
      } finally {
        unsubscribe('typeorm-kms-encrypted:value', note)
        await example.close()
      }
      const contexts = events.filter(({ action }) => action === 'decrypt').map(({ context }) => context)
      expect(contexts.length).toBeGreaterThan(0)
      for (const context of contexts)
        expect(context).toEqual({ reason: expect.stringMatching(/^CustomersController\./) })
    })

    it('closes the encryption when it shuts down', async () => {
      const [one, other] = [await start(urlOf(db())), await start(urlOf(db()))]
      const { app } = one
      const encryption = app.get(KmsEncryption)
      expect(encryption).not.toBe(other.app.get(KmsEncryption))
      await one.close()
      expect(app.get<DataSource>(getDataSourceToken()).isInitialized).toBe(false)
      await expect(encryption.encrypt('Customer', 'iban', IBAN)).rejects.toThrow()
      expect(encryption.metrics().dataKeys.cached).toBe(0)
      await other.close()
    })
  },
  { databases: ['mariadb'] },
)

describe('KmsEncryptionModule.forRoot()', () => {
  it('fails the start of the application for options that cannot work', async () => {
    const started = NestFactory.createApplicationContext(KmsEncryptionModule.forRoot({ keyId: '' }), {
      logger: false,
      abortOnError: false,
    })
    expect(await failure(started)).toMatchObject({ code: 'KMS_KEY_ID_MISSING' })
  })

  it('gives the encryption to other modules unless it is told not to be global', async () => {
    const { client } = await testKms()
    const module = KmsEncryptionModule.forRoot({ keyId: KEY, client, isGlobal: false })
    expect(module.global).toBe(false)
    expect(KmsEncryptionModule.forRoot({ keyId: KEY, client }).global).toBe(true)
    const context = await NestFactory.createApplicationContext(module, { logger: false })
    expect(context.get(KmsEncryption)).toBeInstanceOf(KmsEncryption)
    await context.close()
  })
})

describeDatabases(
  'KmsEncryptionModule and several DataSources',
  (db) => {
    @Entity('named_note')
    class Note {
      @PrimaryColumn('int') id!: number
      @KmsEncrypted({ type: 'string' }) text!: string
    }

    it('configures each by its name with one encryption, from what ConfigModule has read', async () => {
      const { client } = await testKms()
      const second = await createDatabase(db().name)
      const named = (name: string | undefined, options: DataSourceOptions) =>
        TypeOrmModule.forRootAsync({
          ...(name !== undefined && { name }),
          inject: [KmsEncryption],
          useFactory: (encryption: KmsEncryption) =>
            // Where Nest closes them, it goes by the name that stands in the options.
            Object.assign(encryption.configure({ ...options, entities: [Note], synchronize: true }), {
              name,
            }),
        })
      class App {}
      Module({
        imports: [
          ConfigModule.forRoot({ ignoreEnvFile: true, load: [() => ({ KEY_OF_COLUMNS: KEY })] }),
          KmsEncryptionModule.forRootAsync({
            imports: [ConfigModule],
            inject: [ConfigService],
            useFactory: (config: ConfigService) => ({
              keyId: config.getOrThrow<string>('KEY_OF_COLUMNS'),
              client,
            }),
          }),
          named(undefined, db().options),
          named('archive', second.options),
        ],
      })(App)
      const context = await NestFactory.createApplicationContext(App, { logger: false, abortOnError: false })
      try {
        for (const [name, database] of [
          [undefined, db()],
          ['archive', second],
        ] as const) {
          const notes = context.get<DataSource>(getDataSourceToken(name)).getRepository(Note)
          await notes.save({ id: 1, text: `of ${name ?? 'default'}` })
          expect(await notes.findOneBy({ id: 1 })).toMatchObject({ text: `of ${name ?? 'default'}` })
          const [row] = await database.rawQuery('SELECT text FROM named_note')
          expect((row!['text'] as Buffer).subarray(0, 3).toString('hex')).toBe('c10101')
        }
        expect(context.get(KmsEncryption).metrics().kmsCalls.GenerateDataKey).toBe(1)
      } finally {
        await context.close()
        await second.drop()
      }
    })
  },
  { databases: ['mariadb', 'postgres'] },
)

describe('requestContext()', () => {
  class Accounts {}
  const contextOf = (request: unknown, type = 'http') =>
    requestContext({
      getType: () => type,
      getClass: () => Accounts,
      getHandler: () => function list() {},
      switchToHttp: () => ({ getRequest: () => request }),
    } as never)

  it.each([
    [{ user: { id: 'ada' } }, 'ada'],
    [{ user: { id: 7, sub: 'x' } }, '7'],
    [{ user: { sub: 'x' } }, 'x'],
    [{ user: { id: '', sub: undefined } }, undefined],
    [{ user: { id: { secret: 1 } } }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ])('of %j names the handler and %j', (request, user) => {
    expect(contextOf(request)).toEqual({ reason: 'Accounts.list', ...(user !== undefined && { user }) })
    expect(contextOf(request, 'rpc')).toEqual({ reason: 'Accounts.list' })
  })
})
