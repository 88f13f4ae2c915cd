import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { Column, type DataSource, Entity, ManyToOne, OneToMany, PrimaryColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryColumn('uuid') id!: string
  @Column({ type: 'int' }) tenantId!: number
  @Column({ type: 'int' }) number!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) envelope!: string
  @KmsEncrypted({ boundTo: { row: ['id'] } }) envelopeToo!: string
  @KmsEncrypted({ boundTo: { row: ['id'] }, storage: 'text' }) text!: string
  @KmsEncrypted({ boundTo: { row: ['id'] }, mode: 'direct' }) direct!: string
  @KmsEncrypted({ keyPer: ['tenantId'] }) perTenant!: string
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['id', 'tenantId'] } }) all!: string
  @ManyToOne('Account', 'children', { nullable: true }) parent!: Account | null
  @OneToMany('Account', 'parent') children!: Account[]
}

/** The same columns in another table. */
@Entity()
class Other {
  @PrimaryColumn('uuid') id!: string
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) envelope!: string
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['id', 'tenantId'] } }) all!: string
}

const secrets = ['envelope', 'envelopeToo', 'text', 'direct', 'perTenant', 'all'] as const
type Secret = (typeof secrets)[number]
const values = Object.fromEntries(secrets.map((name) => [name, 'same'])) as Record<Secret, string>
const valuesOf = (row: Account) => Object.fromEntries(secrets.map((name) => [name, row[name]]))

