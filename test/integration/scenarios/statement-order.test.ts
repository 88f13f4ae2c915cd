import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import { Column, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', length: 20, unique: true }) email!: string
  @KmsEncrypted({ mode: 'direct' }) secret!: string
}

/** TypeORM sends the updates of one save in parallel, and KMS delays those with encrypted values. */
describeDatabases('statements that wait for KMS', (db) => {
  let application: TestApplication
  let accounts: Repository<Account>
  let first: Account
  let second: Account

  beforeAll(async () => {
    application = await startApplication(db(), [Account])
    accounts = application.dataSource.getRepository(Account)
  })

  beforeEach(async () => {
    application.kms.misbehave({})
    await accounts.clear()
    ;[first, second] = (await accounts.save([
      { email: 'first', secret: 'of the first' },
      { email: 'second', secret: 'of the second' },
    ])) as [Account, Account]
    // The first statement fails at the database at once; the second waits for KMS meanwhile.
    first.email = 'second'
    second.secret = 'changed'
    application.kms.misbehave({ latency: 100 })
  })

  afterAll(() => application.stop())

  const stored = async () => {
    await sleep(250)
    return (await accounts.findOneByOrFail({ id: second.id })).secret
  }

  it('are not sent after the transaction of their save was rolled back', async () => {
    await failure(accounts.save([first, second]))
    await expect(stored()).resolves.toBe('of the second')
  })

  it('are not sent after the transaction of the application was rolled back', async () => {
    const queryRunner = application.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    await failure(queryRunner.manager.save([first, second]))
    await queryRunner.rollbackTransaction()
    await sleep(250)
    await queryRunner.release()
    await expect(stored()).resolves.toBe('of the second')
  })

  it('are not sent in the next transaction of the same query runner', async () => {
    const queryRunner = application.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    await failure(queryRunner.manager.save([first, second]))
    await queryRunner.rollbackTransaction()
    await queryRunner.startTransaction()
    await sleep(250)
    await queryRunner.commitTransaction()
    await queryRunner.release()
    await expect(stored()).resolves.toBe('of the second')
  })

  it('are sent before the commit that the application asks for after them', async () => {
    const queryRunner = application.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    const update = queryRunner.manager.update(Account, second.id, { secret: 'changed' })
    await sleep(20)
    const select = queryRunner.manager.findOneByOrFail(Account, { id: second.id })
    expect((await select).secret).toBe('changed')
    await update
    await queryRunner.commitTransaction()
    await queryRunner.release()
    await expect(stored()).resolves.toBe('changed')
  })
})
