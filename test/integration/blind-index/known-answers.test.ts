import { EncryptCommand } from '@aws-sdk/client-kms'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication } from '../../support/encryption'
import { blindIndexes } from '../../unit/cipher/vectors'

const itself = (value: string): string => value

@Entity('user')
class User {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({
    search: [true, { name: 'lower', from: itself }, { name: 'short', from: itself, bits: 12 }],
  })
  email!: string
  @KmsEncrypted({ search: { name: 'person', with: ['first', 'born'] } }) last!: string
  @KmsEncrypted() first!: string
  @KmsEncrypted({ type: 'date' }) born!: Date
}

@Entity('customer')
class Customer {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ search: true, storage: 'text' }) email!: string
}

const answer = (name: string): string => {
  const found = blindIndexes.find((each) => each.name === `blind index: ${name}`)
  if (!found) throw new Error(`there is no known answer for ${name}`)
  return found.value
}

describeDatabases('The indexes that an application writes are the known answers', (db) => {
  it('under the same root, for values, parts of them, some bits and several columns', async () => {
    const root = Buffer.from(blindIndexes[0]!.root, 'hex')
    const app = await startApplication(db(), [User, Customer], async ({ client }) => {
      const { CiphertextBlob } = await client.send(
        new EncryptCommand({ KeyId: KEY, Plaintext: root, EncryptionContext: { 'data-key': 'index' } }),
      )
      return { indexKey: Buffer.from(CiphertextBlob!).toString('base64') }
    })
    const person = { last: 'Lovelace', first: 'Ada', born: new Date('1815-12-10') }
    await app.dataSource.getRepository(User).insert([
      { id: 1, email: 'ada@example.com', ...person },
      { id: 2, email: 'bob@example.com', ...person },
    ])
    await app.dataSource.getRepository(Customer).insert({ id: 1, email: 'ada@example.com' })
    const shown = (rows: Record<string, unknown>[]) =>
      rows.map((row) =>
        Object.fromEntries(
          Object.entries(row)
            .filter(([name]) => /_/.test(name))
            .map(([name, value]) => [name, Buffer.isBuffer(value) ? value.toString('hex') : value]),
        ),
      )
    const users = await db().rawQuery(`SELECT * FROM ${db().quote('user')} ORDER BY id`)
    expect(shown(users)).toEqual([
      {
        email_index: answer('a string'),
        email_lower: answer('another index of the column'),
        email_short: answer('12 of the bits'),
        last_person: answer('three columns'),
      },
      expect.objectContaining({
        email_index: answer('another value'),
        email_short: answer('12 of the bits, another value'),
      }),
    ])
    expect(shown(await db().rawQuery('SELECT * FROM customer'))).toEqual([
      { email_index: answer('another table') },
    ])
    await app.stop()
  })
})
