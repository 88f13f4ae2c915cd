import 'reflect-metadata'
import { DataSource, type DataSourceOptions, Entity, Column, PrimaryColumn } from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity('note')
class Unbound {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  @KmsEncrypted({ type: 'string' }) envelope!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) direct!: string
  @KmsEncrypted({ type: 'string', storage: 'text' }) keyed!: string
}

const previous = [{ boundTo: { row: [] }, keyPer: [] }]

@Entity('note')
class Changing {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] }, previous }) envelope!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', boundTo: { row: ['id', 'tenantId'] }, previous })
  direct!: string
  @KmsEncrypted({ type: 'string', storage: 'text', boundTo: { row: ['id'] }, keyPer: ['tenantId'], previous })
  keyed!: string
}

@Entity('note')
class Bound {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] } }) envelope!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', boundTo: { row: ['id', 'tenantId'] } }) direct!: string
  @KmsEncrypted({ type: 'string', storage: 'text', boundTo: { row: ['id'] }, keyPer: ['tenantId'] })
  keyed!: string
}

const COLUMNS = ['envelope', 'direct', 'keyed'] as const
const ROWS = 12

describeDatabases('rows that were written before they were bound', (db) => {
  let app: TestApplication
  const started: DataSource[] = []
  const deploy = async <Note>(entity: new () => Note): Promise<DataSource> => {
    const encryption = kmsEncryption({ keyId: KEY, client: app.client })
    const options = { ...db().options, entities: [entity] } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    started.push(dataSource)
    return dataSource
  }
  const valuesOf = (id: number) => Object.fromEntries(COLUMNS.map((name) => [name, `${name} of ${id}`]))

  beforeAll(async () => {
    app = await startApplication(db(), [Unbound])
    await app.dataSource
      .getRepository(Unbound)
      .insert(Array.from({ length: ROWS }, (_, id) => ({ id, tenantId: id % 3, ...valuesOf(id) })))
  })
  afterAll(async () => {
    for (const dataSource of started) await dataSource.destroy()
    await app.stop()
  })

  it('are read through previous settings, and bound by the next save', async () => {
    const notes = (await deploy(Changing)).getRepository(Changing)
    await notes.save({ id: 1, envelope: 'new', direct: 'new', keyed: 'new' })
    for (const note of await notes.find()) {
      const changed = { envelope: 'new', direct: 'new', keyed: 'new' }
      expect(note).toEqual({
        id: note.id,
        tenantId: note.id % 3,
        ...(note.id === 1 ? changed : valuesOf(note.id)),
      })
    }
    expect(await failure((await deploy(Bound)).getRepository(Bound).find())).toMatchObject({
      entity: 'Bound',
    })
    await notes.save({ id: 1, ...valuesOf(1) })
  })

  it('are bound by rotate, which leaves nothing for a second run; then previous can go', async () => {
    const dataSource = await deploy(Changing)
    const results = await rotateColumns(dataSource, Changing, COLUMNS)
    expect(results.map(({ changed }) => changed)).toEqual(COLUMNS.map(() => ROWS - 1))
    const again = await rotateColumns(dataSource, Changing, COLUMNS)
    expect(again.map(({ changed }) => changed)).toEqual(COLUMNS.map(() => 0))

    const bound = await deploy(Bound)
    const verified = await verifyColumns(bound, Bound, COLUMNS)
    expect(verified.map(({ failed }) => failed)).toEqual(COLUMNS.map(() => 0))
    for (const note of await bound.getRepository(Bound).find()) expect(note).toMatchObject(valuesOf(note.id))
  })

  it('are moved to another KMS key as bound rows', async () => {
    const to = await app.createKey()
    const bound = await deploy(Bound)
    const results = await rotateColumns(bound, Bound, COLUMNS, { to })
    expect(results.map(({ changed }) => changed)).toEqual(COLUMNS.map(() => ROWS))
    for (const note of await (await deploy(Bound)).getRepository(Bound).find())
      expect(note).toMatchObject(valuesOf(note.id))
  })

  it('are found by verify where they were moved', async () => {
    const bound = await deploy(Bound)
    const table = db().quote('note')
    const [row] = await db().rawQuery(`SELECT envelope AS v FROM ${table} WHERE id = 3`)
    const [own] = await db().rawQuery(`SELECT envelope AS v FROM ${table} WHERE id = 4`)
    await db().rawQuery(`UPDATE ${table} SET envelope = ? WHERE id = 4`, [row!['v']])
    const [result] = await verifyColumns(bound, Bound, ['envelope'])
    expect(result).toMatchObject({ failed: 1, unreadable: [{ code: 'CIPHERTEXT_WRONG_ROW' }] })
    await db().rawQuery(`UPDATE ${table} SET envelope = ? WHERE id = 4`, [own!['v']])
  })

  it('are bound when they are encrypted in place', async () => {
    const table = db().quote('note')
    for (let id = 0; id < ROWS; id++)
      await db().rawQuery(`UPDATE ${table} SET envelope = ?, keyed = ? WHERE id = ?`, [
        Buffer.from(`envelope of ${id}`),
        `keyed of ${id}`,
        id,
      ])
    const bound = await deploy(Bound)
    const results = await encryptColumns(bound, Bound, ['envelope', 'keyed'])
    expect(results.map(({ changed }) => changed)).toEqual([ROWS, ROWS])
    for (const note of await (await deploy(Bound)).getRepository(Bound).find())
      expect(note).toMatchObject(valuesOf(note.id))
  })
})
