import { type DataSource, EntitySchema } from 'typeorm'
import { kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

/** Ordinary names of columns, many of them words of SQL. */
const NAMES = `
  key value text date time year month day hour minute second end start first last order group name type status
  user index rank row rows count sum comment level user_name language content data number position timestamp interval
  binary char option options default check column table view role desc asc limit offset from to at by in is as on
  for if case when then else set values select where having union join left right full cross natural using
  all any some distinct null true false and or not exists between like escape primary references unique zone action
  password address phone email excluded excluded_at new old current range over partition window returning conflict
`
  .trim()
  .split(/\s+/)

type Row = { id: number; plain: string | null; n: number } & Record<string, string | number | null>

/** Tables take their time, so that each has several of the names. */
const NAMES_PER_TABLE = 10
const GROUPS = Array.from({ length: Math.ceil(NAMES.length / NAMES_PER_TABLE) }, (_, at) =>
  NAMES.slice(at * NAMES_PER_TABLE, (at + 1) * NAMES_PER_TABLE),
)

const entity = (names: readonly string[], at: number): EntitySchema<Row> =>
  new EntitySchema<Row>({
    name: `Everyday${at}`,
    tableName: `everyday_${at}`,
    columns: {
      id: { type: 'int', primary: true },
      plain: { type: 'varchar', length: 20, nullable: true },
      n: { type: 'int', default: 0 },
      ...Object.fromEntries(
        names.map((name) => [name, kmsEncryptedColumn({ type: 'string', nullable: true })]),
      ),
    },
  } as never)

describeDatabases('Encrypted columns with everyday names', (db) => {
  let application: TestApplication
  let dataSource: DataSource

  beforeAll(async () => {
    application = await startApplication(db(), GROUPS.map(entity))
    dataSource = application.dataSource
  })

  afterAll(() => application.stop())

  test.each(GROUPS.map((names, at) => [names.join(', '), names, at] as const))('%s', async (_, names, at) => {
    const rows = dataSource.getRepository<Row>(`Everyday${at}`)
    const values = (text: string) => Object.fromEntries(names.map((name) => [name, `${text} ${name}`]))
    const row = (id: number, text: string): Row => ({ id, plain: 'p', n: 1, ...values(text) })
    await rows.save(row(1, 'one'))
    await rows.insert([row(2, 'two'), row(3, 'three')])
    await rows.upsert(row(2, 'new'), ['id'])
    const overwritten = [...names, 'plain']
    await rows.createQueryBuilder().insert().values(row(3, 'newer')).orUpdate(overwritten, ['id']).execute()
    await rows.update({ plain: 'p', id: 1 }, values('changed'))
    await rows.increment({ plain: 'p' }, 'n', 1)
    const cast = db().name === 'mariadb' ? 'CAST(e.plain AS CHAR)' : 'CAST(e.plain AS TEXT)'
    const found = await rows
      .createQueryBuilder('e')
      .addSelect("CASE WHEN e.n > 1 AND e.plain BETWEEN 'a' AND 'z' THEN 'last' ELSE 'first' END", 'which')
      .where(`${cast} = :p AND e.n IN (:...ns) AND e.plain IS NOT NULL`, { p: 'p', ns: [1, 2] })
      .orderBy('e.id', 'DESC')
      .limit(5)
      .getMany()
    expect(found).toMatchObject([values('newer'), values('new'), values('changed')])
    const nullsLast = db().name === 'mariadb' ? undefined : 'NULLS LAST'
    const sorted = rows.createQueryBuilder('e').orderBy('e.plain', 'ASC', nullsLast).addOrderBy('e.id')
    expect(await sorted.getCount()).toBe(3)
    expect(await sorted.getMany()).toHaveLength(3)
    const [page, all] = await rows.findAndCount({
      where: { plain: 'p' },
      order: { plain: 'ASC', id: 'ASC' },
      take: 2,
    })
    expect(page).toMatchObject([values('changed'), values('new')])
    expect(all).toBe(3)
    await rows.delete({ plain: 'p', id: 1 })
    await rows.remove(await rows.find())
    expect(await rows.count()).toBe(0)
  })
})
