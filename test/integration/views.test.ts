import 'reflect-metadata'
import {
  Column,
  type DataSource,
  Entity,
  PrimaryGeneratedColumn,
  ViewColumn,
  ViewEntity,
  VirtualColumn,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure } from '../support/encryption'
import { oneDataSource } from '../support/one-data-source'

@Entity('account')
class Account {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) owner!: string
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ storage: 'text' }) note!: string
}

@Entity('visitor')
class Visitor {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) secret!: string
}

type Expression = string | ((dataSource: DataSource) => ReturnType<DataSource['createQueryBuilder']>)

/** A view with one column `value` that is not declared as encrypted. */
function view(expression: Expression, type: unknown = String): new () => { value: unknown } {
  class Shown {
    value!: unknown
  }
  Reflect.defineMetadata('design:type', type, Shown.prototype, 'value')
  ViewColumn()(Shown.prototype, 'value')
  ViewEntity({ name: 'shown', expression })(Shown)
  return Shown
}

const selecting =
  (sql: string): Expression =>
  (dataSource) =>
    dataSource.createQueryBuilder().select(sql, 'value').from(Account, 'a')

describeDatabases('A column that nobody declared as encrypted', (db) => {
  const one = oneDataSource(db)

  const start = (...entities: (new () => object)[]): Promise<DataSource> =>
    one.start([Account, Visitor, ...entities])
  const q = (name: string): string => db().quote(name)
  const account = { owner: 'Ada', secret: 'of Ada', note: 'a note' }

  it.each<[string, () => Expression]>([
    ['a builder', () => selecting('a.secret')],
    ['a text', () => `SELECT a.${q('secret')} AS ${q('value')} FROM ${q('account')} a`],
    ['a subquery', () => `SELECT s.x AS ${q('value')} FROM (SELECT secret AS x FROM account) s`],
    ['a union', () => `SELECT owner AS value FROM account UNION ALL SELECT note FROM account`],
    ['base64 text', () => selecting('a.note')],
  ])('of a view is refused: %s', async (_, expression) => {
    expect(await failure(start(view(expression())))).toMatchObject({
      code: 'INVALID_OPTION',
      entity: 'Shown',
      property: 'value',
      message: expect.stringMatching(/boundTo: \{ table: 'account', column: '(secret|note)' \}/) as string,
    })
  })

  it.each<[string, () => Expression]>([
    ['another column', () => selecting('a.owner')],
    ['a count', () => selecting('COUNT(a.secret)')],
    ['whether there is a value', () => selecting('CASE WHEN a.secret IS NULL THEN 0 ELSE 1 END')],
    ['its length', () => selecting('LENGTH(a.note)')],
    ['a column of the same name of another table', () => `SELECT secret AS value FROM visitor`],
    ['a text with the name of the table', () => `SELECT 'account secret' AS value FROM visitor`],
  ])('of a view works where it is %s', async (_, expression) => {
    const Shown = view(expression())
    const dataSource = await start(Shown)
    await dataSource.getRepository(Account).insert(account)
    await dataSource.getRepository(Visitor).insert({ secret: 'in clear' })
    const [row] = await dataSource.getRepository(Shown).find()
    expect(['Ada', 'in clear', 'account secret', '1', 'number']).toContain(
      typeof row?.value === 'number' ? 'number' : row?.value,
    )
  })

  it.each([
    ['a condition', `SELECT owner AS value FROM account WHERE secret = 'of Ada'`],
    ['a condition of a join', `SELECT a.owner AS value FROM account a JOIN visitor v ON v.secret = a.note`],
    ['CASE', `SELECT CASE WHEN note = 'a note' THEN 1 ELSE 0 END AS value FROM account`],
    ['GROUP BY', `SELECT COUNT(*) AS value FROM account GROUP BY secret`],
    ['DISTINCT', `SELECT COUNT(DISTINCT note) AS value FROM account`],
    ['an aggregate', `SELECT MAX(note) AS value FROM account`],
    ['its order', `SELECT owner AS value FROM account ORDER BY secret`],
  ])('is refused where the SQL of a view uses it in %s', async (_, expression) => {
    expect(await failure(start(view(expression)))).toMatchObject({
      code: 'INVALID_OPTION',
      entity: 'Shown',
      message: expect.stringMatching(/the SQL of the view looks at Account\.(secret|note)/) as string,
    })
  })

  it('may be used by the SQL of a view where the ciphertext is said to be meant', async () => {
    const Shown = view(
      `SELECT /* kms-encrypted:raw */ COUNT(DISTINCT note) /* kms-encrypted:end */ AS value FROM account`,
    )
    const dataSource = await start(Shown)
    await dataSource
      .getRepository(Account)
      .insert(['a', 'b'].map((owner) => ({ owner, secret: owner, note: 'a note' })))
    expect(Number((await dataSource.getRepository(Shown).find())[0]?.value)).toBe(2)
  })

  it('gives the ciphertext to a property that is typed as Buffer', async () => {
    const Shown = view(selecting('a.secret'), Buffer)
    const dataSource = await start(Shown)
    await dataSource.getRepository(Account).insert(account)
    const [row] = await dataSource.getRepository(Shown).find()
    expect(await one.encryption().decrypt(Account, 'secret', row?.value)).toBe('of Ada')
  })

  it('refuses a ciphertext that an expression of a view brings', async () => {
    const Shown = view(selecting('COALESCE(a.note, a.owner)'))
    const dataSource = await start(Shown)
    await dataSource.getRepository(Account).insert(account)
    expect(await failure(dataSource.getRepository(Shown).find())).toMatchObject({
      code: 'INVALID_OPTION',
      entity: 'Shown',
      property: 'value',
    })
  })

  it.each([
    ['of the same row', (alias: string) => `${alias}.secret`],
    ['of another table', () => `SELECT a.secret FROM account a WHERE a.id = 1`],
  ])('is refused as a virtual column %s', async (_, query) => {
    class Watcher {}
    PrimaryGeneratedColumn()(Watcher.prototype, 'id')
    KmsEncrypted({ type: 'string' })(Watcher.prototype, 'secret')
    VirtualColumn('varchar', { query })(Watcher.prototype, 'shown')
    Entity('watcher')(Watcher)
    expect(await failure(start(Watcher))).toMatchObject({
      code: 'INVALID_OPTION',
      entity: 'Watcher',
      property: 'shown',
    })
  })

  it('works as a virtual column that counts', async () => {
    class Watcher {
      seen!: number
    }
    PrimaryGeneratedColumn()(Watcher.prototype, 'id')
    VirtualColumn('int', { query: () => `SELECT COUNT(a.secret) FROM account a` })(Watcher.prototype, 'seen')
    Entity('watcher')(Watcher)
    const dataSource = await start(Watcher)
    await dataSource.getRepository(Account).insert(account)
    await dataSource.getRepository(Watcher).insert({})
    const [watcher] = await dataSource.getRepository(Watcher).find()
    expect(Number(watcher?.seen)).toBe(1)
  })
})
