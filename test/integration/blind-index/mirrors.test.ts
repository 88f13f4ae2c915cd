import { EntitySchema, type FindOptionsWhere } from 'typeorm'
import { Indexed, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { startApplication, withIndexKey } from '../../support/encryption'

interface Guest {
  id: number
  tenant: number
  last: string | null
  first: string
  lastNew?: string | null
  firstNew?: string | null
}

/** New columns beside those that they will replace, declared in a schema with all that a column can have. */
const GuestSchema = new EntitySchema<Guest>({
  name: 'Guest',
  columns: {
    id: { type: 'int', primary: true },
    tenant: { type: 'int' },
    last: { type: 'varchar', length: 40, nullable: true },
    first: { type: 'varchar', length: 40 },
    lastNew: kmsEncryptedColumn({
      type: 'string',
      nullable: true,
      mirrorOf: 'last',
      keyPer: ['tenant'],
      boundTo: { row: ['id'] },
      redact: true,
      search: [true, { name: 'both', with: ['firstNew'] }],
    }),
    firstNew: kmsEncryptedColumn({
      type: 'string',
      nullable: true,
      mirrorOf: 'first',
      keyPer: ['tenant'],
      search: { bits: 6 },
    }),
  },
})

describeDatabases('Blind indexes of columns that mirror others', (db) => {
  it('are written whenever the others are, alone and over several columns', async () => {
    const app = await startApplication(db(), [GuestSchema], withIndexKey)
    const guests = app.dataSource.getRepository(GuestSchema)
    const ids = async (where: FindOptionsWhere<Guest>): Promise<number[]> =>
      (await guests.findBy({ tenant: 1, ...where })).map(({ id }) => id).sort()
    const found = async () => ({
      last: await ids({ lastNew: 'L' }),
      first: await ids({ firstNew: 'F' }),
      both: await ids({ lastNew: Indexed('both', { lastNew: 'L', firstNew: 'F' }) }),
    })

    await guests.insert([
      { id: 1, tenant: 1, last: 'L', first: 'F' },
      { id: 2, tenant: 1, last: null, first: 'F' },
    ])
    await guests.save({ id: 3, tenant: 1, last: 'L', first: 'G' })
    expect(await found()).toEqual({ last: [1, 3], first: [1, 2], both: [1] })

    await guests.save({ ...(await guests.findOneByOrFail({ id: 3 })), first: 'F' })
    await guests.update({ id: 2, tenant: 1 }, { last: 'L' })
    expect(await found()).toEqual({ last: [1, 2, 3], first: [1, 2, 3], both: [1, 2, 3] })

    await guests.update({ id: 1 }, { last: null })
    expect(await found()).toEqual({ last: [2, 3], first: [1, 2, 3], both: [2, 3] })

    const byId = guests.createQueryBuilder().update().where('id = :id', { id: 1 })
    await byId.set({ last: 'L', first: 'G' }).execute()
    const expected = { last: [1, 2, 3], first: [2, 3], both: [2, 3] }
    expect(await found()).toEqual(expected)

    // Rows of before are filled, with their indexes.
    const columns = ['lastNew', 'lastNew_index', 'lastNew_both', 'firstNew', 'firstNew_index']
    const emptied = columns.map((name) => `${db().quote(name)} = NULL`).join(', ')
    await db().rawQuery(`UPDATE ${db().quote('guest')} SET ${emptied}`)
    const filled = await encryptColumns(app.dataSource, GuestSchema, ['lastNew', 'firstNew'])
    expect(filled).toMatchObject([{ changed: 3 }, { changed: 3 }])
    expect(await found()).toEqual(expected)
    await app.stop()
  })
})
