import {
  Column,
  Entity,
  type EntitySubscriberInterface,
  PrimaryGeneratedColumn,
  QueryFailedError,
  type Repository,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { valueTypes } from '../../src/column/types'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

interface Codes {
  codes: number[]
}

@Entity()
class Recovery {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
  @KmsEncrypted({ type: 'json' }) data!: Codes
  @KmsEncrypted({ type: 'date' }) until!: Date
}

@Entity()
class Owner {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
}

const ROWS = 10

describeDatabases('How often a value is serialised', (db) => {
  let app: TestApplication
  let recoveries: Repository<Recovery>
  let spies: jest.SpyInstance[] = []

  /** Times per entity, for each column. */
  const times = async (work: () => Promise<unknown>): Promise<number[]> => {
    for (const spy of spies) spy.mockClear()
    await work()
    return spies.map(({ mock }) => mock.calls.length / ROWS)
  }
  const made = (): Recovery[] =>
    Array.from({ length: ROWS }, (_, id) =>
      recoveries.create({ name: `n${id}`, data: { codes: [id] }, until: new Date(id) }),
    )

  beforeAll(async () => {
    spies = [valueTypes.json, valueTypes.date].map((type) => jest.spyOn(type, 'serialise'))
    app = await startApplication(db(), [Recovery, Owner])
    recoveries = app.dataSource.getRepository(Recovery)
    // The data key is at hand from then on: before that, TypeORM waits for it.
    await recoveries.save(made())
  })
  afterAll(async () => {
    for (const spy of spies) spy.mockRestore()
    await app.stop()
  })

  it('new: once; with insert() to have it refused before the first statement, and for its statement', async () => {
    expect(await times(() => recoveries.save(made()))).toEqual([1, 1])
    expect(await times(() => recoveries.insert(made()))).toEqual([2, 2])
  })

  it('unchanged: the row and the entity once each', async () => {
    const saved = await recoveries.save(made())
    expect(await times(() => recoveries.save(saved))).toEqual([2, 2])
  })

  it('changed: the row and the entity once each', async () => {
    const saved = await recoveries.save(made())
    for (const recovery of saved) {
      recovery.data.codes.push(5)
      recovery.until.setUTCFullYear(2030)
    }
    expect(await times(() => recoveries.save(saved))).toEqual([2, 2])
    const ids = saved.map(({ id }) => id)
    const stored = (await recoveries.find({ order: { id: 'ASC' } })).filter(({ id }) => ids.includes(id))
    expect(stored.map(({ data, until }) => ({ data, until }))).toEqual(
      saved.map(({ data, until }) => ({ data, until })),
    )
  })

  it('beside a changed one: the row and the entity once each', async () => {
    const saved = await recoveries.save(made())
    for (const recovery of saved) recovery.name += '!'
    expect(await times(() => recoveries.save(saved))).toEqual([2, 2])
  })

  it('again after a save that failed, and with listeners off', async () => {
    const saved = await recoveries.save(made()[0] as Recovery)
    const { id, data } = saved
    for (const code of [7, 8, 9]) {
      data.codes.push(code)
      const failing = recoveries.save([saved, Object.assign(made()[0] as Recovery, { name: null })])
      await expect(failing).rejects.toThrow(QueryFailedError)
      data.codes.push(code)
      await recoveries.save(saved, { listeners: code !== 8 })
      expect(await recoveries.findOneByOrFail({ id })).toEqual(saved)
    }
    // Its own statement was never made.
    const nobody = Object.assign(new Owner(), { name: null })
    const recovery = made()[0] as Recovery
    await expect(app.dataSource.manager.save([nobody, recovery])).rejects.toThrow(QueryFailedError)
    recovery.data.codes.push(1)
    await recoveries.save(recovery, { listeners: false })
    expect(await recoveries.findOneByOrFail({ id: recovery.id })).toEqual(recovery)
  })

  it('twice more where the application has a listener, which may change it in place', async () => {
    const changing = { beforeUpdate: ({ entity }: { entity?: Recovery }) => void entity?.data.codes.push(99) }
    app.dataSource.subscribers.push(changing as EntitySubscriberInterface)
    const saved = await recoveries.save(made())
    for (const recovery of saved) recovery.data.codes.push(5)
    expect(await times(() => recoveries.save(saved))).toEqual([4, 3])
    app.dataSource.subscribers.pop()
    const { id, data } = saved[0] as Recovery
    expect(data.codes).toEqual([0, 5, 99])
    expect((await recoveries.findOneByOrFail({ id })).data).toEqual(data)
  })

  it('read: never', async () => {
    await recoveries.save(made())
    expect(await times(() => recoveries.find())).toEqual([0, 0])
  })
})
