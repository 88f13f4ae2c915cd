import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AfterInsert,
  AfterLoad,
  AfterUpdate,
  BeforeInsert,
  BeforeRemove,
  BeforeUpdate,
  Column,
  Entity,
  type EntitySubscriberInterface,
  EventSubscriber,
  type InsertEvent,
  ManyToOne,
  PrimaryGeneratedColumn,
  type Repository,
  type UpdateEvent,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'
import { storedValues } from './support'

/** What listeners and subscribers saw, in order. */
let seen: [event: string, value: unknown][] = []

@Entity()
class Listening {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ mode: 'direct' }) direct!: string
  @Column({ type: 'varchar', nullable: true }) clear!: string | null

  @BeforeInsert() beforeInsert() {
    seen.push(['BeforeInsert', this.secret])
  }
  @AfterInsert() afterInsert() {
    seen.push(['AfterInsert', this.secret])
  }
  @BeforeUpdate() beforeUpdate() {
    seen.push(['BeforeUpdate', this.secret])
  }
  @AfterUpdate() afterUpdate() {
    seen.push(['AfterUpdate', this.secret])
  }
  @BeforeRemove() beforeRemove() {
    seen.push(['BeforeRemove', this.secret])
  }
  @AfterLoad() afterLoad() {
    seen.push(['AfterLoad', `${this.secret} ${this.direct}`])
  }
}

@Entity()
class SyncChange {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string

  @BeforeInsert() @BeforeUpdate() change() {
    this.secret = this.secret.toUpperCase()
  }
  @AfterLoad() mark() {
    this.secret += '!'
  }
}

@Entity()
class AsyncChange {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', nullable: true }) late?: string

  @BeforeInsert() async hash() {
    await sleep(10)
    this.secret = `hash of ${this.secret}`
    this.late = 'added late'
  }
  @BeforeUpdate() async rehash() {
    await sleep(10)
    if (!this.secret.startsWith('hash')) this.secret = `hash of ${this.secret}`
  }
  @AfterLoad() async remember() {
    await sleep(1)
    seen.push(['AfterLoad', this.secret])
  }
}

@Entity()
class Watched {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ type: 'json', nullable: true }) data!: { by: string[] } | null
}

@Entity()
class DepartmentOfInternationalCorrespondence {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() confidentialDescriptionOfResponsibilities!: string
  @ManyToOne('DepartmentOfInternationalCorrespondence', { nullable: true })
  departmentThatSupervisesThisDepartment!: DepartmentOfInternationalCorrespondence | null
  @AfterLoad() afterLoad() {
    seen.push(['AfterLoad', this.confidentialDescriptionOfResponsibilities])
  }
}

@EventSubscriber()
class Watcher implements EntitySubscriberInterface<Watched> {
  listenTo() {
    return Watched
  }
  beforeInsert({ entity }: InsertEvent<Watched>) {
    seen.push(['beforeInsert', entity.secret])
    entity.secret += ' + inserted'
  }
  afterInsert({ entity }: InsertEvent<Watched>) {
    seen.push(['afterInsert', entity.secret])
  }
  async beforeUpdate({ entity, databaseEntity, updatedColumns }: UpdateEvent<Watched>) {
    await sleep(10)
    if (!entity) return
    const names = updatedColumns.map(({ propertyName }) => propertyName)
    seen.push(['beforeUpdate', [(databaseEntity as Watched | undefined)?.secret, entity['secret'], names]])
    entity['data'] = { by: ['watcher'] }
  }
  afterUpdate({ entity, databaseEntity }: UpdateEvent<Watched>) {
    seen.push(['afterUpdate', [(databaseEntity as Watched | undefined)?.secret, entity?.['secret']]])
  }
  afterLoad(entity: Watched) {
    seen.push(['afterLoad', entity.secret])
  }
}

@EventSubscriber()
class Spoiler implements EntitySubscriberInterface<Watched> {
  static on = false
  listenTo() {
    return Watched
  }
  beforeInsert({ entity }: InsertEvent<Watched>) {
    if (Spoiler.on) Object.assign(entity, { secret: 42 })
  }
}

const { subscriber } = kmsEncryption({ keyId: KEY })

