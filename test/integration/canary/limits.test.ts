import { In, type Repository } from 'typeorm'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { Item, Vault } from './entities'

/** What the library does not promise: docs/guarantees.md says so, and this shows it. */
describeDatabases('Beyond what is promised', (db) => {
  let application: TestApplication
  let vaults: Repository<Vault>
  let logged: string

  beforeAll(async () => {
    const note = (...args: unknown[]) => (logged += JSON.stringify(args.slice(0, 2)))
    const logger = {
      logQuery: note,
      logQueryError: note,
      logQuerySlow: note,
      logSchemaBuild: note,
      log: note,
    }
    application = await startApplication(db(), [Vault, Item], {}, { logging: ['query'], logger } as object)
    vaults = application.dataSource.getRepository(Vault)
  })

  afterAll(() => application.stop())

  beforeEach(() => {
    logged = ''
  })

  const stored = async (id: number, column: string): Promise<unknown> => {
    const [row] = await db().rawQuery(`SELECT ${column} AS value FROM vault WHERE id = ?`, [id])
    return row!['value']
  }
  const store = (id: number, column: string, value: unknown) =>
    db().rawQuery(`UPDATE vault SET ${column} = ? WHERE id = ?`, [value, id])

  test('a ciphertext opens in another row of its column, but in no other column or table', async () => {
    const saved = await vaults.save([
      { label: 'mine', text: 'my text', bytes: Buffer.from('x'), profile: {}, items: [{ note: 'note' }] },
      { label: 'theirs', text: 'their text', profile: {} },
    ])
    const [mine, theirs] = [saved[0]!, saved[1]!]
    await store(mine.id, 'text', await stored(theirs.id, 'text'))
    expect((await vaults.findOneByOrFail({ id: mine.id })).text).toBe('their text')

    await store(mine.id, 'raw_bytes', await stored(theirs.id, 'text'))
    expect((await failure(vaults.findOneByOrFail({ id: mine.id }))).code).toBe('CIPHERTEXT_TAMPERED')

    await db().rawQuery('UPDATE item SET note = ?', [await stored(theirs.id, 'text')])
    const items = application.dataSource.getRepository(Item)
    expect((await failure(items.find())).code).toBe('CIPHERTEXT_WRONG_CONTEXT')
    await items.clear()
    await vaults.delete({ id: mine.id })
  })

  test('an earlier ciphertext of a row opens, as a restored backup does', async () => {
    const vault = await vaults.save({ label: 'replayed', text: 'old', profile: {} })
    const old = await stored(vault.id, 'text')
    await vaults.update(vault.id, { text: 'new' })
    await store(vault.id, 'text', old)
    expect((await vaults.findOneByOrFail({ id: vault.id })).text).toBe('old')
  })

  test('a ciphertext tells the length of its value, and whether there is one', async () => {
    const lengths: number[] = []
    for (const text of ['', 'a', 'a'.repeat(100)]) {
      const { id } = await vaults.save({ label: `length ${text.length}`, text, profile: {} })
      lengths.push(((await stored(id, 'text')) as Buffer).length)
      expect(await stored(id, 'base64')).toBeNull()
    }
    expect(lengths.map((length) => length - lengths[0]!)).toEqual([0, 1, 100])
  })

  test('an UPDATE of many rows stores one ciphertext, and each row its own when it is saved by itself', async () => {
    const saved = await vaults.save([
      { label: 'one of two', text: 'a', profile: {} },
      { label: 'other of two', text: 'b', profile: {} },
    ])
    await vaults.update({ id: In(saved.map(({ id }) => id)) }, { text: 'equal' })
    const ciphertexts = async () =>
      new Set(await Promise.all(saved.map(async ({ id }) => String(await stored(id, 'text')))))
    expect((await ciphertexts()).size).toBe(1)
    for (const { id } of saved) await vaults.update(id, { text: 'equal' })
    expect((await ciphertexts()).size).toBe(2)
  })

  test('raw SQL of the application is sent and logged as it is', async () => {
    const placeholder = db().name === 'postgres' ? '$1' : '?'
    await application.dataSource.query(`SELECT id FROM vault WHERE label = ${placeholder}`, [
      'a raw parameter',
    ])
    expect(logged).toContain('a raw parameter')
  })
})
