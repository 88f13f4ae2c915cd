import { Column, Entity, In, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

@Entity()
class Subscriber {
  @PrimaryColumn('integer') id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: true }) email!: string
  @KmsEncrypted({ search: true, storage: 'text' }) city!: string
  @KmsEncrypted({ search: { bits: 8 } }) street!: string
  @KmsEncrypted({ search: { name: 'both', with: ['last'] } }) first!: string
  @KmsEncrypted() last!: string
}

const ROWS = 400

describeDatabases('The database answers a search', (db) => {
  const log = new StatementLog()
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Subscriber], withIndexKey, { logging: ['query'], logger: log })
    const rows = Array.from({ length: ROWS }, (_, id) => ({
      id,
      email: `${id}@x`,
      city: `city ${id}`,
      street: `street ${id}`,
      first: `first ${id}`,
      last: 'x',
    }))
    await app.dataSource.getRepository(Subscriber).insert(rows)
    await db().rawQuery(db().name === 'mariadb' ? 'ANALYZE TABLE subscriber' : 'ANALYZE')
  })
  afterAll(() => app.stop())

  test.each<[string, object, string]>([
    ['of one value', { email: '7@x' }, 'email_index'],
    ['of several values', { email: In(['7@x', '8@x', 'none']) }, 'email_index'],
    ['of a text column', { city: 'city 9' }, 'city_index'],
    ['of few bits', { street: 'street 9' }, 'street_index'],
    ['of several columns', { first: 'first 9', last: 'x' }, 'first_both'],
  ])('%s by the index of the column', async (_, where, name) => {
    const subscribers = app.dataSource.getRepository(Subscriber)
    await subscribers.findBy(where)
    log.reset()
    await subscribers.findBy(where)
    const { indices } = app.dataSource.getMetadata(Subscriber)
    const index = indices.find(({ columns }) => columns[0]?.databaseName === name)
    const explain = db().name === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN'
    const sent = [...log.sent]
    expect(sent).toHaveLength(name === 'street_index' ? 2 : 1)
    for (const [sql, parameters] of sent) {
      const plan = JSON.stringify(await app.dataSource.query(`${explain} ${sql}`, parameters as unknown[]))
      expect(plan).toContain(index!.name)
    }
  })
})
