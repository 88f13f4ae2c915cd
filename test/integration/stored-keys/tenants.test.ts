import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Invoice {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  @KmsEncrypted({ keyPer: { tenant: 'tenantId' } }) iban!: string
}

@Entity()
class Message {
  @PrimaryColumn('int') id!: number
  @Column('bigint') owner!: string
  @KmsEncrypted({ keyPer: { tenant: 'owner' }, context: { of: 'messages' } }) text!: string
}

const LEASE = 150

describeDatabases('Data keys of tenants', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Invoice, Message], { dataKeys: { lease: LEASE } })
    await app.dataSource.getRepository(Invoice).insert([
      { id: 1, tenantId: 42, iban: 'one' },
      { id: 2, tenantId: 42, iban: 'two' },
      { id: 3, tenantId: 7, iban: 'three' },
    ])
  })
  afterEach(() => app.stop())

  const invoices = () => app.dataSource.getRepository(Invoice)
  const keyTable = () => db().rawQuery('SELECT * FROM kms_data_key ORDER BY context')

  it('are moved to another KMS key, one call each, and no value is written', async () => {
    const other = await app.createKey()
    const before = await db().rawQuery('SELECT * FROM invoice ORDER BY id')
    app.kms.calls.reset()
    expect(await rotateColumns(app.dataSource, Invoice, ['iban'], { to: other })).toMatchObject([
      { changed: 0, dataKeys: 2, rows: 3 },
    ])
    expect(app.kms.calls.count()).toBe(2)
    expect(await db().rawQuery('SELECT * FROM invoice ORDER BY id')).toEqual(before)
    expect((await keyTable()).map(({ kms_key }) => kms_key)).toEqual([other, other])
    expect(await (await app.restart()).dataSource.getRepository(Invoice).find()).toHaveLength(3)
  })

  it('are not moved under a context that the key table only claims', async () => {
    const other = await app.createKey()
    await db().rawQuery('UPDATE kms_data_key SET context = ?', ['{"table":"invoice","tenant":"8"}'])
    app.kms.calls.reset()
    expect(
      await rotateColumns(app.dataSource, Invoice, ['iban'], { dryRun: true, to: other }).catch(() => []),
    ).toEqual(expect.anything())
    expect(app.kms.calls.count('ReEncrypt')).toBe(0)
    expect((await keyTable()).map(({ kms_key }) => kms_key)).not.toContain(other)
  })

  it('are forgotten tenant by tenant, in all tables that call the pair so', async () => {
    await app.dataSource.getRepository(Message).insert({ id: 1, owner: '42', text: 'hello' })
    const report = await app.encryption.forget({ tenant: '42' })
    expect(report).toMatchObject({
      state: 'destroyed',
      rows: 3,
      columns: [
        { entity: 'Invoice', rows: 2 },
        { entity: 'Message', rows: 1 },
      ],
    })
    expect(report.dataKeys.map(({ context }) => context)).toEqual(
      expect.arrayContaining([
        { table: 'invoice', tenant: '42' },
        { of: 'messages', tenant: '42' },
      ]),
    )
    expect(await invoices().findOneByOrFail({ id: 3 })).toMatchObject({ iban: 'three' })
    await expect(invoices().findOneByOrFail({ id: 1 })).rejects.toMatchObject({ code: 'FORGOTTEN' })
    expect(await columnStatus(app.dataSource, Invoice, 'iban')).toMatchObject({
      forgotten: 2,
      ciphertext: [{ mode: 'stored', rows: 1 }],
    })
  })

  it('are forgotten only when no value of the tenant carries its own', async () => {
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    await inline.getRepository(Invoice).insert([
      { id: 4, tenantId: 7, iban: 'four' },
      { id: 5, tenantId: 42, iban: 'five' },
    ])
    await expect(app.encryption.forget({ tenant: '42' }, {}, app.dataSource)).rejects.toMatchObject({
      message: expect.stringContaining('1 values of the context in Invoice.iban') as string,
    })
    const report = await app.encryption.forget({ tenant: '42' }, { leaveInline: true }, app.dataSource)
    expect(report.columns).toEqual([
      { entity: 'Invoice', property: 'iban', rows: 2, history: 0, inline: 1, indexes: [] },
    ])
    expect(await app.encryption.forget({ tenant: "4'2" }, {}, app.dataSource)).toMatchObject({
      state: 'nothing',
    })
  })
})
