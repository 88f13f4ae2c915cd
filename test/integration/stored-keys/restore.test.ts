import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication } from '../../support/encryption'

jest.setTimeout(120_000)

@Entity()
class Patient {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ context: { clinic: 'north' } }) north!: string
  @KmsEncrypted({ context: { clinic: 'south' } }) south!: string
  @KmsEncrypted({ context: { clinic: 'east' } }) east!: string
}

/** The statements that docs/operations.md gives, by database. */
function documented(isMysql: boolean): string[] {
  const text = readFileSync(join(__dirname, '../../../docs/operations.md'), 'utf8')
  const block = /```sql\n(-- MySQL, MariaDB. restored_key[\s\S]*?)```/.exec(text)?.[1] ?? ''
  const [mysql = '', others = ''] = block.split('-- PostgreSQL, SQLite')
  const statements = (isMysql ? mysql : others).replace(/^--.*$/gm, '').split(';')
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
}

describeDatabases('Two key tables that are put together as the documents say', (db) => {
  it('have the data keys of both, and none that either has destroyed', async () => {
    const app = await startApplication(db(), [Patient], { dataKeys: { lease: 300 } })
    const patients = app.dataSource.getRepository(Patient)
    await patients.insert({ id: 1, north: 'n', south: 's', east: 'e' })
    const rawQuery = (sql: string) => db().rawQuery(sql)
    const of = (clinic: string): string => `context = '{"clinic":"${clinic}"}'`
    // The backup has forgotten the south; since it was made, the north was forgotten and the row of the east was lost.
    await rawQuery(`CREATE TABLE restored_key AS SELECT * FROM kms_data_key`)
    await rawQuery(`UPDATE restored_key SET encrypted_data_key = NULL, destroyed_at = 5 WHERE ${of('south')}`)
    await app.encryption.forget({ clinic: 'north' })
    await rawQuery(`DELETE FROM kms_data_key WHERE ${of('east')}`)
    const statements = documented(db().name === 'mariadb')
    expect(statements).toHaveLength(2)
    for (const statement of statements) await rawQuery(statement)
    const rows = await rawQuery('SELECT * FROM kms_data_key')
    expect(rows).toHaveLength(3)
    for (const { context, encrypted_data_key: key, destroyed_at: destroyed } of rows) {
      const isEast = String(context).includes('east')
      expect([key !== null, destroyed === null]).toEqual([isEast, isEast])
    }
    const fresh = (await app.restart({ onUndecryptable: 'marker' })).dataSource.getRepository(Patient)
    expect(await fresh.findOneByOrFail({ id: 1 })).toMatchObject({ east: 'e' })
    await expect(patients.find({ select: { id: true, north: true } })).rejects.toMatchObject({
      code: 'FORGOTTEN',
    })
    await rawQuery('DROP TABLE restored_key')
    await app.stop()
  })
})
