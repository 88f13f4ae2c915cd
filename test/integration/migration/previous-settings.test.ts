import { DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity('note')
class Note {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) context!: string
  @KmsEncrypted({ type: 'string' }) renamed!: string
  @KmsEncrypted({ type: 'string' }) mode!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) direct!: string
  @KmsEncrypted({ type: 'string', maxLength: 1000 }) storage!: string
}

const then = { boundTo: { table: 'note' } }

@Entity('note')
class ChangedNote {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', context: { app: 'new' }, previous: [{ context: { app: 'wrong' } }, then] })
  context!: string
  @KmsEncrypted({
    type: 'string',
    boundTo: { column: 'new_name' },
    previous: [{ boundTo: { column: 'renamed' } }],
  })
  renamed!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', previous: [{ mode: 'envelope' }] }) mode!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', context: { app: 'new' }, previous: [then] }) direct!: string
  @KmsEncrypted({ type: 'string', storage: 'text', maxLength: 1000 }) storage!: string
}

@Entity('note')
class RotatedNote {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', context: { app: 'new' } }) context!: string
  @KmsEncrypted({ type: 'string', boundTo: { column: 'new_name' } }) renamed!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) mode!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', context: { app: 'new' } }) direct!: string
  @KmsEncrypted({ type: 'string', storage: 'text', maxLength: 1000 }) storage!: string
}

const COLUMNS = ['context', 'renamed', 'mode', 'direct', 'storage'] as const

describeDatabases('values of earlier settings', (db) => {
  let app: TestApplication
  const started: DataSource[] = []
  const deploy = async (entity: new () => object): Promise<DataSource> => {
    const encryption = kmsEncryption({ keyId: KEY, client: app.client })
    const options = { ...db().options, entities: [entity] } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    started.push(dataSource)
    return dataSource
  }
  const valuesOf = (id: number) => Object.fromEntries(COLUMNS.map((name) => [name, `${name} of ${id}`]))

  beforeAll(async () => {
    app = await startApplication(db(), [Note])
    const notes = Array.from({ length: 40 }, (_, id) => ({ id, ...valuesOf(id) }))
    await app.dataSource.getRepository(Note).insert(notes)
  })
  afterAll(async () => {
    for (const dataSource of started) await dataSource.destroy()
    await app.stop()
  })

  it('are read under the new ones, beside new values', async () => {
    const { dataSource } = { dataSource: await deploy(ChangedNote) }
    const notes = dataSource.getRepository(ChangedNote)
    await notes.update({ id: 1 }, { renamed: 'new', direct: 'new', mode: 'new', context: 'new' })
    for (const note of await notes.find({ order: { id: 'ASC' } })) {
      const changed = { renamed: 'new', direct: 'new', mode: 'new', context: 'new' }
      expect(note).toEqual({ id: note.id, ...valuesOf(note.id), ...(note.id === 1 ? changed : {}) })
    }
    app.kms.calls.reset()
    const cold = await deploy(ChangedNote)
    await cold.getRepository(ChangedNote).find({ select: { id: true, renamed: true } })
    expect(app.kms.calls.count()).toBeLessThanOrEqual(2)
  })

  it('are brought up to date by a rotation, after which the earlier settings can go', async () => {
    const dataSource = await deploy(ChangedNote)
    const results = await rotateColumns(dataSource, ChangedNote, COLUMNS)
    expect(results.map(({ changed }) => changed)).toEqual([39, 39, 39, 39, 40])
    const again = await rotateColumns(dataSource, ChangedNote, COLUMNS)
    expect(again.map(({ changed }) => changed)).toEqual([0, 0, 0, 0, 0])

    const rotated = await deploy(RotatedNote)
    const verified = await verifyColumns(rotated, RotatedNote, COLUMNS)
    expect(verified.map(({ failed }) => failed)).toEqual([0, 0, 0, 0, 0])
    const note = await rotated.getRepository(RotatedNote).findOneByOrFail({ id: 7 })
    expect(note).toEqual({ id: 7, ...valuesOf(7) })
  })
})
