import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

const lower = { normalize: (v: string) => v.trim().toLowerCase() }

/** As it is declared in the end. */
@Entity({ name: 'client' })
class Client {
  @PrimaryGeneratedColumn() id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: [lower, { name: 'domain', from: (v: string) => v.split('@')[1] ?? '' }] })
  email!: string
  @KmsEncrypted({ type: 'json', search: true, storage: 'text', nullable: true, acceptPlaintext: true })
  data!: { n: number } | null
}

/** As it was before there were indexes. */
@Entity({ name: 'client' })
class Before {
  @PrimaryGeneratedColumn() id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({}) email!: string
  @KmsEncrypted({ type: 'json', storage: 'text', nullable: true }) data!: { n: number } | null
}

/** Two rows may not have the same. */
@Entity()
class Unique {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: { ...lower, unique: true } }) email!: string
}

/** The same index by another function. */
@Entity({ name: 'client' })
class Otherwise {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: { normalize: (v: string) => v.toUpperCase() } }) email!: string
}

describeDatabases('The blind indexes of rows that were there before', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Client, Unique], withIndexKey)
  })
  beforeEach(async () => {
    await app.dataSource.getRepository(Client).clear()
    const before = await app.restart({}, { entities: [Before] })
    await before.dataSource
      .getRepository(Before)
      .insert([
        { email: 'a@one', data: { n: 1 }, note: 'x' },
        { email: ' B@two', data: null },
        { email: 'c@two' },
      ])
    await before.dataSource.destroy()
    await db().rawQuery(
      `INSERT INTO client (note, email, data) SELECT 'plain', email, '{ "n": 7 }' FROM client WHERE note = 'x'`,
    )
  })
  afterAll(() => app.stop())

  const fresh = async (entities = [Client] as (typeof Client)[]) =>
    (await app.restart({}, { entities })).dataSource

  test('are counted, filled once, and searched then', async () => {
    const dataSource = await fresh()
    const clients = dataSource.getRepository(Client)
    const missing = async () =>
      (await columnStatus(dataSource, Client, 'email')).indexes.map((each) => [each.column, each.missing])
    expect(await missing()).toEqual([
      ['email_index', 4],
      ['email_domain', 4],
    ])
    const error = await failure(clients.findBy({ email: 'a@one' }))
    expect(error).toMatchObject({ code: 'SEARCH_INCOMPLETE', property: 'email' })
    expect(error.message).toContain('typeorm-kms encrypt -d … --columns Client.email')
    const ciphertexts = () => db().rawQuery('SELECT email, note FROM client ORDER BY id')
    const before = await ciphertexts()

    expect(await encryptColumns(dataSource, Client, ['email', 'data'], { dryRun: true })).toMatchObject([
      { changed: 4 },
      { changed: 2 },
    ])
    expect((await missing()).map(([, count]) => count)).toEqual([4, 4])
    expect(await encryptColumns(dataSource, Client, ['email', 'data'])).toMatchObject([
      { changed: 4 },
      { changed: 2 },
    ])
    expect(await encryptColumns(dataSource, Client, ['email', 'data'])).toMatchObject([
      { changed: 0 },
      { changed: 0 },
    ])
    expect(await ciphertexts()).toEqual(before)
    expect((await missing()).map(([, count]) => count)).toEqual([0, 0])
    expect(await clients.countBy({ email: 'b@TWO ' })).toBe(1)
    expect(await clients.findBy({ data: { n: 1 } })).toMatchObject([{ note: 'x' }])
    const domain = await app.encryption.indexOf(Client, 'email', 'two', 'domain', app.dataSource)
    expect(await db().rawQuery('SELECT id FROM client WHERE email_domain = ?', [domain])).toHaveLength(2)
    expect(await verifyColumns(dataSource, Client, ['email', 'data'])).toMatchObject([
      { failed: 0 },
      { failed: 0 },
    ])
  })

  test('of plaintext that is written otherwise than the library writes it are those of the value', async () => {
    const dataSource = await fresh()
    await encryptColumns(dataSource, Client, ['data'])
    const clients = dataSource.getRepository(Client)
    expect(await clients.findBy({ data: { n: 7 } })).toMatchObject([{ note: 'plain', data: { n: 7 } }])
    expect(await verifyColumns(dataSource, Client, ['data'])).toMatchObject([{ failed: 0 }])
  })

  test('that are wrong or missing are found by verify, and mended', async () => {
    const dataSource = await fresh()
    await encryptColumns(dataSource, Client, ['email'])
    const [one, two] = await dataSource.getRepository(Client).find({ order: { id: 'ASC' } })
    await db().rawQuery('UPDATE client SET email_domain = NULL WHERE id = ?', [one!.id])
    await db().rawQuery('UPDATE client SET email_index = ? WHERE id = ?', [Buffer.alloc(16), two!.id])
    const [verified] = await verifyColumns(dataSource, Client, ['email'])
    expect(verified).toMatchObject({
      failed: 2,
      unreadable: [
        { code: 'INDEX_WRONG', reason: expect.stringContaining('no blind index (email_domain)') },
        { code: 'INDEX_WRONG', reason: expect.stringContaining('(email_index)') },
      ],
    })
    expect(await encryptColumns(dataSource, Client, ['email'])).toMatchObject([{ changed: 1 }])
    expect(await encryptColumns(dataSource, Client, ['email'], { rebuildIndexes: true })).toMatchObject([
      { changed: 1 },
    ])
    expect(await verifyColumns(dataSource, Client, ['email'])).toMatchObject([{ failed: 0 }])
  })

  test('that are unique are filled but for values that two rows have, which are named', async () => {
    const uniques = app.dataSource.getRepository(Unique)
    await uniques.insert([{ email: 'a@one' }, { email: 'b@one' }, { email: 'c@one' }])
    await db().rawQuery(`UPDATE ${db().quote('unique')} SET email_index = NULL`)
    const [one] = await uniques.find({ order: { id: 'ASC' } })
    const stored = await app.encryption.encryptAll(Unique, { email: ' A@one' }, app.dataSource)
    await db().rawQuery(`UPDATE ${db().quote('unique')} SET email = ? WHERE id = ?`, [
      stored['email'],
      one!.id + 1,
    ])
    const error = await failure(encryptColumns(app.dataSource, Unique, ['email']))
    expect(error).toMatchObject({ code: 'VALUE_NOT_UNIQUE', property: 'email' })
    expect(JSON.stringify(error) + error.message).not.toMatch(/a@one/)
    const [result] = await encryptColumns(app.dataSource, Unique, ['email'], { skipFailed: true })
    expect(result).toMatchObject({ skipped: 1, failures: [{ code: 'VALUE_NOT_UNIQUE' }] })
    expect((await columnStatus(app.dataSource, Unique, 'email')).indexes[0]).toMatchObject({ missing: 1 })
  })

  test('made by another function are an error, and not an empty result', async () => {
    const dataSource = await fresh()
    await encryptColumns(dataSource, Client, ['email'])
    const other = await app.restart({}, { entities: [Otherwise] })
    const error = await failure(other.dataSource.getRepository(Otherwise).findBy({ email: 'a@one' }))
    expect(error).toMatchObject({ code: 'INDEX_WRONG', property: 'email' })
    expect(error.message).toContain('normalize')
  })

  test('made with another index key are an error, and not an empty result', async () => {
    await encryptColumns(await fresh(), Client, ['email'])
    const other = await app.restart(await withIndexKey(app))
    const error = await failure(other.dataSource.getRepository(Client).findBy({ email: 'a@one' }))
    expect(error).toMatchObject({ code: 'INDEX_WRONG', property: 'email' })
    expect(error.message).toContain('index key')
  })

  test('without a column in the database are an error of the tool that says so', async () => {
    const queryRunner = app.dataSource.createQueryRunner()
    const dataSource = await fresh()
    const column = (await queryRunner.getTable('client'))!.findColumnByName('email_domain')!
    await queryRunner.dropColumn('client', column)
    expect((await columnStatus(dataSource, Client, 'email')).indexes[1]).toMatchObject({ missing: undefined })
    expect(await failure(encryptColumns(dataSource, Client, ['email']))).toMatchObject({
      code: 'COLUMN_TYPE',
      message: expect.stringContaining('email_domain'),
    })
    await queryRunner.addColumn('client', column)
    await queryRunner.release()
  })

  test('an upsert by a unique index is refused while rows have none: it would insert what is there', async () => {
    const { dataSource } = await app.restart()
    const uniques = dataSource.getRepository(Unique)
    await uniques.clear()
    await uniques.insert([{ email: 'a' }, { email: 'b' }])
    await db().rawQuery(`UPDATE ${db().quote('unique')} SET email_index = NULL`)
    const error = await failure(uniques.upsert({ email: 'A' }, ['email']))
    expect(error).toMatchObject({ code: 'SEARCH_INCOMPLETE', entity: 'Unique', property: 'email' })
    expect(await uniques.count()).toBe(2)
    await encryptColumns(dataSource, Unique, ['email'])
    await uniques.upsert({ email: 'A' }, ['email'])
    expect(await uniques.count()).toBe(2)
    await dataSource.destroy()
  })
})
