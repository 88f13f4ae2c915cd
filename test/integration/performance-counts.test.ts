import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import {
  Column,
  type DataSource,
  Entity,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { KmsEncrypted, type KmsEncryption } from 'typeorm-kms-encrypted'
import { boundColumns } from '../../src/orm/bound-columns'
import { Reader } from '../../src/orm/statement/read'
import { SealedAhead } from '../../src/orm/write/sealed-ahead'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'
import { StatementCounter } from '../support/statements'

@Entity()
class Owner {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ storage: 'text' }) note!: string
  @OneToMany(() => Wallet, ({ owner }) => owner, { cascade: true }) wallets!: Wallet[]
  @ManyToMany(() => Owner) @JoinTable() friends!: Owner[]
}

@Entity()
class Wallet {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() privateKey!: string
  @ManyToOne(() => Owner) owner!: Owner
}

@Entity()
class Vault {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ mode: 'direct' }) seed!: string
  @KmsEncrypted({ mode: 'direct', type: 'buffer', nullable: true }) pin!: Buffer | null
}

const privateKey = (): string => randomBytes(64).toString('hex')

const newOwner = (name: string, wallets = 0): Partial<Owner> => ({
  name,
  secret: `secret of ${name}`,
  note: `note of ${name}`,
  wallets: Array.from({ length: wallets }, () => ({ privateKey: privateKey() }) as Wallet),
})

const expectOwn = ({ name, secret, note }: Owner): void => {
  expect({ secret, note }).toEqual({ secret: `secret of ${name}`, note: `note of ${name}` })
}

