import 'reflect-metadata'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import {
  isUndecryptable,
  type KmsCallEvent,
  KmsEncrypted,
  type KmsEncryption,
  undecryptable,
  type ValueEvent,
} from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Client {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'varchar', length: 40 }) label!: string
  @KmsEncrypted() iban!: string
  @KmsEncrypted({ storage: 'text' }) note!: string
  @KmsEncrypted({ mode: 'direct', nullable: true, type: 'string' }) seed!: string | null
  @KmsEncrypted({ boundTo: { row: ['id'] } }) bound!: string
}

const SECRETS = ['iban', 'note', 'seed', 'bound'] as const
const client = (id: number): Client =>
  Object.assign(new Client(), {
    id,
    label: `label ${id}`,
    iban: 'plain iban',
    note: 'plain note',
    seed: 'plain seed',
    bound: 'plain bound',
  })
const NAMES = ['value', 'kms-call'].map((name) => `typeorm-kms-encrypted:${name}`)

describeDatabases('Who decrypts what', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  let encryption: KmsEncryption
  const values: ValueEvent[] = []
  const calls: KmsCallEvent[] = []
  const listener = (event: unknown, name: string | symbol): void => {
    if (String(name).endsWith('value')) values.push(event as ValueEvent)
    else calls.push(event as KmsCallEvent)
  }
  const watch = (): void => {
    for (const name of NAMES) subscribe(name, listener)
  }
  const clients = (source = dataSource) => source.getRepository(Client)

  beforeAll(async () => {
    app = await startApplication(db(), [Client])
    ;({ dataSource, encryption } = app)
  })
  beforeEach(async () => {
    await clients().clear()
    await clients().insert([client(1), client(2), client(3)])
  })
  afterEach(() => {
    for (const name of NAMES) unsubscribe(name, listener)
    values.length = calls.length = 0
  })
  afterAll(() => app.stop())

  describe('withContext', () => {
    const context = { user: 'ada', reason: 'GET /clients' }

    it.each(['with no data key at hand', 'with data keys at hand'])(
      'publishes each value with its row and the context, %s',
      async (when) => {
        const fresh = when.startsWith('with no') ? await app.restart() : app
        watch()
        await fresh.encryption.withContext(context, () => clients(fresh.dataSource).find())
        const decrypted = values.filter(({ action }) => action === 'decrypt')
        expect(decrypted).toHaveLength(12)
        for (const property of SECRETS) {
          const ids = decrypted
            .filter((each) => each.property === property)
            .map((each) => each.primaryKey?.['id'])
          expect(ids.sort()).toEqual([1, 2, 3])
        }
        for (const event of decrypted) expect(event).toMatchObject({ entity: 'Client', context })
        expect(calls.length).toBeGreaterThanOrEqual(3)
        for (const event of calls) expect(event.context).toEqual(context)
        expect(inspect([values, calls], { depth: null })).not.toContain('plain ')
      },
    )

    it('publishes values that are opened after load, of raw rows, and of a save', async () => {
      watch()
      await encryption.withContext({ user: 'ada' }, async () => {
        const row = (await db().rawQuery(`SELECT * FROM ${db().quote('client')} WHERE id = 2`))[0]!
        expect(await encryption.decrypt(Client, 'bound', row['bound'], row)).toBe('plain bound')
        await clients().save({ id: 3, note: 'plain new' })
      })
      expect(values).toContainEqual({
        action: 'decrypt',
        mode: 'envelope',
        entity: 'Client',
        property: 'bound',
        primaryKey: { id: 2 },
        context: { user: 'ada' },
      })
      expect(values).toContainEqual({
        action: 'encrypt',
        mode: 'envelope',
        entity: 'Client',
        property: 'note',
        context: { user: 'ada' },
      })
    })

    it('has no part in what others do at the same time', async () => {
      watch()
      await Promise.all([
        encryption.withContext({ user: 'ada' }, () => clients().findBy({ id: 1 })),
        encryption.withContext({ user: 'grace', reason: 'job' }, () => clients().findBy({ id: 2 })),
        clients().findBy({ id: 3 }),
      ])
      const byRow = (id: number) => values.filter(({ primaryKey }) => primaryKey?.['id'] === id)
      expect(byRow(1).map(({ context }) => context)).toEqual(Array(4).fill({ user: 'ada' }))
      expect(byRow(2).map(({ context }) => context)).toEqual(Array(4).fill({ user: 'grace', reason: 'job' }))
      expect(byRow(3).map(({ context }) => context)).toEqual(Array(4).fill(undefined))
    })

    it.each(['cold', 'warm'])('ends a request that decrypts more than its limit (%s)', async (state) => {
      const { dataSource: source, encryption: limited } = state === 'cold' ? await app.restart() : app
      const read = (maxDecryptions: number, where: object = {}) =>
        limited.withContext({ maxDecryptions }, () => clients(source).find({ where }))
      expect(await read(12)).toHaveLength(3)
      const error = await failure(read(11))
      expect(error).toMatchObject({ code: 'DECRYPTION_LIMIT', kind: 'usage', entity: 'Client' })
      expect(SECRETS as readonly string[]).toContain(error.property)
      expect(await read(4, { id: 1 })).toHaveLength(1)
      // Over several reads, and of all values once it is reached.
      await limited.withContext({ maxDecryptions: 6 }, async () => {
        await clients(source).findBy({ id: 1 })
        for (let time = 0; time < 2; time++)
          expect(await failure(clients(source).findBy({ id: 2 }))).toMatchObject({ code: 'DECRYPTION_LIMIT' })
        expect(await clients(source).countBy({ id: 2 })).toBe(1)
      })
      expect(await clients(source).find()).toHaveLength(3)
    })

    it('fails the read with markers, too, and only that one', async () => {
      const { dataSource: source, encryption: limited } = await app.restart({ onUndecryptable: 'marker' })
      const [error, others] = await Promise.all([
        failure(limited.withContext({ maxDecryptions: 5 }, () => clients(source).find())),
        clients(source).find(),
      ])
      expect(error.code).toBe('DECRYPTION_LIMIT')
      expect(others.map(({ note }) => note)).toEqual(Array(3).fill('plain note'))
    })

    it('counts in contexts around it', async () => {
      watch()
      await encryption.withContext({ user: 'ada', maxDecryptions: 4 }, async () => {
        await encryption.withContext({ reason: 'inside', maxDecryptions: 100 }, () =>
          clients().findBy({ id: 1 }),
        )
        expect(values[0]?.context).toEqual({ user: 'ada', reason: 'inside' })
        expect(await failure(clients().findBy({ id: 1 }))).toMatchObject({ code: 'DECRYPTION_LIMIT' })
      })
    })
  })

  describe('deny', () => {
    it.each(['cold', 'warm'])('gives entities with markers, and asks KMS for nothing (%s)', async (state) => {
      const { dataSource: source, encryption: denying } = state === 'cold' ? await app.restart() : app
      const before = denying.metrics().kmsBill.requests
      const found = await denying.deny(() => clients(source).find({ order: { id: 'ASC' } }))
      expect(found.map(({ id, label }) => [id, label])).toEqual([1, 2, 3].map((id) => [id, `label ${id}`]))
      for (const row of found) {
        for (const name of SECRETS) {
          expect(isUndecryptable(row[name])).toBe(true)
          expect(undecryptable(row[name])?.failure).toMatchObject({
            code: 'DECRYPTION_DENIED',
            property: name,
            primaryKey: { id: row.id },
          })
          expect(() => String(row[name])).toThrow(/inside of encryption.deny/)
        }
      }
      expect(denying.metrics().kmsBill.requests).toBe(before)
      expect((await clients(source).find()).map(({ bound }) => bound)).toEqual(Array(3).fill('plain bound'))
    })

    it('has them saved unchanged, inside and outside, with other properties changed', async () => {
      const stored = () =>
        db().rawQuery(`SELECT iban, note, seed, bound FROM ${db().quote('client')} ORDER BY id`)
      const before = await stored()
      const found = await encryption.deny(async () => {
        const rows = await clients().find({ order: { id: 'ASC' } })
        for (const row of rows) row.label = 'inside'
        return clients().save(rows)
      })
      expect(await stored()).toEqual(before)
      for (const row of found) row.label = 'outside'
      await clients().save(found)
      expect(await stored()).toEqual(before)
      expect(await clients().countBy({ label: 'outside' })).toBe(3)
    })

    it('has new values stored, inside', async () => {
      await encryption.deny(async () => {
        const row = await clients().findOneByOrFail({ id: 1 })
        row.iban = 'other iban'
        row.bound = 'other bound'
        await clients().save(row)
        await clients().save(client(4))
        await clients().update({ id: 2 }, { note: 'other note' })
      })
      const found = await clients().find({ order: { id: 'ASC' } })
      expect(found.map(({ iban, note, bound }) => [iban, note, bound])).toEqual([
        ['other iban', 'plain note', 'other bound'],
        ['plain iban', 'other note', 'plain bound'],
        ['plain iban', 'plain note', 'plain bound'],
        ['plain iban', 'plain note', 'plain bound'],
      ])
    })

    it('refuses decrypt() and values in clear, and holds inside of a context', async () => {
      const row = (await db().rawQuery(`SELECT * FROM ${db().quote('client')} WHERE id = 1`))[0]!
      const opened = () =>
        encryption.withContext({ user: 'ada' }, () => encryption.decrypt(Client, 'iban', row['iban']))
      expect(await failure(encryption.deny(opened))).toMatchObject({ code: 'DECRYPTION_DENIED' })
      expect(await opened()).toBe('plain iban')
    })

    it('takes nothing that others opened at the same time, and gives them nothing', async () => {
      const { dataSource: source, encryption: denying } = await app.restart()
      const [denied, others] = await Promise.all([
        denying.deny(() => clients(source).find()),
        clients(source).find(),
        denying.deny(() => clients(source).find()),
      ])
      for (const row of denied) expect(SECRETS.every((name) => isUndecryptable(row[name]))).toBe(true)
      for (const row of others) expect(row).toMatchObject({ note: 'plain note', iban: 'plain iban' })
    })
  })
})
