import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { type KmsCallEvent, KmsEncrypted, type ValueEvent } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Member {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() token!: string
  @KmsEncrypted({ mode: 'direct', nullable: true }) seed?: string
}

const CHANNELS = ['kms-call', 'data-key', 'value'].map((name) => `typeorm-kms-encrypted:${name}`)

describeDatabases(
  'What can be watched',
  (db) => {
    let app: TestApplication
    const events: { name: string; event: unknown }[] = []
    const listener = (event: unknown, name: string | symbol): void => {
      events.push({ name: String(name).split(':')[1]!, event })
    }
    const of = <T>(name: string): T[] =>
      events.filter((seen) => seen.name === name).map(({ event }) => event as T)

    beforeAll(async () => {
      app = await startApplication(db(), [Member])
    })
    beforeEach(() => {
      events.length = 0
      for (const name of CHANNELS) subscribe(name, listener)
    })
    afterEach(() => {
      app.kms.misbehave({})
      for (const name of CHANNELS) unsubscribe(name, listener)
    })
    afterAll(() => app.stop())

    const members = Array.from({ length: 5 }, (_, index) => ({
      email: 'x',
      token: `token ${index}`,
      seed: 's',
    }))

    it('is each call to KMS, with operation, outcome and duration', async () => {
      const { dataSource, encryption } = await app.restart()
      app.kms.misbehave({ latency: 20 })
      await dataSource.getRepository(Member).insert(members)
      const calls = of<KmsCallEvent>('kms-call')
      expect(calls.filter(({ operation }) => operation === 'GenerateDataKey')).toEqual([
        {
          operation: 'GenerateDataKey',
          outcome: 'ok',
          milliseconds: expect.any(Number),
          waited: expect.any(Number),
          attempts: 1,
          keyId: KEY,
        },
      ])
      expect(calls.filter(({ operation }) => operation === 'Encrypt')).toHaveLength(5)
      for (const { milliseconds } of calls) expect(milliseconds).toBeGreaterThan(18)

      app.kms.misbehave({ fail: () => 'ThrottlingException' })
      await failure((await app.restart()).dataSource.getRepository(Member).insert(members))
      expect(of<KmsCallEvent>('kms-call').at(-1)).toMatchObject({ outcome: 'KMS_THROTTLED' })
      expect(encryption.metrics()).toMatchObject({
        kmsOutcomes: { GenerateDataKey: { ok: { calls: 1 } }, Encrypt: { ok: { calls: 5 } } },
        kmsBill: { requests: 6, usd: (6 * 0.03) / 10_000 },
      })
    })

    it('is each value by column, and whether its data key was in memory', async () => {
      await app.dataSource.getRepository(Member).clear()
      const { dataSource, encryption } = await app.restart()
      const repository = dataSource.getRepository(Member)
      await repository.insert(members.map(({ email, token, seed }) => ({ email, token, seed })))
      await repository.find()
      const values = of<ValueEvent>('value')
      const count = (wanted: Partial<ValueEvent>) =>
        values.filter((event) =>
          Object.entries(wanted).every(([name, value]) =>
            Object.entries(event).some(([n, v]) => n === name && v === value),
          ),
        ).length
      for (const action of ['encrypt', 'decrypt'] as const) {
        expect(count({ action, entity: 'Member', property: 'token', mode: 'envelope' })).toBe(5)
        expect(count({ action, entity: 'Member', property: 'seed', mode: 'direct' })).toBe(5)
      }
      expect(of('data-key')).toEqual(
        expect.arrayContaining([
          { purpose: 'encrypt', outcome: 'miss' },
          { purpose: 'encrypt', outcome: 'hit' },
          { purpose: 'decrypt', outcome: 'hit' },
        ]),
      )
      expect(encryption.metrics()).toMatchObject({
        columns: {
          'Member.token': { encrypted: 5, decrypted: 5 },
          'Member.seed': { encrypted: 5, decrypted: 5 },
        },
        dataKeys: { cached: 1, misses: 1, hits: 10 },
      })
    })

    it('is neither a plaintext nor key material nor a ciphertext', async () => {
      const { dataSource, encryption } = await app.restart()
      const repository = dataSource.getRepository(Member)
      const marker = 'a-plaintext-to-look-for'
      const { id } = await repository.save({ email: 'x', token: marker, seed: marker })
      await (await app.restart()).dataSource.getRepository(Member).findOneByOrFail({ id })
      app.kms.misbehave({ outage: true })
      await failure((await app.restart()).dataSource.getRepository(Member).find())
      const seen = inspect([events, encryption.metrics()], {
        depth: null,
        showHidden: true,
        maxStringLength: null,
      })
      expect(events.length).toBeGreaterThan(8)
      expect(seen).not.toContain(marker)
      expect(seen).not.toMatch(/Buffer|Uint8Array|<[0-9a-f]{2} /)
      // Only names, numbers and codes: nothing that is long enough to be a key or a ciphertext.
      const texts = events
        .flatMap(({ event }) => Object.values(event as Record<string, unknown>))
        .filter((value) => typeof value === 'string')
      expect(
        texts.filter((text) => text.length > 20 && !text.startsWith('alias/') && !text.startsWith('arn:')),
      ).toEqual([])
    })
  },
  { databases: ['mariadb', 'sqlite'] },
)
