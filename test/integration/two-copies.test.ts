import 'reflect-metadata'
import { Entity, EntitySchema, getMetadataArgsStorage, PrimaryGeneratedColumn } from 'typeorm'
import * as first from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

type Package = typeof first

/** The package, loaded anew. */
function anotherCopy(): Package {
  let copy: Package | undefined
  jest.isolateModules(() => {
    copy = jest.requireActual<Package>('typeorm-kms-encrypted')
  })
  if (!copy || copy.KmsEncrypted === first.KmsEncrypted) throw new Error('this is not another copy')
  return copy
}

interface Note {
  id: number
  secret: string
  size: number | null
}

function noteOf({ KmsEncrypted }: Package): new () => Note {
  class Declared implements Note {
    id!: number
    secret!: string
    size!: number | null
  }
  PrimaryGeneratedColumn()(Declared.prototype, 'id')
  KmsEncrypted({ type: 'string' })(Declared.prototype, 'secret')
  KmsEncrypted({ type: 'number', nullable: true, storage: 'text', mode: 'direct' })(
    Declared.prototype,
    'size',
  )
  Entity('note')(Declared)
  return Declared
}

describeDatabases('Two loaded copies of the package', (db) => {
  let app: TestApplication | undefined

  afterEach(async () => {
    await app?.stop()
    app = undefined
  })

  const stored = async () => (await db().rawQuery(`SELECT * FROM ${db().quote('note')}`))[0]

  it('work together: entities of one, kmsEncryption() of the other', async () => {
    const second = anotherCopy()
    const Note = noteOf(second)
    app = await startApplication(db(), [Note], { onUndecryptable: 'marker' })
    const notes = app.dataSource.getRepository(Note)
    const { id } = await notes.save({ secret: 'of Ada', size: 1 })
    const row = await stored()
    expect(Buffer.from(row?.['secret'] as Buffer).subarray(0, 2)).toEqual(Buffer.from([0xc1, 1]))
    expect(row?.['size']).toMatch(/^[\w+/]+=*$/)
    expect(await notes.find()).toMatchObject([{ id, secret: 'of Ada', size: 1 }])
    expect(await failure(notes.findBy({ secret: 'of Ada' }))).toMatchObject({ code: 'SEARCH_REFUSED' })
    expect(await failure(notes.save({ secret: 1 } as never))).toMatchObject({
      code: 'INVALID_VALUE',
      property: 'secret',
    })

    const bytes = Buffer.from(row?.['secret'] as Buffer)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await db().rawQuery(`UPDATE ${db().quote('note')} SET ${db().quote('secret')} = ?`, [bytes])
    const broken = await notes.findOneByOrFail({ id })
    expect([first, second].map((each) => each.isUndecryptable(broken.secret))).toEqual([true, true])
    expect(second.undecryptable(broken.secret)?.failure.code).toBe('CIPHERTEXT_TAMPERED')
  })

  it('work together for an EntitySchema', async () => {
    const { kmsEncryptedColumn } = anotherCopy()
    const schema = new EntitySchema<{ id: number; secret: string }>({
      name: 'note',
      columns: {
        id: { type: 'int', primary: true, generated: true },
        secret: kmsEncryptedColumn({ type: 'string' }),
      },
    })
    app = await startApplication(db(), [schema])
    const notes = app.dataSource.getRepository(schema)
    await notes.save({ secret: 'of Ada' })
    expect(await notes.find()).toMatchObject([{ secret: 'of Ada' }])
  })

  it('are named, with their folders, where one does not understand the other', async () => {
    const second = anotherCopy()
    const Note = noteOf(second)
    const { columns } = getMetadataArgsStorage()
    const { transformer } =
      columns.find(({ target, propertyName }) => target === Note && propertyName === 'secret')?.options ?? {}
    const scheme = (transformer as unknown as { scheme: { options: Record<string, unknown> } }).scheme
    scheme.options['tomorrow'] = true
    expect(await failure(startApplication(db(), [Note]))).toMatchObject({
      code: 'NOT_CONFIGURED',
      property: 'secret',
      message: expect.stringMatching(/two copies .*src.*src.*npm ls.*tomorrow/s) as string,
    })
    columns.splice(0, columns.length, ...columns.filter(({ target }) => target !== Note))
  })
})
