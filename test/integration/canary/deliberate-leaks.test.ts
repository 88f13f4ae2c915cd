import { type QueryRunner } from 'typeorm'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { formsOfMarker } from '../../support/markers'
import { Item, Vault } from './entities'
import { everythingOf, everythingOfError, type Findings, Watch } from './watch'

/** Proves that the canary suite would see a leak in each of its channels: here is one in each. */
describeDatabases('A deliberate leak is seen', (db) => {
  let watch: Watch
  let application: TestApplication

  beforeAll(async () => {
    watch = await Watch.over(db())
    application = await startApplication(db(), [Vault, Item], {}, {
      ...watch.options,
      logging: 'all',
      logger: watch.logger,
    } as object)
    application.dataSource.subscribers.push(watch.tracer)
    await db().rawQuery(`CREATE TABLE leak (value ${db().name === 'postgres' ? 'bytea' : 'blob'})`)
  })

  afterAll(async () => {
    await application.stop()
    await watch.relay?.close()
  })

  const passing = (): string[] => ['logger', 'query subscribers', watch.relay ? 'socket' : []].flat().sort()

  /** The logs of the server, if there is one. */
  const logs = (): string[] =>
    watch.relay
      ? { mariadb: ['binary log', 'general log'], postgres: ['statement log'] }[db().name as 'mariadb']
      : []

  const seen = (findings: Findings): string[] =>
    Object.keys(findings)
      .filter((channel) => findings[channel]!.length > 0)
      .sort()

  test('nowhere, without one', async () => {
    const { encryption, dataSource } = application
    expect(
      seen({ ...watch.passing(), ...(await watch.lasting()), ...watch.objects(encryption, dataSource) }),
    ).toEqual([])
  })

  test.each([
    ['as text', (marker: string) => `... ${marker} ...`],
    ['as bytes', (marker: string) => Buffer.from(`... ${marker} ...`)],
    ['in base64', (marker: string) => Buffer.from(`.${marker}.`).toString('base64')],
  ])('in a parameter %s, wherever statements pass', async (_, write) => {
    const value = write(watch.marker)
    const parameter = `$1::${typeof value === 'string' ? 'text' : 'bytea'}`
    await application.dataSource.query(`SELECT ${db().name === 'postgres' ? parameter : '?'} AS leak`, [
      value,
    ])
    expect(seen(watch.passing())).toEqual(passing())
  })

  test('in the text of a statement', async () => {
    await application.dataSource.query(`SELECT '${watch.marker}' AS leak`)
    expect(seen(watch.passing())).toEqual(passing())
  })

  test('in an answer of the database, on the socket and for subscribers', async () => {
    await db().rawQuery('INSERT INTO leak VALUES (?)', [Buffer.from(watch.marker)])
    await application.dataSource.query('SELECT value FROM leak')
    expect(seen(watch.passing())).toEqual(passing().filter((channel) => channel !== 'logger'))
  })

  test('in the tables and in each log of the server', async () => {
    await db().rawQuery('INSERT INTO leak VALUES (?)', [Buffer.from(watch.marker)])
    expect(seen(await watch.lasting())).toEqual([...logs(), 'tables'])
  })

  test('in a row that is deleted again, in each log of the server', async () => {
    const fresh = await Watch.over(db())
    await db().rawQuery('INSERT INTO leak VALUES (?)', [Buffer.from(fresh.marker)])
    await db().rawQuery('DELETE FROM leak')
    if (db().name !== 'sqlite') expect(seen(await fresh.lasting())).toEqual(logs())
    await fresh.relay?.close()
  })

  test('in a failed statement, by the parameters of the error', async () => {
    await db().rawQuery('CREATE TABLE leak_once (value varchar(100) UNIQUE)')
    const placeholder = db().name === 'postgres' ? '$1' : '?'
    const insert = () =>
      application.dataSource.query(`INSERT INTO leak_once VALUES (${placeholder})`, [watch.marker])
    await insert()
    watch.noteError(await failure(insert()))
    expect(seen(watch.passing())).toEqual(expect.arrayContaining(['errors', 'logger']))
  })

  test('in an object of the library', async () => {
    const { encryption, dataSource } = application
    const fresh = await Watch.over(db())
    const column = dataSource.getMetadata(Vault).findColumnWithPropertyName('text')!
    Object.defineProperty(column.transformer, 'last', {
      value: { deep: [Buffer.from(fresh.marker)] },
      configurable: true,
    })
    expect(seen(fresh.objects(encryption, dataSource))).toEqual(['objects'])
    Reflect.deleteProperty(column.transformer as object, 'last')
    expect(seen(fresh.objects(encryption, dataSource))).toEqual([])
    await fresh.relay?.close()
  })

  test('in a query runner that forgets to encrypt', async () => {
    const { dataSource } = application
    const queryRunner: QueryRunner = dataSource.createQueryRunner()
    await queryRunner.query(db().name === 'postgres' ? 'SELECT $1::text' : 'SELECT ?', [watch.marker])
    await queryRunner.release()
    expect(seen(watch.passing())).toEqual(passing())
  })
})

describe('An error shows', () => {
  const marker = 'canary0123456789abcdef01234567'

  test.each([
    ['its message', new Error(`about ${marker}`)],
    ['its parameters', Object.assign(new Error('about'), { parameters: [1, [Buffer.from(marker)]] })],
    ['a hidden property', Object.defineProperty(new Error('about'), 'hidden', { value: marker })],
    [
      'a property under a symbol',
      Object.assign(new Error('about'), { [Symbol('s')]: new Map([['k', marker]]) }),
    ],
    ['the cause of its cause', new Error('a', { cause: new Error('b', { cause: new Error(marker) }) })],
    ['what it writes as JSON', Object.assign(new Error('about'), { toJSON: () => ({ of: marker }) })],
    ['errors beside it', new AggregateError([new Error(marker)])],
  ])('%s', (_, error) => {
    expect(formsOfMarker(everythingOfError(error), marker)).not.toEqual([])
    expect(formsOfMarker(everythingOf(new Error('about')), marker)).toEqual([])
  })
})
