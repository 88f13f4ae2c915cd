import 'reflect-metadata'
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { tool } from '../../unit/cli/support'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

/** What the tool gets for the file with the DataSource. */
let loaded: DataSource
jest.mock('../../../src/cli/load-module', () => ({
  loadModule: () => Promise.resolve({ dataSource: loaded }),
}))

@Entity()
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int', name: 'tenant_id' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) envelope!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, storage: 'text' }) text!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, mode: 'direct', nullable: true, type: 'string' })
  direct!: string | null
  @KmsEncrypted({ boundTo: { row: ['id'] }, keyPer: ['tenantId'] }) keyed!: Buffer
  @KmsEncrypted() free!: string
}

const COLUMNS = ['envelope', 'text', 'direct', 'keyed'] as const
/** Those that depend on the tenant. */
const OF_TENANT = ['text', 'direct', 'keyed'] as const
const rows = [1, 2, 3, 4].map((id) => ({
  id,
  tenantId: id < 3 ? 1 : 2,
  envelope: `envelope ${id}`,
  text: `text ${id}`,
  direct: `direct ${id}`,
  keyed: Buffer.from(`keyed ${id}`),
  free: `free ${id}`,
}))

describeDatabases('Values that stand in a wrong row', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Account])
  })
  afterAll(() => app.stop())

  const table = () => db().quote('account')
  const cell = async (column: string, id: number): Promise<unknown> =>
    (await db().rawQuery(`SELECT ${db().quote(column)} AS v FROM ${table()} WHERE id = ?`, [id]))[0]!['v']
  const set = (column: string, value: unknown, id: number) =>
    db().rawQuery(`UPDATE ${table()} SET ${db().quote(column)} = ? WHERE id = ?`, [value, id])

  describe.each(['inline', 'stored'] as const)('under %s data keys', (dataKeys) => {
    let dataSource: DataSource
    const accounts = () => dataSource.getRepository(Account)
    const start = async () => ({ dataSource } = await app.restart({ dataKeys }))

    beforeAll(async () => {
      await start()
      await dataSource.synchronize()
    })
    beforeEach(async () => {
      await accounts().clear()
      await accounts().insert(rows)
      // No data key is in memory.
      await start()
    })

    it('are told from altered ones by trying the other rows', async () => {
      for (const column of COLUMNS) {
        await set(column, await cell(column, 4), 1)
        const altered = await cell(column, 2)
        const bytes = typeof altered === 'string' ? Buffer.from(altered, 'base64') : (altered as Buffer)
        bytes[bytes.length - 1]! ^= 1
        await set(column, typeof altered === 'string' ? bytes.toString('base64') : bytes, 2)
      }
      // Moved away from its row.
      await set('direct', null, 4)
      const results = await verifyColumns(dataSource, Account, COLUMNS, { findRow: true })
      for (const { property, unreadable, failed } of results) {
        expect(failed).toBe(2)
        const [moved, broken] = ['1', '2'].map((id) =>
          unreadable.find((each) => String(each.primaryKey['id']) === id),
        )
        expect(moved).toMatchObject({ belongsTo: { property, primaryKey: { id: '4' } } })
        expect(moved!.reason).toBe('the value is that of the row (id=4): it was copied or moved here.')
        expect(broken).not.toHaveProperty('belongsTo')
        expect(broken!.reason).toMatch(/is that of no row of the table/)
      }
      const [plainly] = await verifyColumns(dataSource, Account, ['envelope'])
      expect(plainly!.unreadable.some((each) => 'belongsTo' in each)).toBe(false)
    })

    it('are found in another column of their own row', async () => {
      await set('envelope', await cell('free', 1), 1)
      const [result] = await verifyColumns(dataSource, Account, ['envelope'], { findRow: true })
      expect(result!.unreadable).toMatchObject([
        { primaryKey: { id: expect.anything() }, belongsTo: { property: 'free', primaryKey: { id: '1' } } },
      ])
      expect(result!.unreadable[0]!.reason).toMatch(/^the value is that of free of the row \(id=1\)/)
    })

    it('are bound anew where raw SQL changed their tenant, and others are left alone', async () => {
      await set('tenant_id', 9, 1)
      const before = await verifyColumns(dataSource, Account, OF_TENANT)
      expect(before.map(({ failed }) => failed)).toEqual([1, 1, 1])
      const stored = await cell('text', 1)
      const settings = { boundAs: { tenantId: '1' } }
      const tried = await rotateColumns(dataSource, Account, OF_TENANT, { ...settings, dryRun: true })
      expect(await cell('text', 1)).toEqual(stored)
      const others = await Promise.all(OF_TENANT.map((column) => cell(column, 2)))
      const results = await rotateColumns(dataSource, Account, OF_TENANT, settings)
      for (const result of [...tried, ...results])
        expect(result).toMatchObject({ changed: 1, bound: [{ id: '1' }] })
      expect(await Promise.all(OF_TENANT.map((column) => cell(column, 2)))).toEqual(others)
      const again = await rotateColumns(dataSource, Account, OF_TENANT, settings)
      expect(again).toMatchObject(OF_TENANT.map(() => ({ changed: 0, bound: [] })))
      await start()
      expect(await accounts().find({ order: { id: 'ASC' } })).toEqual(
        rows.map((row) => (row.id === 1 ? { ...row, tenantId: 9 } : row)),
      )
    })

    it('are bound anew where raw SQL changed their key', async () => {
      await db().rawQuery(`UPDATE ${table()} SET id = 9 WHERE id = 4`)
      const results = await rotateColumns(dataSource, Account, COLUMNS, { boundAs: { id: 4 } })
      expect(results).toMatchObject(COLUMNS.map(() => ({ changed: 1, bound: [{ id: '9' }] })))
      expect(await accounts().findOneBy({ id: 9 })).toEqual({ ...rows[3], id: 9 })
    })

    it('stay where they are if they were neither in this row nor that', async () => {
      await set('tenant_id', 9, 1)
      const values = await Promise.all(OF_TENANT.map((column) => cell(column, 1)))
      for (const column of OF_TENANT) {
        const error = await failure(
          rotateColumns(dataSource, Account, [column], { boundAs: { tenantId: 2 } }),
        )
        expect(error.code).toMatch(/^CIPHERTEXT_WRONG_/)
      }
      // The row that the copy is of is there.
      await set('envelope', await cell('envelope', 2), 1)
      const copied = await failure(rotateColumns(dataSource, Account, ['envelope'], { boundAs: { id: 2 } }))
      expect(copied).toMatchObject({ code: 'INVALID_OPTION', property: 'envelope' })
      expect(copied.message).toMatch(/id=2, which is there/)
      expect(await Promise.all(OF_TENANT.map((column) => cell(column, 1)))).toEqual(values)
    })
  })

  it('are found and bound anew by the tool', async () => {
    const command = async (...args: string[]) => {
      loaded = (await app.restart()).dataSource
      return tool([...args, '-d', __filename])
    }
    await app.dataSource.getRepository(Account).clear()
    await app.dataSource.getRepository(Account).insert(rows)
    await set('envelope', await cell('envelope', 4), 1)
    const verified = await command('verify', '--find-row', '--columns', 'Account.envelope')
    expect(verified).toMatchObject({ status: 1 })
    expect(verified.stdout).toContain(
      'Account.envelope (id=1): CIPHERTEXT_WRONG_ROW: the value is that of the row (id=4)',
    )
    const listed = await command('verify', '--find-row', '--columns', 'Account.envelope', '--json')
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { unreadable: [{ belongsTo: { property: 'envelope', primaryKey: { id: '4' } } }] },
    ])

    await set('tenant_id', 9, 2)
    const bound = await command('rotate', '--bound-as', 'tenantId=1')
    expect(bound).toMatchObject({ status: 0 })
    for (const column of OF_TENANT) {
      expect(bound.stdout).toContain(`Account.${column}: 1 bound anew, 4 rows seen`)
      expect(bound.stdout).toContain(`  Account.${column} (id=2)\n`)
    }
    // All columns that are bound to it, and no others.
    expect(bound.stdout).not.toMatch(/envelope|free/)

    for (const [pairs, message] of [
      ['free=1', /no encrypted column is bound to or keyed by free/],
      ['tenantId', /--bound-as takes name=value/],
    ] as const) {
      const refused = await command('rotate', '--bound-as', pairs)
      expect(refused.status).toBe(2)
      expect(refused.stderr).toMatch(message)
    }
    const both = await command('rotate', '--bound-as', 'id=1', '--to', 'alias/other')
    expect(both).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('does not go with --to') as string,
    })
  })

  it('are not taken for what nobody can have had', async () => {
    const dataSource = app.dataSource
    for (const [boundAs, options, message] of [
      [{ tenant: 1 }, {}, /are bound to and keyed by id, tenantId only/],
      [{ free: 1 }, {}, /are bound to and keyed by id, tenantId only/],
      [{}, {}, /boundAs is empty/],
      [{ tenantId: 1 }, { to: 'alias/other' }, /goes with neither to nor newDataKeys/],
      [{ tenantId: 1 }, { newDataKeys: true }, /goes with neither to nor newDataKeys/],
    ] as const) {
      const settings = { boundAs: boundAs as Record<string, number>, ...options }
      const error = await failure(rotateColumns(dataSource, Account, ['text'], settings))
      expect(error.code).toBe('INVALID_OPTION')
      expect(error.message).toMatch(message)
    }
    expect(
      await failure(rotateColumns(dataSource, Account, ['text'], { boundAs: { tenantId: '01' } })),
    ).toMatchObject({ code: 'INVALID_VALUE' })
    expect(
      (await failure(rotateColumns(dataSource, Account, ['free'], { boundAs: { id: 1 } }))).message,
    ).toMatch(/nothing of their row/)
  })
})

