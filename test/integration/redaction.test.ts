/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import { inspect } from 'node:util'
import { Column, Entity, EntitySchema, ManyToOne, OneToMany, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

const SECRET = 'the-secret-text'

class Profile {
  @KmsEncrypted({ type: 'string' }) token!: string
}

@Entity()
class Owner {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) name!: string
  @KmsEncrypted({ type: 'string', redact: false, nullable: true }) nick!: string | null
  @Column(() => Profile) profile!: Profile
  @OneToMany('Pet', 'owner', { cascade: true }) pets!: Pet[]
}

@Entity()
class Pet {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', redact: true }) chip!: string
  @ManyToOne('Owner', 'pets') owner!: Owner

  /** Its own, defined after that of the library would be. */
  toJSON(): object {
    return { ...this, kind: 'pet' }
  }
}

interface Plan {
  id: number
  text: string
}

const PlanSchema = new EntitySchema<Plan>({
  name: 'Plan',
  columns: { id: { type: Number, primary: true }, text: kmsEncryptedColumn({ type: 'string' }) },
})

describeDatabases('Loaded and new entities that do not print', (db) => {
  let application: TestApplication

  beforeAll(async () => {
    application = await startApplication(db(), [Owner, Pet, PlanSchema], { redact: { json: true } })
  })

  afterAll(() => application.stop())

  const shown = (value: unknown): string[] => [inspect(value, { depth: Infinity }), JSON.stringify(value)]

  test('are saved, compared and loaded as before', async () => {
    const { manager } = application.dataSource
    const owners = application.dataSource.getRepository(Owner)
    const made = owners.create({
      id: 1,
      name: SECRET,
      nick: 'Ada',
      profile: { token: SECRET },
      pets: [{ id: 1, chip: SECRET }],
    })
    for (const text of shown(made)) expect(text).toContain('Ada')
    expect(inspect(made, { depth: Infinity })).not.toContain(SECRET)
    await owners.save(made)

    const owner = await owners.findOneOrFail({ where: { id: 1 }, relations: { pets: { owner: true } } })
    expect(owner).toMatchObject({ name: SECRET, nick: 'Ada', profile: { token: SECRET } })
    expect(owner.pets[0]!.chip).toBe(SECRET)
    const [printed, json] = shown(owner)
    expect(printed).not.toContain(SECRET)
    expect(printed).toContain('name: [encrypted Owner.name]')
    expect(printed).toContain('token: [encrypted Owner.profile.token]')
    // The column's own option wins: `redact: true` says nothing of JSON.
    const parsed = JSON.parse(json!)
    expect(parsed).toMatchObject({
      name: '[encrypted Owner.name]',
      nick: 'Ada',
      profile: { token: '[encrypted Owner.profile.token]' },
      pets: [{ chip: SECRET, kind: 'pet', owner: { name: '[encrypted Owner.name]' } }],
    })

    const before = application.encryption.metrics().values.encrypted
    await owners.save(owner)
    expect(application.encryption.metrics().values.encrypted).toBe(before)
    owner.name = `${SECRET}!`
    await owners.save(owner)
    await owners.save({ ...owner, nick: null, pets: undefined })
    const again = await manager.findOneByOrFail(Owner, { id: 1 })
    expect(again).toMatchObject({ name: `${SECRET}!`, nick: null, profile: { token: SECRET } })
  })

  test('may be objects without a class', async () => {
    const plans = application.dataSource.getRepository(PlanSchema)
    const made = plans.create({ id: 1, text: SECRET })
    await plans.save(made)
    const loaded = await plans.findOneByOrFail({ id: 1 })
    for (const plan of [made, loaded]) {
      for (const text of shown([plan])) {
        expect(text).not.toContain(SECRET)
        expect(text).toContain('[encrypted Plan.text]')
      }
      expect(plan).toEqual({ id: 1, text: SECRET })
      expect({ ...plan }).toEqual({ id: 1, text: SECRET })
      expect(structuredClone(plan)).toEqual({ id: 1, text: SECRET })
    }
    expect((await plans.save({ ...loaded, text: 'other' })).text).toBe('other')
  })

  test('show no placeholder of a value that does not open', async () => {
    const { dataSource } = application
    const plans = dataSource.getRepository(PlanSchema)
    await plans.save({ id: 2, text: SECRET })
    await db().rawQuery(
      `UPDATE ${db().quote('plan')} SET text = (SELECT name FROM ${db().quote('owner')} WHERE id = 1) WHERE id = 2`,
    )
    const marking = await application.restart({ onUndecryptable: 'marker' })
    const marked = await marking.dataSource.getRepository(PlanSchema).findOneByOrFail({ id: 2 })
    expect(shown(marked)).toEqual([
      '{ id: 2, text: [encrypted Plan.text] }',
      '{"id":2,"text":"[encrypted Plan.text]"}',
    ])
  })
})
