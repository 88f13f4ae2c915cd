import 'reflect-metadata'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  DefaultNamingStrategy,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, testKms } from '../../support/encryption'
import { storedValues } from './support'

@Entity()
class Account {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) ownerName!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) directText!: string
}

@Entity({ schema: 'vault', name: 'hidden things' })
class InSchema {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ name: 'the secret value' }) secret!: string
  @ManyToOne('InSchema', { nullable: true }) @JoinColumn() parent!: InSchema | null
}

@Entity({ name: 'hidden things' })
class InDefaultSchema {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ name: 'the secret value' }) secret!: string
}

/** A second entity over a part of the same table. */
@Entity({ name: 'account', synchronize: false })
class AccountKey {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted() privateKey!: string
}

@ViewEntity({
  expression: (dataSource) =>
    dataSource
      .createQueryBuilder()
      .select('a.id', 'id')
      .addSelect('a.ownerName', 'owner')
      .addSelect('a.privateKey', 'shownKey')
      .addSelect('a.directText', 'directText')
      .from(Account, 'a'),
})
class AccountView {
  @ViewColumn() id!: number
  @ViewColumn() owner!: string
  @KmsEncrypted({ boundTo: { table: 'account', column: 'privateKey' } }) shownKey!: string
  @KmsEncrypted({ boundTo: { table: 'account' }, mode: 'direct', storage: 'text' }) directText!: string
}

@ViewEntity({
  name: 'unbound_view',
  expression: (dataSource) =>
    dataSource.createQueryBuilder().select('a.id', 'id').addSelect('a.privateKey', 'key').from(Account, 'a'),
})
class UnboundView {
  @ViewColumn() id!: number
  @KmsEncrypted() key!: string
}

@Entity()
class Renamed {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ boundTo: { table: 'account', column: 'privateKey' } }) key!: string
}

class SnakeCase extends DefaultNamingStrategy {
  readonly #snake = (text: string) => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

  override tableName(className: string, customName: string | undefined): string {
    return customName ?? `snake${this.#snake(className)}`
  }

  override columnName(property: string, customName: string | undefined, prefixes: string[]): string {
    return this.#snake([...prefixes, customName ?? property].join('_'))
  }
}

@Entity()
class Everything {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', nullable: true }) clear!: string | null
  @KmsEncrypted() plain!: string
  @KmsEncrypted({ nullable: true, comment: "it's a comment" }) commented?: string
  @KmsEncrypted({ storage: 'text' }) text!: string
  @KmsEncrypted({ maxLength: 100 }) short!: string
  @KmsEncrypted({ maxLength: 100, storage: 'text', nullable: true }) shortText?: string
  @KmsEncrypted({ maxLength: 20_000, mode: 'direct' }) medium!: string
  @KmsEncrypted({ maxLength: 70_000 }) large!: string
  @KmsEncrypted({ maxLength: 70_000, storage: 'text' }) largeText!: string
  @KmsEncrypted({ maxLength: 20_000_000 }) huge!: string
  @KmsEncrypted({ maxLength: 20_000_000, storage: 'text', name: 'huge text' }) hugeText!: string
}

