/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import 'reflect-metadata'
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import {
  ConsoleLogger,
  Controller,
  Get,
  HttpException,
  type INestApplication,
  Logger,
  Module,
  Param,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import pino, { stdSerializers } from 'pino'
import { Column, Entity, ManyToOne, OneToMany, PrimaryColumn, QueryFailedError } from 'typeorm'
import { KmsEncrypted, redacted } from 'typeorm-kms-encrypted'
import { KmsEncryptionExceptionFilter } from 'typeorm-kms-encrypted/nestjs'
import winston from 'winston'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { formsOfMarker, newMarker } from '../../support/markers'

class Device {
  @KmsEncrypted({ type: 'buffer' }) key!: Buffer
}

@Entity()
class Person {
  @PrimaryColumn('int') id!: number
  @Column('varchar') name!: string
  @KmsEncrypted({ type: 'string', search: true }) token!: string
  @KmsEncrypted({ type: 'json' }) codes!: { list: string[] }
  @Column(() => Device) device!: Device
  @OneToMany('Letter', 'person', { cascade: true }) letters!: Letter[]
}

@Entity()
class Letter {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) text!: string
  @ManyToOne('Person', 'letters') person!: Person
}

/** What a means of printing gets: a loaded entity with relations, and an error that has it. */
interface Subject {
  person: Person
  error: Error
}

/** Whatever is written while `write` runs. */
function written(write: (stream: Writable) => void): string {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk: Buffer | string, _, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  write(stream)
  return chunks.join('')
}

/** What goes to the streams of this process, where a logger knows no others. */
function toProcess(write: () => void): string {
  const chunks: string[] = []
  const spies = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockImplementation((chunk) => chunks.push(String(chunk)) > 0),
  )
  try {
    write()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return chunks.join('')
}

/** As reporters of errors do that ask for toJSON and take properties one by one otherwise. */
function serialised(value: unknown, depth = 8): unknown {
  if (typeof value !== 'object' || value === null || depth === 0) return value
  if (Buffer.isBuffer(value)) return '[object Buffer]'
  const { toJSON } = value as { toJSON?: () => unknown }
  if (typeof toJSON === 'function' && !(value instanceof Error))
    return serialised(toJSON.call(value), depth - 1)
  if (Array.isArray(value)) return value.map((each) => serialised(each, depth - 1))
  const own = value instanceof Error ? Object.getOwnPropertyNames(value) : Object.keys(value)
  return Object.fromEntries(own.map((name) => [name, serialised(Reflect.get(value, name), depth - 1)]))
}

/** An error that carries what it was about, as VError and many of applications do. */
class OrderError extends Error {
  readonly info: unknown
  constructor(
    message: string,
    readonly subject: unknown,
    cause: unknown,
  ) {
    super(message, { cause })
    this.info = { subject, list: [subject], byName: new Map([['subject', subject]]) }
  }
}

const winstonTo = (form: winston.Logform.Format) => (stream: Writable) =>
  winston.createLogger({ format: form, transports: [new winston.transports.Stream({ stream })] })
const { combine, json, prettyPrint, simple, errors } = winston.format

const MEANS: Record<string, (subject: Subject) => string> = {
  'console.log, info, error and debug': ({ person, error }) =>
    written((stream) => {
      const console = new Console({ stdout: stream, stderr: stream, inspectOptions: { depth: null } })
      for (const method of ['log', 'info', 'error', 'debug', 'warn', 'trace'] as const)
        console[method](person, [person], { person }, new Set([person]), error)
    }),
  'console.log with a format': ({ person, error }) =>
    ['%o', '%O', '%j', '%s', '%o %j'].map((each) => format(each, person, error)).join('\n'),
  'util.inspect of any depth': ({ person, error }) =>
    [0, 1, 2, 3, 5, 10, Infinity]
      .flatMap((depth) =>
        [false, true].map((showHidden) => ({ depth, showHidden, getters: true, colors: showHidden })),
      )
      .flatMap((options) =>
        [person, [[[person]]], new Map([[person, { person }]]), error].map((each) => inspect(each, options)),
      )
      .join('\n'),
  'JSON.stringify': ({ person, error }) =>
    [
      person,
      [person],
      { a: { person } },
      Object.entries({ person }),
      { ...error },
      person.letters,
      person.device,
    ]
      .map((each) => JSON.stringify(each))
      .join('\n'),
  pino: ({ person, error }) =>
    written((stream) => {
      const logger = pino({ level: 'trace' }, stream)
      logger.info({ person })
      logger.info({ list: [person] }, 'with %o and %j', person, person)
      logger.child({ person }).warn('child')
      logger.error(error)
      logger.error({ err: error, error })
      pino({ serializers: { err: stdSerializers.errWithCause } }, stream).error({ err: error })
      pino({ formatters: { log: redacted } }, stream).info(person)
    }),
  winston: ({ person, error }) =>
    [json(), prettyPrint({ depth: 9 }), simple(), combine(errors({ stack: true, cause: true }), json())]
      .map((form) =>
        written((stream) => {
          const logger = winstonTo(form)(stream)
          logger.info('message', { person })
          logger.info({ message: 'object', person, list: [person] })
          logger.error('failed', { error })
          logger.error(error)
          logger.child({ person }).info('child')
          logger.info('copied', redacted(person))
        }),
      )
      .join('\n'),
  "Nest's logger": ({ person, error }) =>
    toProcess(() => {
      for (const logger of [
        new ConsoleLogger(),
        new ConsoleLogger({ json: true }),
        new ConsoleLogger({ compact: false, depth: 9 }),
      ]) {
        logger.log(person)
        logger.log({ person }, 'Context')
        logger.warn([person], { person }, 'Context')
        logger.error(error)
        logger.error('failed', { error, person }, 'Context')
        logger.error(error.message, error.stack, 'Context')
        logger.fatal({ error })
      }
    }),
  'reporters of errors that serialise': ({ person, error }) =>
    [error, error.cause, new AggregateError([error], 'several'), { extra: { person }, error }]
      .map((each) => JSON.stringify(serialised(each)))
      .join('\n'),
  'reporters of errors that copy': ({ error }) => JSON.stringify(redacted({ ...error })),
  'messages of a test runner': ({ person }) => {
    const failing = [
      () => {
        expect(person).toEqual({ id: 2 })
      },
      () => {
        expect([person]).toEqual([{ id: 2 }])
      },
      () => {
        expect(person).toBeNull()
      },
      () => {
        expect({ person }).toMatchObject({ person: { id: 3 } })
      },
    ]
    return failing
      .map((assert) => {
        try {
          assert()
        } catch (error) {
          return (error as Error).message
        }
        throw new Error('the assertion was to fail')
      })
      .join('\n')
  },
}