describeDatabases('values that are bound to their row are read', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  /** The first two are of one tenant, the third is of another. */
  let ids: string[]

  beforeAll(async () => {
    app = await startApplication(db(), [Account, Other], {}, { cache: true })
  })
  beforeEach(async () => {
    ;({ dataSource } = await app.restart({ onUndecryptable: 'marker' }))
    await dataSource.query(`UPDATE ${db().quote('account')} SET ${db().quote('parentId')} = NULL`)
    await dataSource.query(`DELETE FROM ${db().quote('account')}`)
    await dataSource.query(`DELETE FROM ${db().quote('other')}`)
    ids = [1, 2, 3].map(() => randomUUID())
    await accounts().insert(
      ids.map((id, index) => ({ id, number: index, tenantId: index < 2 ? 1 : 2, ...values })),
    )
  })
  afterEach(() => dataSource.destroy())
  afterAll(() => app.stop())

  const accounts = () => dataSource.getRepository(Account)
  const cell = async (table: string, column: string, id: string): Promise<unknown> =>
    (
      await db().rawQuery(`SELECT ${db().quote(column)} AS v FROM ${db().quote(table)} WHERE id = ?`, [id])
    )[0]!['v']
  const set = (column: string, value: unknown, id: string, table = 'account') =>
    db().rawQuery(`UPDATE ${db().quote(table)} SET ${db().quote(column)} = ? WHERE id = ?`, [value, id])
  /** What the application gets for a value: the text, or the code of why not. */
  async function read(column: Secret, id: string): Promise<string | undefined> {
    const outcomes = new Set<string | undefined>()
    const codeOf = (row: Account) => (isUndecryptable(row[column]) ? codeOfMarker(row[column]) : row[column])
    outcomes.add(codeOf(await accounts().findOneByOrFail({ id })))
    const all = await accounts().find()
    outcomes.add(codeOf(all.find((row) => row.id === id)!))
    const { dataSource: fresh } = await app.restart({ onUndecryptable: 'marker' })
    outcomes.add(codeOf(await fresh.getRepository(Account).findOneByOrFail({ id })))
    await fresh.destroy()
    expect([...outcomes]).toHaveLength(1)
    return [...outcomes][0]
  }
  const codeOfMarker = (value: unknown): string | undefined => {
    try {
      return String(value)
    } catch (error) {
      return (error as { code?: string }).code
    }
  }

  describe('by nobody who moves them:', () => {
    it.each(['envelope', 'text', 'direct', 'all'] as const)(
      'between rows of one tenant (%s)',
      async (column) => {
        await set(column, await cell('account', column, ids[0]!), ids[1]!)
        expect(await read(column, ids[1]!)).toBe('CIPHERTEXT_WRONG_ROW')
        expect(await read(column, ids[0]!)).toBe('same')
      },
    )

    it.each(['perTenant', 'all'] as const)('between tenants (%s)', async (column) => {
      await set(column, await cell('account', column, ids[0]!), ids[2]!)
      expect(await read(column, ids[2]!)).toBe('CIPHERTEXT_WRONG_CONTEXT')
    })

    it('between columns', async () => {
      await set('envelopeToo', await cell('account', 'envelope', ids[0]!), ids[0]!)
      expect(await read('envelopeToo', ids[0]!)).toBe('CIPHERTEXT_WRONG_ROW')
      await set('all', await cell('account', 'perTenant', ids[0]!), ids[0]!)
      expect(await read('all', ids[0]!)).toBe('CIPHERTEXT_WRONG_ROW')
    })

    it('between tables', async () => {
      await dataSource.getRepository(Other).insert({ id: ids[0]!, tenantId: 1, envelope: 'x', all: 'x' })
      for (const column of ['envelope', 'all'] as const) {
        await set(column, await cell('other', column, ids[0]!), ids[0]!)
        expect(await read(column, ids[0]!)).toBe('CIPHERTEXT_WRONG_CONTEXT')
      }
    })

    it('between modes', async () => {
      await set('direct', await cell('account', 'envelope', ids[0]!), ids[0]!)
      expect(await read('direct', ids[0]!)).toMatch(/^CIPHERTEXT_/)
      await set('envelope', await cell('account', 'direct', ids[1]!), ids[0]!)
      expect(await read('envelope', ids[0]!)).toMatch(/^CIPHERTEXT_/)
    })

    it.each(secrets)('in pieces: header, data key, IV, value and tag of two rows (%s)', async (column) => {
      const bytes = async (id: string) => {
        const stored = await cell('account', column, id)
        return typeof stored === 'string' ? Buffer.from(stored, 'base64') : (stored as Buffer)
      }
      const [own, foreign] = [await bytes(ids[0]!), await bytes(ids[2]!)]
      for (const at of [3, 7, 9, own.length - 40, own.length - 20, own.length - 16]) {
        for (const forged of [
          Buffer.concat([own.subarray(0, at), foreign.subarray(at)]),
          Buffer.concat([foreign.subarray(0, at), own.subarray(at)]),
          own.subarray(0, at),
        ]) {
          if (forged.equals(own)) continue
          await set(column, column === 'text' ? forged.toString('base64') : forged, ids[0]!)
          const [row] = await accounts().findBy({ id: ids[0]! })
          expect(isUndecryptable(row![column])).toBe(true)
        }
      }
    })

    it('by setting what they are bound to', async () => {
      await set('tenantId', 2, ids[0]!)
      expect(await read('all', ids[0]!)).toBe('CIPHERTEXT_WRONG_CONTEXT')
      expect(await read('perTenant', ids[0]!)).toBe('CIPHERTEXT_WRONG_CONTEXT')
      expect(await read('envelope', ids[0]!)).toBe('same')
      await set(
        'id',
        ids[1]!.replace(/^./, (digit) => (digit === 'f' ? '0' : 'f')),
        ids[1]!,
      )
      const [row] = (await accounts().find()).filter(({ number }) => number === 1)
      for (const column of ['envelope', 'text', 'direct', 'all'] as const)
        expect(codeOfMarker(row![column])).toBe('CIPHERTEXT_WRONG_ROW')
    })

    it('but for what the documents name: an older value of the same row, and a whole row', async () => {
      const older = await cell('account', 'envelope', ids[0]!)
      await accounts().save({ id: ids[0]!, envelope: 'newer' })
      await set('envelope', older, ids[0]!)
      expect(await read('envelope', ids[0]!)).toBe('same')
    })
  })

  it('where the query leaves out what they are bound to: with one query more', async () => {
    const found = await accounts().find({
      select: { id: true, perTenant: true, all: true },
      order: { number: 'ASC' },
    })
    expect(found.map(({ perTenant, all }) => [perTenant, all])).toEqual(ids.map(() => ['same', 'same']))
    expect(found.every((row) => !('tenantId' in row))).toBe(true)
    const distinct = await accounts()
      .createQueryBuilder('a')
      .select(['a.id', 'a.all'])
      .distinct(true)
      .getMany()
    expect(distinct.map(({ all }) => all)).toEqual(['same', 'same', 'same'])
  })

  it('in relations that are joined, each by its own row', async () => {
    await accounts().update({ id: ids[1]! }, { parent: { id: ids[0]! } })
    await set('all', await cell('account', 'all', ids[0]!), ids[1]!)
    for (const select of [undefined, { id: true, all: true, children: { id: true, all: true } } as const]) {
      const parent = await accounts().findOneOrFail({
        where: { id: ids[0]! },
        relations: { children: true },
        ...(select ? { select } : {}),
      })
      expect(parent.all).toBe('same')
      expect(codeOfMarker(parent.children[0]!.all)).toBe('CIPHERTEXT_WRONG_ROW')
    }
  })

  it('from the query result cache', async () => {
    const find = () => accounts().find({ order: { number: 'ASC' }, cache: 60_000 })
    for (let time = 0; time < 2; time++) expect((await find()).map(valuesOf)).toEqual(ids.map(() => values))
  })

  it('saved unchanged with a marker, and mended by a new value', async () => {
    await set('all', await cell('account', 'all', ids[0]!), ids[1]!)
    const row = await accounts().findOneByOrFail({ id: ids[1]! })
    row.number = 7
    await accounts().save(row)
    expect(await read('all', ids[1]!)).toBe('CIPHERTEXT_WRONG_ROW')
    row.all = 'mended'
    await accounts().save(row)
    expect(await read('all', ids[1]!)).toBe('mended')
  })

  it('with one call for each data key, and none with keys at hand', async () => {
    const { encryption, dataSource: fresh } = await app.restart()
    const calls = () => encryption.metrics().kmsCalls.Decrypt
    await fresh.getRepository(Account).find({ select: { id: true, perTenant: true, tenantId: true } })
    expect(calls()).toBe(2)
    await fresh.getRepository(Account).find({ select: { id: true, perTenant: true, tenantId: true } })
    expect(calls()).toBe(2)
    await fresh.destroy()
  })
})