@Entity()
class Member {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ keyPer: ['tenantId'], previous: [{ keyPer: [] }], search: true }) email!: string
}

@Entity('member')
class MemberBefore {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ search: true }) email!: string
}

describeDatabases('Blind indexes of values that get keys per tenant', (db) => {
  it('follow when they are rebuilt, as rotate says', async () => {
    const app = await startApplication(db(), [MemberBefore], withIndexKey)
    const before = app.dataSource.getRepository(MemberBefore)
    await before.insert([1, 2].map((id) => ({ id, tenantId: id, email: 'a@example.org' })))
    const { dataSource } = await app.restart({}, { entities: [Member] })
    loaded = dataSource
    const { stderr, stdout } = await tool(['rotate', '-d', __filename])
    expect((stderr + stdout).replaceAll(/\s+/g, ' ')).toMatch(
      /typeorm-kms encrypt -d \S+ --columns Member.email --rebuild-indexes/,
    )
    const fresh = await app.restart({}, { entities: [Member] })
    loaded = fresh.dataSource
    expect(
      await tool(['encrypt', '-d', __filename, '--columns', 'Member.email', '--rebuild-indexes']),
    ).toMatchObject({
      status: 0,
    })
    const after = await app.restart({}, { entities: [Member] })
    const members = after.dataSource.getRepository(Member)
    for (const tenantId of [1, 2])
      expect(await members.findBy({ tenantId, email: 'a@example.org' })).toMatchObject([{ id: tenantId }])
    await app.stop()
  })
})