describe.each([
  ['that come after ours', [Watcher, Spoiler]],
  ['that come before ours', [Watcher, Spoiler, subscriber]],
] as const)('subscribers %s, and listeners', (_, subscribers) => {
  describeDatabases('of entities with encrypted columns', (db) => {
    let application: TestApplication

    beforeAll(async () => {
      const entities = [Listening, SyncChange, AsyncChange, Watched, DepartmentOfInternationalCorrespondence]
      application = await startApplication(db(), entities, {}, { subscribers: [...subscribers] })
    })

    beforeEach(() => {
      seen = []
    })

    afterAll(() => application.stop())

    const repository = <T extends object>(Class: new () => T): Repository<T> =>
      application.dataSource.getRepository(Class)

    it('see plaintext', async () => {
      const repo = repository(Listening)
      const entity = await repo.save(repo.create({ secret: 'one', direct: 'd' }))
      entity.secret = 'two'
      await repo.save(entity)
      const { dataSource } = await application.restart()
      await dataSource.getRepository(Listening).findOneByOrFail({ id: entity.id })
      await repo.remove(entity)
      expect(seen).toEqual([
        ['BeforeInsert', 'one'],
        ['AfterInsert', 'one'],
        ['AfterLoad', 'one d'],
        ['BeforeUpdate', 'two'],
        ['AfterUpdate', 'two'],
        ['AfterLoad', 'two d'],
        // remove() loads the row as well
        ['AfterLoad', 'two d'],
        ['BeforeRemove', 'two'],
      ])
    })

    it('see plaintext under aliases that TypeORM shortens to a hash', async () => {
      const repo = repository(DepartmentOfInternationalCorrespondence)
      const top = await repo.save({ confidentialDescriptionOfResponsibilities: 'top' })
      await repo.save({
        confidentialDescriptionOfResponsibilities: 'below',
        departmentThatSupervisesThisDepartment: top,
      })
      seen = []
      const { dataSource } = await application.restart()
      await dataSource.getRepository(DepartmentOfInternationalCorrespondence).find({
        relations: { departmentThatSupervisesThisDepartment: true },
        where: { departmentThatSupervisesThisDepartment: { id: top.id } },
      })
      expect(seen.map(([, value]) => value).sort()).toEqual(['below', 'top'])
    })

    it('change values synchronously', async () => {
      const repo = repository(SyncChange)
      const { id } = await repo.save(repo.create({ secret: 'low' }))
      await storedValues(db(), 'sync_change', 'secret')
      const found = await repo.findOneByOrFail({ id })
      expect(found.secret).toBe('LOW!')
      found.secret = 'new'
      await repo.save(found)
      expect(found.secret).toBe('NEW')
      expect((await repo.findOneByOrFail({ id })).secret).toBe('NEW!')
    })

    it('change values asynchronously, and those they add are encrypted too', async () => {
      const repo = repository(AsyncChange)
      const entity = await repo.save(repo.create({ secret: 'x' }))
      expect(entity).toMatchObject({ secret: 'hash of x', late: 'added late' })
      await storedValues(db(), 'async_change', 'secret', 'late')
      entity.secret = 'y'
      await repo.save(entity)
      const { dataSource } = await application.restart()
      seen = []
      const found = await dataSource.getRepository(AsyncChange).findOneByOrFail({ id: entity.id })
      expect(found).toMatchObject({ secret: 'hash of y', late: 'added late' })
      expect(seen).toEqual([['AfterLoad', 'hash of y']])
      await storedValues(db(), 'async_change', 'secret', 'late')
    })

    it('see and change plaintext in subscribers of the application', async () => {
      const repo = repository(Watched)
      const entity = await repo.save(repo.create({ secret: 's', data: null }))
      expect(entity.secret).toBe('s + inserted')
      entity.secret = 't'
      await repo.save(entity)
      expect(entity.data).toEqual({ by: ['watcher'] })
      expect(seen).toEqual([
        ['beforeInsert', 's'],
        ['afterInsert', 's + inserted'],
        ['afterLoad', 's + inserted'],
        ['beforeUpdate', ['s + inserted', 't', ['secret']]],
        ['afterUpdate', ['s + inserted', 't']],
      ])
      await storedValues(db(), 'watched', 'secret', 'data')
      await expect(repo.findOneByOrFail({ id: entity.id })).resolves.toEqual(entity)
    })

    it('see and change plaintext with insert() and update()', async () => {
      const repo = repository(Watched)
      const values = { secret: 'inserted' }
      const { identifiers } = await repo.insert(values)
      expect(values.secret).toBe('inserted + inserted')
      const { id } = identifiers[0] as { id: number }
      await repo.update(id, { secret: 'updated' })
      await storedValues(db(), 'watched', 'secret', 'data')
      await expect(repo.findOneByOrFail({ id })).resolves.toMatchObject({
        secret: 'updated',
        data: { by: ['watcher'] },
      })
    })

    it('are told, before a statement is sent, of a value that cannot be stored', async () => {
      const repo = repository(Watched)
      const count = await repo.count()
      Spoiler.on = true
      const error = await failure(repo.save(repo.create({ secret: 'fine' })))
      Spoiler.on = false
      expect(error).toMatchObject({ code: 'INVALID_VALUE', property: 'secret' })
      await expect(repo.count()).resolves.toBe(count)
    })
  })
})