describeDatabases('encrypted columns', (db) => {
  const values = () => ({ ownerName: 'Ann', privateKey: 'a key', directText: 'a text' })

  it('are read through a view that says where its values were written', async () => {
    const application = await startApplication(db(), [Account, AccountView, AccountKey])
    await application.dataSource
      .getRepository(Account)
      .save([values(), { ...values(), privateKey: 'another' }])
    const { dataSource } = await application.restart()
    await expect(dataSource.getRepository(AccountView).find({ order: { id: 'ASC' } })).resolves.toEqual([
      { id: 1, owner: 'Ann', shownKey: 'a key', directText: 'a text' },
      { id: 2, owner: 'Ann', shownKey: 'another', directText: 'a text' },
    ])
    await expect(
      dataSource.getRepository(AccountView).findOneBy({ id: 2, owner: 'Ann' }),
    ).resolves.toMatchObject({ shownKey: 'another' })
    const joined = await dataSource
      .createQueryBuilder(Account, 'account')
      .innerJoinAndMapOne('account.view', AccountView, 'view', 'view.id = account.id')
      .where('account.id = 2')
      .getOneOrFail()
    expect(joined).toMatchObject({ privateKey: 'another', view: { shownKey: 'another' } })
    await application.stop()
  })

  it('are not read through a view that does not say it', async () => {
    const application = await startApplication(db(), [Account, UnboundView])
    await application.dataSource.getRepository(Account).save(values())
    const error = await failure(application.dataSource.getRepository(UnboundView).find())
    expect(error).toMatchObject({ entity: 'UnboundView', property: 'key' })
    await application.stop()
  })

  it('are shared by two entities over one table', async () => {
    const application = await startApplication(db(), [Account, AccountKey])
    const { id } = await application.dataSource.getRepository(Account).save(values())
    await application.dataSource.getRepository(AccountKey).update(id, { privateKey: 'from the other' })
    const { dataSource } = await application.restart()
    const keys = dataSource.getRepository(AccountKey)
    await expect(keys.find()).resolves.toEqual([{ id, privateKey: 'from the other' }])
    await expect(dataSource.getRepository(Account).find()).resolves.toMatchObject([
      { privateKey: 'from the other' },
    ])
    await application.stop()
  })

  it('keep values that were written under another name', async () => {
    const application = await startApplication(db(), [Account, Renamed])
    await application.dataSource.getRepository(Account).save(values())
    const quoted = (name: string) => db().quote(name)
    await db().rawQuery(
      `INSERT INTO ${quoted('renamed')} (${quoted('key')}) SELECT ${quoted('privateKey')} FROM ${quoted('account')}`,
    )
    const renamed = application.dataSource.getRepository(Renamed)
    const [found] = await renamed.find()
    expect(found!.key).toBe('a key')
    await renamed.save(Object.assign(found!, { key: 'new' }))
    await expect(renamed.find()).resolves.toEqual([{ id: 1, key: 'new' }])
    await application.stop()
  })

  it('work with an entity prefix', async () => {
    const application = await startApplication(db(), [Account], {}, { entityPrefix: 'app_' })
    const saved = await application.dataSource.getRepository(Account).save(values())
    await storedValues(db(), 'app_account', 'privateKey', 'directText')
    const { dataSource } = await application.restart()
    await expect(dataSource.getRepository(Account).find()).resolves.toEqual([saved])
    await application.stop()
  })

  it('work with a naming strategy', async () => {
    const application = await startApplication(db(), [Account], {}, { namingStrategy: new SnakeCase() })
    const saved = await application.dataSource.getRepository(Account).save(values())
    await storedValues(db(), 'snake_account', 'private_key', 'direct_text')
    const { dataSource } = await application.restart()
    await expect(dataSource.getRepository(Account).find()).resolves.toEqual([saved])
    await dataSource.getRepository(Account).update(saved.id, { privateKey: 'updated' })
    await expect(dataSource.getRepository(Account).find()).resolves.toMatchObject([{ privateKey: 'updated' }])
    await application.stop()
  })

  it('work in schemas of PostgreSQL, also beside a table of the same name', async () => {
    if (db().name !== 'postgres') return
    await db().rawQuery('CREATE SCHEMA IF NOT EXISTS vault')
    const application = await startApplication(db(), [InSchema, InDefaultSchema])
    const things = application.dataSource.getRepository(InSchema)
    const parent = await things.save({ secret: 'parent' })
    await things.save({ secret: 'child', parent })
    await application.dataSource.getRepository(InDefaultSchema).save({ secret: 'public' })
    await storedValues(db(), 'vault.hidden things', 'the secret value')
    const { dataSource } = await application.restart()
    const found = await dataSource
      .getRepository(InSchema)
      .find({ relations: { parent: true }, order: { id: 'DESC' } })
    expect(found[0]).toMatchObject({ secret: 'child', parent: { secret: 'parent' } })
    await expect(dataSource.getRepository(InDefaultSchema).find()).resolves.toEqual([
      { id: 1, secret: 'public' },
    ])
    await application.stop()
  })

  it.each([
    ['envelope', {}],
    ['direct', { mode: 'direct' as const }],
  ])('need no change of the schema after it was synchronised, in %s mode', async (_, options) => {
    const { client } = await testKms()
    const encryption = kmsEncryption({ keyId: KEY, client, ...options })
    const { name, options: base } = db()
    for (const type of name === 'mariadb' ? (['mysql', 'mariadb'] as const) : [base.type]) {
      const dataSource = new DataSource(
        encryption.configure({
          ...base,
          type,
          entities: [Everything, Account, AccountView],
          synchronize: true,
          dropSchema: true,
        } as DataSourceOptions),
      )
      await dataSource.initialize()
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
      // On a MariaDB server that is called 'mysql', TypeORM changes every nullable column, encrypted or not.
      const byMistake = type === 'mysql' ? / NULL( COMMENT '.*')?$/ : /^$/
      expect(upQueries.map(({ query }) => query).filter((query) => !byMistake.test(query))).toEqual([])
      await dataSource.synchronize()
      const value = 'x'.repeat(100)
      const saved = await dataSource.getRepository(Everything).save({
        plain: value,
        commented: value,
        text: value,
        short: value,
        shortText: value,
        medium: value,
        large: value,
        largeText: value,
        huge: value,
        hugeText: value,
      })
      await expect(dataSource.getRepository(Everything).find()).resolves.toEqual([saved])
      await dataSource.destroy()
    }
    encryption.close()
  })
})
