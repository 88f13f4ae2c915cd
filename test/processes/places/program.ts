/** An application on a database in WebAssembly, which is named on the command line. Prints what it saw as JSON. */
import 'reflect-metadata'
import { PGliteDriver } from 'typeorm-pglite'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionError, kmsEncryption } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { KEY, testKms, withIndexKey } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', default: '' }) label!: string
  @KmsEncrypted({ type: 'string', search: true }) email!: string
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] } }) text!: string
  @KmsEncrypted({ type: 'string', acceptPlaintext: true, nullable: true }) old!: string | null
}

@Entity()
class Letter {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string' }) text!: string
}

const places: Record<string, DataSourceOptions> = {
  sqljs: { type: 'sqljs' },
  pglite: { type: 'postgres', driver: new PGliteDriver({}).driver },
}

/** The code of the error with which something fails. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error as KmsEncryptionError).code,
  )
}

async function main(place: string): Promise<Record<string, unknown>> {
  const kms = await testKms()
  const { indexKey } = await withIndexKey(kms)
  const encryption = kmsEncryption({ keyId: KEY, client: kms.client, dataKeys: 'stored', indexKey })
  const options = { ...places[place], entities: [Note, Letter], synchronize: true } as DataSourceOptions
  const dataSource = await new DataSource(encryption.configure(options)).initialize()
  const notes = dataSource.getRepository(Note)
  const letters = dataSource.getRepository(Letter)
  const note = (email: string): Partial<Note> => ({ email, text: `text of ${email}` })

  await dataSource.query('BEGIN')
  const inTransactionOfItsOwn = await codeOf(letters.insert({ text: 'lost' }))
  await dataSource.query('ROLLBACK')
  await letters.insert({ text: 'kept' })
  await notes.insert(note('a@x'))
  await notes.save(notes.create(note('b@x')))
  await notes.insert(note('c@x'))
  const rows = await dataSource.query<{ text: Uint8Array }[]>('SELECT text FROM note ORDER BY id')
  const dataKeys = await dataSource.query<unknown[]>('SELECT id FROM kms_data_key')

  await dataSource.query(
    place === 'pglite'
      ? `UPDATE note SET old = 'plain' WHERE id > 0`
      : `UPDATE note SET old = X'${Buffer.from('plain').toString('hex')}'`,
  )
  const [encrypted] = await encryptColumns(dataSource, Note, ['old'])
  const verified = await verifyColumns(dataSource, Note, ['email', 'text', 'old'])
  const seen = {
    inTransactionOfItsOwn,
    begins: rows.map(({ text }) => Buffer.from(text).toString('hex', 0, 3)),
    dataKeys: dataKeys.length,
    letters: (await letters.find()).map(({ text }) => text),
    found: await notes.findOneBy({ email: 'b@x' }),
    all: (await notes.find({ order: { id: 'ASC' } })).map(({ email, text, old }) => [email, text, old]),
    encrypted: encrypted?.changed,
    plaintext: (await columnStatus(dataSource, Note, 'old')).plaintext,
    failed: verified.map(({ failed }) => failed),
  }
  // Each time with data keys that are not in memory.
  encryption.close()
  const fresh = kmsEncryption({ keyId: KEY, client: kms.client, dataKeys: 'stored', indexKey })
  await dataSource.dropDatabase()
  await dataSource.destroy()
  const again = await new DataSource(fresh.configure(options)).initialize()
  await again.query('DROP TABLE kms_data_key')
  const withoutKeyTable = await codeOf(again.getRepository(Note).save(note('d@x')))
  await again.destroy()
  fresh.close()
  return { ...seen, withoutKeyTable }
}

void main(process.argv[2] ?? '').then((seen) => {
  console.log(JSON.stringify(seen))
})