describeDatabases('What reading and saving costs', (db) => {
  const statements = new StatementCounter()
  let app: TestApplication
  let dataSource: DataSource
  let encryption: KmsEncryption

  beforeAll(async () => {
    app = await startApplication(db(), [Owner, Wallet, Vault], {}, { logging: ['query'], logger: statements })
  })
  beforeEach(async () => {
    ;({ dataSource, encryption } = await app.restart())
  })
  afterEach(async () => {
    for (const table of ['owner_friends_owner', 'wallet', 'owner', 'vault']) {
      await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
    }
    await dataSource.destroy()
  })
  afterAll(() => app.stop())

  const decrypted = (): Record<string, number> =>
    Object.fromEntries(
      Object.entries(encryption.metrics().columns).map(([name, column]) => [name, column.decrypted]),
    )

  it('saving 200 unchanged rows sends no UPDATE, and decrypts each value twice', async () => {
    const owners = dataSource.getRepository(Owner)
    await owners.save(Array.from({ length: 200 }, (_, index) => newOwner(`o${index}`)) as Owner[])
    const found = await owners.find()
    statements.reset()
    const before = encryption.metrics()
    await owners.save(found)
    expect(statements.count('UPDATE') + statements.count('INSERT')).toBe(0)
    expect(encryption.metrics().columns['Owner.secret']).toEqual({
      encrypted: before.columns['Owner.secret']!.encrypted,
      decrypted: 400,
    })
  })

  it('a private key of 128 characters takes at most 350 bytes', async () => {
    await dataSource.getRepository(Wallet).save({ privateKey: privateKey() })
    const [row] = await dataSource
      .getRepository(Wallet)
      .createQueryBuilder('wallet')
      .getRawMany<{ wallet_privateKey: Buffer }>()
    expect(row!.wallet_privateKey.length).toBeLessThanOrEqual(350)
    // The encrypted data key of the embedded KMS is as long as AWS's.
    expect(Buffer.from(row!.wallet_privateKey).readUInt16BE(7)).toBe(184)
  })

  it('a statement is read once, whichever row it is for', async () => {
    const repository = dataSource.getRepository(Wallet)
    const wallets = await repository.save(Array.from({ length: 60 }, () => ({ privateKey: privateKey() })))
    const read = jest.spyOn(Reader.prototype, 'read')
    statements.reset()
    for (const wallet of wallets) wallet.privateKey = privateKey()
    await repository.save(wallets)
    for (const { id } of wallets) await repository.findOneByOrFail({ id })
    expect(statements.count('UPDATE')).toBe(60)
    // SQLite's driver writes numbers into the text: one reading for each number of digits, in UPDATE and SELECT.
    expect(read.mock.calls.length).toBeLessThanOrEqual(7)
    read.mockRestore()
  })

  it('a page of rows decrypts each value once', async () => {
    const owners = dataSource.getRepository(Owner)
    await owners.insert(Array.from({ length: 300 }, (_, index) => newOwner(`o${index}`)))
    const found = await owners.find()
    found.forEach(expectOwn)
    expect(decrypted()).toMatchObject({ 'Owner.secret': 300, 'Owner.note': 300 })
  })

  it('a join that repeats a value in 100 rows decrypts it once', async () => {
    const owners = dataSource.getRepository(Owner)
    const saved = await owners.save([newOwner('ann', 100), newOwner('bob', 100)] as Owner[])
    const found = await owners.find({
      relations: { wallets: true },
      order: { id: 'ASC', wallets: { id: 'ASC' } },
    })
    expect(found.map(({ wallets }) => wallets.map((wallet) => wallet.privateKey))).toEqual(
      saved.map(({ wallets }) => wallets.map((wallet) => wallet.privateKey)),
    )
    found.forEach(expectOwn)
    expect(decrypted()).toMatchObject({ 'Owner.secret': 2, 'Owner.note': 2, 'Wallet.privateKey': 200 })
  })

  it('raw results decrypt nothing', async () => {
    const wallets = dataSource.getRepository(Wallet)
    await wallets.insert(Array.from({ length: 20 }, () => ({ privateKey: privateKey() })))
    await wallets.createQueryBuilder('wallet').getRawMany()
    expect(decrypted()).toMatchObject({ 'Wallet.privateKey': 0 })
  })

  it.each([true, false])(
    'queries at once, of a table that is joined to itself, each get their own values (data keys at hand: %s)',
    async (warm) => {
      const owners = dataSource.getRepository(Owner)
      const names = Array.from({ length: 30 }, (_, index) => `o${index}`)
      const saved = await owners.save(names.map((name) => newOwner(name)) as Owner[])
      saved.forEach((owner, index) => {
        owner.friends = [1, 2, 3].map((step) => saved[(index + step) % saved.length]!)
      })
      await owners.save(saved)
      const reader = warm ? dataSource : (await app.restart()).dataSource
      const found = await Promise.all(
        Array.from({ length: 15 }, () =>
          reader.getRepository(Owner).find({ relations: { friends: true }, order: { id: 'ASC' } }),
        ),
      )
      for (const page of found) {
        expect(page.map(({ name }) => name)).toEqual(names)
        for (const owner of page) {
          expectOwn(owner)
          expect(owner.friends).toHaveLength(3)
          owner.friends.forEach(expectOwn)
        }
      }
      if (!warm) await reader.destroy()
    },
  )

  it('what a save announced is forgotten when it is over, however it ends', async () => {
    const runner = dataSource.createQueryRunner()
    const ahead = SealedAhead.of(runner)
    try {
      const [first, second] = [newOwner('first'), newOwner('second')]
      await runner.manager.save(Owner, [first, second])
      expect(ahead.isEmpty).toBe(true)
      const bad = { ...newOwner('bad'), note: 5 as unknown as string }
      await expect(runner.manager.save(Owner, [newOwner('third'), bad])).rejects.toThrow('Owner.note')
      expect(ahead.isEmpty).toBe(true)
      for (const { id } of [first, second]) {
        expectOwn(await runner.manager.findOneByOrFail(Owner, { id: id! }))
      }
      const [column] = boundColumns(dataSource.getMetadata(Owner))
      void ahead.announce(column!, column!.recipe, 'left over')
      await runner.release()
      expect(ahead.isEmpty).toBe(true)
    } finally {
      await runner.release()
    }
  })

  describe('In direct mode', () => {
    const encrypts = () => app.kms.calls.filter(({ operation }) => operation === 'Encrypt')
    const newVaults = (count: number): Vault[] =>
      Array.from(
        { length: count },
        (_, index) => ({ seed: `seed ${index % 30}`, pin: Buffer.of(index) }) as Vault,
      )

    beforeEach(() => {
      app.kms.calls.reset()
    })

    it('the values of a save are encrypted side by side, each by one call, equal ones to different bytes', async () => {
      const vaults = dataSource.getRepository(Vault)
      app.kms.misbehave({ latency: 500 })
      await vaults.save(newVaults(40))
      app.kms.misbehave({})
      expect(encrypts()).toHaveLength(80)
      const starts = encrypts().map(({ time }) => time.getTime())
      // 80 calls, 20 at once, are 4 rounds of half a second; one after the other they would be 80.
      expect(Math.max(...starts) - Math.min(...starts)).toBeLessThan(35_000)

      const found = await vaults.find({ order: { id: 'ASC' } })
      expect(found.map(({ seed, pin }) => ({ seed, pin }))).toEqual(newVaults(40))
      const raw = await vaults.createQueryBuilder('vault').getRawMany<{ vault_seed: Buffer }>()
      expect(new Set(raw.map(({ vault_seed }) => vault_seed.toString('hex')))).toHaveProperty('size', 40)
    })

    it('an update encrypts only what it changes', async () => {
      const vaults = dataSource.getRepository(Vault)
      const saved = await vaults.save(newVaults(10))
      app.kms.calls.reset()
      for (const vault of saved.slice(0, 3)) vault.seed += '!'
      saved[4]!.pin = null
      await vaults.save(saved)
      expect(encrypts()).toHaveLength(3)
      const found = await vaults.find({ order: { id: 'ASC' } })
      expect(found).toEqual(saved)
    })

    it('a save that fails leaves nothing wrong behind', async () => {
      const vaults = dataSource.getRepository(Vault)
      app.kms.misbehave({ deny: ['Encrypt'] })
      await expect(vaults.save(newVaults(5))).rejects.toMatchObject({
        code: 'KMS_ACCESS_DENIED',
        entity: 'Vault',
      })
      app.kms.misbehave({})
      const rollback = dataSource.transaction(async (manager) => {
        await manager.save(Vault, newVaults(5))
        throw new Error('changed my mind')
      })
      await expect(rollback).rejects.toThrow('changed my mind')
      await vaults.save(newVaults(5))
      const found = await vaults.find({ order: { id: 'ASC' } })
      expect(found.map(({ seed, pin }) => ({ seed, pin }))).toEqual(newVaults(5))
    })
  })
})
