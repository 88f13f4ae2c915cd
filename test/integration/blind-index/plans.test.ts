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
}

const ROWS = 400

describeDatabases('The database answers a search', (db) => {
  const log = new StatementLog()
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Subscriber], withIndexKey, { logging: ['query'], logger: log })
    const rows = Array.from({ length: ROWS }, (_, id) => ({ id, email: `${id}@x`, city: `city ${id}` }))
    await app.dataSource.getRepository(Subscriber).insert(rows)
    await db().rawQuery(db().name === 'mariadb' ? 'ANALYZE TABLE subscriber' : 'ANALYZE')
  })
  afterAll(() => app.stop())

  test.each<[string, object]>([
    ['of one value', { email: '7@x' }],
    ['of several values', { email: In(['7@x', '8@x', 'none']) }],
    ['of a text column', { city: 'city 9' }],
  ])('%s by the index of the column', async (_, where) => {
    const subscribers = app.dataSource.getRepository(Subscriber)
    await subscribers.findBy(where)
    log.reset()
    await subscribers.findBy(where)
    const [[sql, parameters] = ['', []]] = log.sent
    const explain = db().name === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN'
    const plan = JSON.stringify(await app.dataSource.query(`${explain} ${sql}`, parameters as unknown[]))
    const { indices } = app.dataSource.getMetadata(Subscriber)
    const column = Object.keys(where)[0]
    const index = indices.find(({ columns }) => columns[0]?.databaseName === `${column}_index`)
    expect(plan).toContain(index!.name)
  })
})
