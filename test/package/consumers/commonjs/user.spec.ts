import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type DataSource } from 'typeorm'
import { KmsEncryptionError, SearchRefusedError } from 'typeorm-kms-encrypted'
import { openDatabase } from './database'
import { User } from './user'

let dataSource: DataSource

beforeAll(async () => {
  dataSource = await openDatabase()
})

afterAll(() => dataSource.destroy())

it('saves and finds a user', async () => {
  const users = dataSource.getRepository(User)
  const { id } = await users.save({ email: 'a@example.org', privateKey: 'a private key', recovery: null })
  await expect(users.findOneBy({ id })).resolves.toMatchObject({
    privateKey: 'a private key',
    recovery: null,
  })
})

it('recognises the errors of the library', async () => {
  const search = dataSource.getRepository(User).findOneBy({ privateKey: 'a private key' })
  await expect(search).rejects.toBeInstanceOf(KmsEncryptionError)
  await expect(search).rejects.toBeInstanceOf(SearchRefusedError)
})
