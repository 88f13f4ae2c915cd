import { setTimeout as sleep } from 'node:timers/promises'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { databaseFindings } from '../../../src/cli/commands/doctor/database'
import { isInUse, type KeyUsage, keyUsage } from '../../../src/cli/commands/keys/key-usage'
import { KeyAdministration } from '../../../src/kms/aws/key-administration'
import { describeDatabases, NEEDS_ROLES } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Safe {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

/** The KMS key of the values is one that nobody is configured for any more. */
describeDatabases('The deletion guard and stored data keys', (db) => {
  let app: TestApplication
  let old: string

  beforeEach(async () => {
    app = await startApplication(db(), [Safe], { dataKeys: { lease: 500 } })
    old = await app.createKey()
    const { dataSource } = await app.restart({ keyId: old })
    await dataSource.getRepository(Safe).insert([
      { id: 1, secret: 'a' },
      { id: 2, secret: 'b' },
    ])
  })
  afterEach(() => app.stop())

  /** What is in use, by column. */
  async function inUse(dataSource = app.dataSource): Promise<Record<string, KeyUsage>> {
    const keys = new KeyAdministration(app.client)
    const usage = await keyUsage(dataSource, await keys.describe(old), keys)
    return Object.fromEntries(usage.filter(isInUse).map((column) => [column.column, column]))
  }
  const nameOf = (usage: object) => Object.keys(usage).find((name) => name.includes('kms_data_key')) ?? ''

  it('counts the values under it, and its rows of the key table', async () => {
    const usage = await inUse()
    expect(usage).toMatchObject({ 'Safe.secret': { rows: 2, configured: false } })
    expect(usage[nameOf(usage)]).toMatchObject({ dataKeys: 1 })
  })

  it('counts a data key that no value names: others may, or a blind index', async () => {
    await app.dataSource
      .getRepository(Safe)
      .clear()
      .catch(() => undefined)
    await db().rawQuery('DELETE FROM safe')
    const usage = await inUse()
    expect(Object.keys(usage)).toEqual([nameOf(usage)])
  })

  it('counts in an application that stores no data keys any more', async () => {
    const inline = (await app.restart({ dataKeys: 'inline' })).dataSource
    expect(await inUse(inline)).toMatchObject({ 'Safe.secret': { rows: 2 } })
  })

  it.each([
    ['a row is missing', 'DELETE FROM kms_data_key', { untold: 2 }],
    ['the table is missing', 'DROP TABLE kms_data_key', { untold: 2 }],
    ['a row names no KMS key', "UPDATE kms_data_key SET kms_key = 'somewhere'", { untold: 2 }],
  ])('does not take values for free where %s', async (_, sql, expected) => {
    await db().rawQuery(sql)
    expect((await inUse())['Safe.secret']).toMatchObject(expected)
  })

  it('is told of by the doctor, with what is left to do', async () => {
    const bad = async () =>
      (await databaseFindings(app.dataSource, 'ormconfig.ts')).filter(({ level }) => level !== 'ok')
    const isElsewhere = expect.objectContaining({
      level: 'warning',
      remedy: expect.stringContaining('rotate') as string,
    }) as unknown
    expect(await bad()).toEqual([isElsewhere])
    await app.encryption.forget({ table: 'safe' }, { wait: 1 }, app.dataSource)
    await sleep(5)
    expect(await bad()).toEqual([
      expect.objectContaining({ message: expect.stringContaining('the time is over') as string }),
      isElsewhere,
    ])
    await db().rawQuery('DELETE FROM safe')
    await db().rawQuery('DROP TABLE kms_data_key')
    expect(await bad()).toMatchObject([
      { level: 'problem', message: expect.stringContaining('is not in the database') as string },
    ])
  })

  it('is content after a rotation, and after forgetting', async () => {
    expect(await rotateColumns(app.dataSource, Safe, ['secret'])).toMatchObject([{ dataKeys: 1 }])
    expect(await inUse()).toEqual({})
    old = await app.createKey()
    await rotateColumns(app.dataSource, Safe, ['secret'], { to: old })
    expect(Object.keys(await inUse())).toHaveLength(2)
    await app.encryption.forget({ table: 'safe' }, {}, app.dataSource)
    expect(await inUse()).toEqual({})
  })
})

describeDatabases(
  'Row level security of the key table',
  (db) => {
    it('lets nobody take an empty key table for none, or forget what cannot be counted', async () => {
      const app = await startApplication(db(), [Safe], { dataKeys: { lease: 500 } })
      const key = await app.createKey()
      await (await app.restart({ keyId: key })).dataSource.getRepository(Safe).insert({ id: 1, secret: 'a' })
      const role = `role_${process.pid}_${Date.now()}`
      await db().rawQuery(`CREATE ROLE ${role}`)
      await db().rawQuery(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)
      await db().rawQuery('ALTER TABLE kms_data_key ENABLE ROW LEVEL SECURITY')
      const { dataSource, encryption } = await app.restart({}, { extra: { options: `-c role=${role}` } })
      const keys = new KeyAdministration(app.client)
      const [table] = await keyUsage(dataSource, await keys.describe(key), keys)
      expect(table).toMatchObject({ dataKeys: 0 })
      expect(table?.unseen).toContain('row level security hides rows of the table kms_data_key')
      // What is hidden is not lost, not moved, and not well.
      const hidden = { code: 'ROWS_HIDDEN', message: expect.stringContaining('kms_data_key') as unknown }
      await expect(columnStatus(dataSource, Safe, 'secret')).rejects.toMatchObject(hidden)
      await expect(rotateColumns(dataSource, Safe, ['secret'])).rejects.toMatchObject(hidden)
      await expect(encryption.forget({ table: 'safe' }, {}, dataSource)).rejects.toMatchObject(hidden)
      expect(await databaseFindings(dataSource, 'ormconfig.ts')).toContainEqual(
        expect.objectContaining({
          level: 'problem',
          message: expect.stringContaining('hides rows of the table kms_data_key') as unknown,
        }),
      )
      await db().rawQuery('ALTER TABLE kms_data_key DISABLE ROW LEVEL SECURITY')
      await db().rawQuery(`REVOKE SELECT ON kms_data_key FROM ${role}`)
      await expect(columnStatus(dataSource, Safe, 'secret')).rejects.toMatchObject({
        code: 'KEY_TABLE_UNAVAILABLE',
        message: expect.stringContaining('grant it SELECT') as unknown,
      })
      await db().rawQuery(`GRANT SELECT ON kms_data_key TO ${role}`)
      await db().rawQuery('ALTER TABLE safe ENABLE ROW LEVEL SECURITY')
      await expect(encryption.forget({ table: 'safe' }, {}, dataSource)).rejects.toMatchObject({
        code: 'ROWS_HIDDEN',
      })
      await dataSource.destroy()
      await db().rawQuery(`DROP OWNED BY ${role}`)
      await db().rawQuery(`DROP ROLE ${role}`)
      await app.stop()
    })
  },
  { databases: ['postgres'], without: NEEDS_ROLES },
)
