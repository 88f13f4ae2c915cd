import { openDatabase } from './database'
import { User } from './user'

async function main(): Promise<void> {
  const dataSource = await openDatabase()
  const users = dataSource.getRepository(User)
  await users.save({ email: 'a@example.org', privateKey: 'a private key', recovery: { codes: ['1', '2'] } })
  const { privateKey, recovery } = await users.findOneByOrFail({ email: 'a@example.org' })
  const rows: { privateKey: Uint8Array }[] = await dataSource.query('SELECT * FROM user')
  await dataSource.destroy()
  console.log(
    JSON.stringify({ privateKey, recovery, row: Buffer.from(rows[0].privateKey).toString('hex', 0, 3) }),
  )
}

void main()
