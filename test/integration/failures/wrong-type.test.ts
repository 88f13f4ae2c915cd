import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

/** Writes what the reader's type does not take. */
@Entity('setting')
class TextSetting {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() value!: string
  @KmsEncrypted() other!: string
}

@Entity('setting')
class Setting {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'number' }) value!: number
  @KmsEncrypted() other!: string
}

describeDatabases('A value that its column does not take, first of those under its data key', (db) => {
  let writer: TestApplication

  beforeAll(async () => {
    writer = await startApplication(db(), [TextSetting])
    const settings = writer.dataSource.getRepository(TextSetting)
    await settings.insert(['no number', '2', '3'].map((value) => ({ value, other: `other ${value}` })))
    const [copied] = await settings
      .insert({ value: '4', other: 'other 4' })
      .then(({ identifiers }) => identifiers)
    // A value of another column, under the same data key.
    const table = db().quote('setting')
    const [row] = await db().rawQuery(`SELECT other FROM ${table} WHERE id = 4`)
    await db().rawQuery(`UPDATE ${table} SET ${db().quote('value')} = ? WHERE id = ?`, [
      row?.['other'],
      copied?.['id'],
    ])
  })
  afterAll(() => writer.stop())

  const read = (onUndecryptable: 'marker' | 'throw') =>
    writer
      .restart({ onUndecryptable }, { entities: [Setting] })
      .then(({ dataSource }) => dataSource.getRepository(Setting))

  describe.each([
    ['of another type', 'ASC', 1, 'INVALID_VALUE'],
    ['copied from another column', 'DESC', 4, 'CIPHERTEXT_TAMPERED'],
  ] as const)('%s', (_, direction, id, code) => {
    it('is the only one that fails, with the data key at hand and without', async () => {
      const settings = await read('marker')
      for (const page of ['cold', 'warm']) {
        const found = await settings.find({ order: { id: direction } })
        const outcomes = found.map(({ id, value }) => [id, undecryptable(value)?.failure.code ?? value])
        expect([page, new Map(outcomes as [number, unknown][])]).toEqual([
          page,
          new Map<number, unknown>([
            [1, 'INVALID_VALUE'],
            [2, 2],
            [3, 3],
            [4, 'CIPHERTEXT_TAMPERED'],
          ]),
        ])
        expect(found[0]).toMatchObject({ id })
        expect(undecryptable(found[0]?.value)?.failure).toMatchObject({ code, primaryKey: { id } })
      }
    })

    it('is the one that a read names which fails, and the others are read', async () => {
      const settings = await read('throw')
      for (const page of ['cold', 'warm']) {
        const error = await failure(settings.find({ order: { id: direction }, take: 3 }))
        expect([page, error]).toMatchObject([page, { code, entity: 'Setting', primaryKey: { id } }])
        expect((await settings.findBy({ id: 2 })).map(({ value }) => value)).toEqual([2])
      }
    })
  })
})
