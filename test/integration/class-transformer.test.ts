/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import 'reflect-metadata'
import { inspect } from 'node:util'
import { ClassSerializerInterceptor, type CallHandler, type ExecutionContext } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import {
  Exclude,
  Expose,
  instanceToInstance,
  instanceToPlain,
  plainToInstance,
  Transform,
  Type,
} from 'class-transformer'
import { lastValueFrom, of } from 'rxjs'
import { Column, Entity, PrimaryColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

const SECRET = 'the-secret-text'

class Contact {
  @KmsEncrypted({ type: 'string', redact: { json: true } }) phone!: string
  @Exclude() @KmsEncrypted({ type: 'string', redact: true }) pin!: string
}

@Entity()
class Redacted {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', redact: { json: true } }) secret!: string
  @KmsEncrypted({ type: 'buffer', redact: true }) bytes!: Buffer
  @Type(() => Date) @KmsEncrypted({ type: 'date', redact: { json: true } }) born!: Date
  @KmsEncrypted({ type: 'json', redact: true, nullable: true }) codes!: { list: string[] } | null
  @Exclude() @KmsEncrypted({ type: 'string', redact: { json: true } }) hidden!: string
  @Exclude({ toClassOnly: true }) @KmsEncrypted({ type: 'string', redact: true }) outOnly!: string
  @Expose({ name: 'alias' }) @KmsEncrypted({ type: 'string', redact: true }) named!: string
  @Transform(({ value }) => `${String(value).slice(0, 3)}…`, { toPlainOnly: true })
  @KmsEncrypted({ type: 'string', redact: true })
  masked!: string
  @Type(() => Contact) @Column(() => Contact) contact!: Contact
}

class OnReadContact {
  @KmsEncrypted({ type: 'string', open: 'on-read' }) phone!: string
  @Exclude() @KmsEncrypted({ type: 'string', open: 'on-read' }) pin!: string
}

@Entity()
class OnRead {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', open: 'on-read' }) secret!: string
  @KmsEncrypted({ type: 'buffer', open: 'on-read' }) bytes!: Buffer
  @Type(() => Date) @KmsEncrypted({ type: 'date', open: 'on-read' }) born!: Date
  @KmsEncrypted({ type: 'json', open: 'on-read', nullable: true }) codes!: { list: string[] } | null
  @Exclude() @KmsEncrypted({ type: 'string', open: 'on-read', redact: { json: true } }) hidden!: string
  @Exclude({ toClassOnly: true }) @KmsEncrypted({ type: 'string', open: 'on-read' }) outOnly!: string
  @Expose({ name: 'alias' }) @KmsEncrypted({ type: 'string', open: 'on-read' }) named!: string
  @Transform(({ value }) => `${String(value).slice(0, 3)}…`, { toPlainOnly: true })
  @KmsEncrypted({ type: 'string', open: 'on-read' })
  masked!: string
  @Type(() => OnReadContact) @Column(() => OnReadContact) contact!: OnReadContact
}

const values = () => ({
  id: 1,
  secret: SECRET,
  bytes: Buffer.from(SECRET),
  born: new Date(0),
  codes: { list: ['one', 'two'] },
  hidden: `${SECRET} hidden`,
  outOnly: 'out',
  named: 'named',
  masked: 'masked',
  contact: { phone: '555', pin: '0000' },
})

/** What the same class without encryption gives. */
const PLAIN = {
  id: 1,
  secret: SECRET,
  bytes: Buffer.from(SECRET),
  born: new Date(0),
  codes: { list: ['one', 'two'] },
  outOnly: 'out',
  alias: 'named',
  masked: 'mas…',
  contact: { phone: '555' },
}

// What becomes of objects depends on no database.
describeDatabases(
  'class-transformer',
  (db) => {
    let application: TestApplication
    const opened = () => application.encryption.metrics().values.decrypted

    beforeAll(async () => {
      application = await startApplication(db(), [Redacted, OnRead])
      for (const entity of [Redacted, OnRead])
        await application.dataSource.getRepository<{ id: number }>(entity).save({ ...values() })
    })
    afterAll(() => application.stop())

    describe.each([
      ['redacted values', Redacted],
      ["values with open: 'on-read'", OnRead],
    ] as const)('and %s', (_, entity) => {
      const repository = () => application.dataSource.getRepository(entity) as Repository<Redacted>
      const load = () => repository().findOneByOrFail({ id: 1 })

      test('instanceToPlain gives plain values, loaded and new, alone and in lists', async () => {
        expect(instanceToPlain(await load())).toEqual(PLAIN)
        expect(instanceToPlain(repository().create(values()))).toEqual(PLAIN)
        expect(instanceToPlain([await load(), await load()])).toEqual([PLAIN, PLAIN])
        expect(instanceToPlain({ data: await load() })).toEqual({ data: PLAIN })
        expect(instanceToPlain(await load(), { strategy: 'excludeAll' })).toEqual({ alias: 'named' })
      })

      test('plainToInstance makes entities that are saved', async () => {
        const sent = { ...values(), alias: 'renamed', hidden: 'from outside', outOnly: 'from outside' }
        const made = plainToInstance<Redacted, object>(entity, { ...sent, id: 2 })
        expect(made).toBeInstanceOf(entity)
        expect(made).toMatchObject({ secret: SECRET, named: 'renamed' })
        expect([made.hidden, made.outOnly, made.contact.pin]).toEqual([undefined, undefined, undefined])
        const { contact } = made
        await repository().save({ ...made, hidden: 'h', outOnly: 'o', contact: { ...contact, pin: '1' } })
        expect(await repository().findOneByOrFail({ id: 2 })).toEqual({
          ...values(),
          id: 2,
          named: 'renamed',
          hidden: 'h',
          outOnly: 'o',
          contact: { phone: '555', pin: '1' },
        })
      })

      test('instanceToInstance makes a copy that is an entity, and is saved without an UPDATE', async () => {
        const copy = instanceToInstance(await load(), { ignoreDecorators: true })
        expect(copy).toBeInstanceOf(entity)
        expect(copy).toEqual(await load())
        const encrypted = application.encryption.metrics().values.encrypted
        await repository().save(copy)
        expect(application.encryption.metrics().values.encrypted).toBe(encrypted)
        copy.secret = 'changed'
        expect((await load()).secret).toBe(SECRET)
        await repository().save(copy)
        expect((await load()).secret).toBe('changed')
        await repository().update({ id: 1 }, { secret: SECRET })
      })

      test("leaves out what @Exclude() does, in a response of Nest's as well", async () => {
        const interceptor = new ClassSerializerInterceptor(new Reflector())
        const context = { getHandler: () => load, getClass: () => Redacted } as unknown as ExecutionContext
        const handler: CallHandler = { handle: () => of([repository().create(values())]) }
        const answer: unknown = await lastValueFrom(interceptor.intercept(context, handler))
        expect(answer).toEqual([PLAIN])
        expect(JSON.stringify(answer)).not.toContain(`${SECRET} hidden`)
      })
    })

    test('does not open what @Exclude() leaves out', async () => {
      const repository = application.dataSource.getRepository(OnRead)
      const found = await repository.findOneByOrFail({ id: 1 })
      const before = opened()
      instanceToPlain(found)
      expect(opened() - before).toBe(8)
      expect(Object.getOwnPropertyDescriptor(found, 'hidden')).toHaveProperty('get', expect.any(Function))
    })

    test('leaves copies that do not print', async () => {
      const found = await application.dataSource.getRepository(Redacted).findOneByOrFail({ id: 1 })
      const copy = instanceToInstance(found, { ignoreDecorators: true })
      for (const each of [copy, plainToInstance(Redacted, { secret: SECRET })])
        expect(inspect(each, { depth: Infinity })).toContain('secret: [encrypted Redacted.secret]')
      expect(JSON.stringify(copy)).not.toContain(SECRET)
    })
  },
  { databases: ['sqlite'] },
)