describeDatabases(
  'No plaintext is printed with redaction on',
  (db) => {
    let application: TestApplication
    let subject: Subject
    const marker = newMarker()
    const leaks = (text: string) => formsOfMarker(text, marker)

    beforeAll(async () => {
      application = await startApplication(db(), [Person, Letter], async (test) => ({
        redact: { json: true },
        ...(await withIndexKey(test)),
      }))
      const people = application.dataSource.getRepository(Person)
      const made = people.create({
        id: 1,
        name: 'Ada',
        token: marker,
        codes: { list: [marker] },
        device: { key: Buffer.from(marker) },
        letters: [{ id: 1, text: marker }],
      })
      await people.save(made)
      const person = await people.findOneOrFail({
        where: { id: 1 },
        relations: { letters: { person: true } },
      })
      // The values themselves are as they were.
      expect(person.token).toBe(marker)
      const failed = await failure(people.insert({ ...made, name: null as never }))
      expect(failed).toBeInstanceOf(QueryFailedError)
      const inner = Object.assign(new Error('inner', { cause: person }), { person, made })
      subject = { person, error: new OrderError('outer', person, Object.assign(inner, { failed })) }
    })
    afterAll(() => application.stop())

    test.each(Object.entries(MEANS))('by %s', (_, print) => {
      const text = print(subject)
      expect(text.length).toBeGreaterThan(100)
      expect(text).toContain('[encrypted Person.token]')
      expect(leaks(text)).toEqual([])
    })

    test('and the canary is found where a value is printed itself', () => {
      const { person } = subject
      for (const value of [person.token, person.codes, person.device.key, person.letters[0]!.text])
        expect(leaks(inspect(value, { depth: 9 }))).not.toEqual([])
      // What a copy has is what docs/redaction.md says is not hidden.
      expect(leaks(inspect({ ...person }))).not.toEqual([])
      expect(
        leaks(
          written((stream) => {
            pino({}, stream).info(person)
          }),
        ),
      ).not.toEqual([])
    })

    describe('by a NestJS application', () => {
      let app: INestApplication
      const log: string[] = []

      beforeAll(async () => {
        const faults: Record<string, () => unknown> = {
          response: () => subject.person,
          responses: () => ({ people: [subject.person] }),
          exception: () => {
            throw new HttpException({ person: subject.person }, 400, { cause: subject.person })
          },
          error: () => {
            throw subject.error
          },
          refused: () =>
            application.dataSource.getRepository(Person).findBy({ codes: subject.person.codes as never }),
          invalid: () =>
            application.dataSource
              .getRepository(Person)
              .insert({ ...subject.person, id: 9, token: 7 as never }),
        }
        class Faults {
          run(name: string): unknown {
            return faults[name]?.()
          }
        }
        Controller()(Faults)
        const descriptor = Object.getOwnPropertyDescriptor(Faults.prototype, 'run')!
        Get(':name')(Faults.prototype, 'run', descriptor)
        Param('name')(Faults.prototype, 'run', 0)
        class App {}
        Module({ controllers: [Faults] })(App)
        const note = (...values: unknown[]) => {
          log.push(format(...values))
        }
        app = await NestFactory.create(App, {
          logger: { log: note, warn: note, error: note },
          abortOnError: false,
        })
        app.useGlobalFilters(new KmsEncryptionExceptionFilter(app.getHttpAdapter()))
        await app.listen(0, '127.0.0.1')
      })
      afterAll(async () => {
        await app.close()
        Logger.overrideLogger(['error'])
      })

      test.each([
        ['response', 200],
        ['responses', 200],
        ['exception', 400],
        ['error', 500],
        ['refused', 400],
        ['invalid', 400],
      ])('in the answer and the log of: %s', async (name, status) => {
        log.length = 0
        const response = await fetch(`${await app.getUrl()}/${name}`)
        const text = await response.text()
        expect(response.status).toBe(status)
        if (status === 200) expect(text).toContain('[encrypted Person.token]')
        expect(leaks(text + log.join('\n'))).toEqual([])
      })
    })
  },
  { databases: ['sqlite'] },
)
