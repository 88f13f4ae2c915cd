import 'reflect-metadata'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type INestApplication, Module } from '@nestjs/common'
import { ConfigModule, ConfigService } from '@nestjs/config'
import { NestFactory } from '@nestjs/core'
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm'
import { type DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, type ValueEvent } from 'typeorm-kms-encrypted'
import { KmsEncryption, KmsEncryptionModule, requestContext } from 'typeorm-kms-encrypted/nestjs'
import { AppModule } from '../../examples/nestjs/app.module'
import { createDatabase, describeDatabases, type TestDatabase } from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'

const IBAN = 'DE02120300000000202051'

/** Starts the example on the database, as its own `main.ts` does; `log` gets what Nest prints. */
async function start(url: string, log: string[]): Promise<INestApplication> {
  process.env['DATABASE_URL'] = url
  const write = (...values: unknown[]): void => {
    log.push(values.map(String).join(' '))
  }
  const logger = { log: write, warn: write, error: write }
  const app = await NestFactory.create(AppModule, { logger, abortOnError: false })
  await app.listen(0, '127.0.0.1')
  return app
}

function urlOf({ options }: TestDatabase): string {
  if (options.type !== 'mysql') throw new Error('the example is tried on MariaDB')
  const { username, password, host, port, database } = options
  return `mysql://${username}:${password}@${host}:${port}/${database}`
}

describeDatabases(
  'The NestJS example',
  (db) => {
    let app: INestApplication
    const log: string[] = []
    const request = async (path: string, method = 'GET', body?: unknown, to = app) => {
      const response = await fetch(`${await to.getUrl()}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as unknown }
    }

    beforeAll(async () => {
      app = await start(urlOf(db()), log)
    })
    afterAll(() => app.close())

    it('stores ciphertext and answers with what a client may see', async () => {
      const created = await request('/customers', 'POST', { name: 'Ada', iban: IBAN })
      expect(created).toMatchObject({ status: 201, json: { name: 'Ada', iban: '…2051' } })
      const [row] = await db().rawQuery('SELECT iban FROM customer')
      expect((row!['iban'] as Buffer).subarray(0, 3).toString('hex')).toBe('c10101')
      expect((await request('/customers')).json).toEqual([created.json])
    })

    it('changes a value', async () => {
      const { json } = await request('/customers', 'POST', { name: 'Ben', iban: IBAN })
      const { id } = json as { id: string }
      const changed = await request(`/customers/${id}/iban`, 'PUT', { iban: 'NL91ABNA0417164300' })
      expect(changed).toMatchObject({ status: 200, json: { iban: '…4300' } })
      expect((await request(`/customers/${id}`)).json).toEqual(changed.json)
    })

    it('answers 400 to a search that is refused, and shows no value', async () => {
      const { status, text, json } = await request(`/customers?iban=${IBAN}`)
      expect(status).toBe(400)
      expect(json).toMatchObject({ statusCode: 400, code: 'SEARCH_REFUSED' })
      expect(text + log.join('\n')).not.toContain(IBAN)
    })

    it('answers 400 to a value that is too large, and shows no value', async () => {
      const iban = 'X'.repeat(65)
      const { status, text } = await request('/customers', 'POST', { name: 'Cid', iban })
      expect(status).toBe(400)
      expect(text + log.join('\n')).not.toContain(iban)
    })

    it('says for which request a value was decrypted', async () => {
      const events: ValueEvent[] = []
      const note = (event: unknown): void => {
        events.push(event as ValueEvent)
      }
      subscribe('typeorm-kms-encrypted:value', note)
      try {
        await request('/customers')
      } finally {
        unsubscribe('typeorm-kms-encrypted:value', note)
      }
      const contexts = events.filter(({ action }) => action === 'decrypt').map(({ context }) => context)
      expect(contexts.length).toBeGreaterThan(0)
      for (const context of contexts)
        expect(context).toEqual({ reason: expect.stringMatching(/^CustomersController\./) })
    })

    it('reports its health', async () => {
      expect((await request('/health')).json).toMatchObject({
        status: 'ok',
        details: { database: { status: 'up' }, kms: { status: 'up' } },
      })
    })

    it('closes the encryption when it shuts down', async () => {
      const log: string[] = []
      const second = await start(urlOf(db()), log)
      const encryption = second.get(KmsEncryption)
      expect(encryption).not.toBe(app.get(KmsEncryption))
      await second.close()
      expect(second.get<DataSource>(getDataSourceToken()).isInitialized).toBe(false)
      await expect(encryption.encrypt('Customer', 'iban', IBAN)).rejects.toThrow()
      expect(encryption.metrics().dataKeys.cached).toBe(0)
    })

    it('answers 503 with Retry-After while KMS is away, and says so in its health', async () => {
      const atNoPort = {
        KMS_KEY_ID: KEY,
        AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1',
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
      }
      const before = { ...process.env }
      Object.assign(process.env, atNoPort)
      const log: string[] = []
      const away = await start(urlOf(db()), log)
      try {
        const body = { name: 'Dan', iban: IBAN }
        const created = await request('/customers', 'POST', body, away)
        expect(created).toMatchObject({ status: 503, json: { statusCode: 503, code: 'KMS_UNAVAILABLE' } })
        expect(created.headers.get('retry-after')).toBe('2')
        expect(created.text + log.join('\n')).not.toContain(IBAN)
        expect(log.join('\n')).toContain('KMS_UNAVAILABLE')
        const health = await request('/health', 'GET', undefined, away)
        expect(health).toMatchObject({ status: 503, json: { error: { kms: { status: 'down' } } } })
      } finally {
        await away.close()
        process.env = before
      }
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
