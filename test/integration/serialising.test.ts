import { Column, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm'
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
    app = await startApplication(db(), [Recovery])
    recoveries = app.dataSource.getRepository(Recovery)
  })
  afterAll(async () => {
    for (const spy of spies) spy.mockRestore()
    await app.stop()
  })

  it('new: to have it refused before the first statement, and for its statement', async () => {
    expect(await times(() => recoveries.save(made()))).toEqual([2, 2])
    expect(await times(() => recoveries.insert(made()))).toEqual([2, 2])
  })

  it('unchanged: the row and the entity once each', async () => {
    const saved = await recoveries.save(made())
    expect(await times(() => recoveries.save(saved))).toEqual([2, 2])
  })

  it('changed: the row once; the entity before the events, after them, and for its statement', async () => {
    const saved = await recoveries.save(made())
    for (const recovery of saved) {
      recovery.data.codes.push(5)
      recovery.until.setUTCFullYear(2030)
    }
    expect(await times(() => recoveries.save(saved))).toEqual([4, 4])
    const ids = saved.map(({ id }) => id)
    const stored = (await recoveries.find({ order: { id: 'ASC' } })).filter(({ id }) => ids.includes(id))
    expect(stored.map(({ data, until }) => ({ data, until }))).toEqual(
      saved.map(({ data, until }) => ({ data, until })),
    )
  })

  it('beside a changed one: the row once, the entity before the events and after them', async () => {
    const saved = await recoveries.save(made())
    for (const recovery of saved) recovery.name += '!'
    expect(await times(() => recoveries.save(saved))).toEqual([3, 3])
  })

  it('read: never', async () => {
    await recoveries.save(made())
    expect(await times(() => recoveries.find())).toEqual([0, 0])
  })
})
