import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describeDatabases, typeormVersion } from '../support/databases'

function noteEntity(binary: 'blob' | 'bytea') {
  @Entity()
  class Note {
    @PrimaryGeneratedColumn() id!: number
    @Column('text') text!: string
    @Column(binary) bytes!: Buffer
  }
  return Note
}

test('the TypeORM under test is the one of the Jest project', () => {
  expect(typeormVersion).toMatch(/^(1\.|0\.3\.)/)
})

describeDatabases('A test database', (db) => {
  const entity = () => noteEntity(db().name === 'postgres' ? 'bytea' : 'blob')

  test('keeps binary and 4-byte characters as they are', async () => {
    const note = entity()
    const dataSource = new DataSource({ ...db().options, entities: [note], synchronize: true })
    await dataSource.initialize()
    try {
      const text = 'smörgås 🔑 \u{10ffff}'
      const bytes = Buffer.concat([Buffer.from([0xc1, 0x01, 0x00, 0xff]), randomBytes(1000)])
      const repository = dataSource.getRepository(note)
      await repository.save({ text, bytes })

      expect(await repository.find()).toEqual([{ id: 1, text, bytes }])
      const rows = await db().rawQuery(`SELECT * FROM ${db().quote('note')} WHERE id = ?`, [1])
      expect(rows).toEqual([{ id: 1, text, bytes }])
    } finally {
      await dataSource.destroy()
    }
  })
})
