import 'reflect-metadata'
import {
  Column,
  type DataSource,
  Entity,
  type EntitySubscriberInterface,
  EventSubscriber,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type UpdateEvent,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Ticket {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'varchar', length: 40 }) label!: string
  @KmsEncrypted() plain!: string
  @KmsEncrypted({ storage: 'text' }) text!: string
  @KmsEncrypted({ mode: 'direct', nullable: true, type: 'string' }) direct!: string | null
  @KmsEncrypted({ boundTo: { row: ['id'] }, type: 'json' }) bound!: { pin: string }
  @KmsEncrypted({ keyPer: ['id'], type: 'buffer' }) keyed!: Buffer
  @OneToMany('Note', 'ticket', { cascade: true }) notes!: Note[]
}

@Entity()
class Note {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted() body!: string
  @ManyToOne('Ticket', 'notes') ticket!: Ticket
}

const values = (text: string) => ({
  plain: text,
  text,
  direct: text,
  bound: { pin: text },
  keyed: Buffer.from(text),
})
const valuesOf = ({ plain, text, direct, bound, keyed }: Ticket) => ({ plain, text, direct, bound, keyed })
const ticket = (id: number): Ticket => Object.assign(new Ticket(), { id, label: 'label', ...values('first') })

/** What the application sees of the rows that `save` compares. */
const seen: (string | undefined)[] = []
@EventSubscriber()
class Watcher implements EntitySubscriberInterface<Ticket> {
  listenTo() {
    return Ticket
  }
  beforeUpdate({ databaseEntity }: UpdateEvent<Ticket>) {
    seen.push(databaseEntity.plain)
  }
}

describeDatabases('A process that may not decrypt', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  const decrypts = () => app.kms.calls.filter(({ operation }) => operation === 'Decrypt').length
  const tickets = (source = dataSource) => source.getRepository(Ticket)

  beforeAll(async () => {
    app = await startApplication(db(), [Ticket, Note])
  })
  beforeEach(async () => {
    for (const table of ['note', 'ticket']) await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
    await app.dataSource.getRepository(Ticket).insert([ticket(1), ticket(2)])
    app.kms.misbehave({ deny: ['Decrypt'] })
    ;({ dataSource } = await app.restart())
    app.kms.calls.reset()
  })
  afterEach(async () => {
    app.kms.misbehave({})
    await dataSource.destroy()
  })
  afterAll(() => app.stop())

  /** As a process that may. */
  async function reread(): Promise<Ticket[]> {
    app.kms.misbehave({})
    return (await app.restart()).dataSource
      .getRepository(Ticket)
      .find({ order: { id: 'ASC' }, relations: { notes: true } })
  }

  it('saves by id what it sets, and reads nothing else', async () => {
    await tickets().save({ id: 1, label: 'changed' })
    await tickets().save([
      { id: 1, direct: null },
      { id: 2, label: 'of two' },
    ])
    expect(decrypts()).toBe(0)
    await tickets().save({ id: 1, plain: 'second', bound: { pin: 'second' } })
    const [one, two] = await reread()
    expect(one).toMatchObject({
      label: 'changed',
      ...values('first'),
      plain: 'second',
      bound: { pin: 'second' },
      direct: null,
    })
    expect(two).toMatchObject({ label: 'of two', ...values('first') })
  })

  it('saves entities with all their values, which count as changed', async () => {
    await tickets().save([
      ticket(1),
      Object.assign(ticket(2), values('second')),
      Object.assign(ticket(3), values('third')),
    ])
    expect((await reread()).map(valuesOf)).toEqual(['first', 'second', 'third'].map(values))
  })

  it('inserts, updates, upserts, cascades, and removes', async () => {
    await tickets().insert(ticket(3))
    await tickets().update({ id: 1 }, values('updated'))
    await tickets().createQueryBuilder().update().set({ text: 'built' }).where({ id: 2 }).execute()
    await tickets().upsert(Object.assign(ticket(3), values('upserted')), ['id'])
    const cascaded = Object.assign(ticket(4), {
      notes: [Object.assign(new Note(), { id: 1, body: 'cascaded' })],
    })
    await tickets().save(cascaded)
    cascaded.notes[0]!.body = 'again'
    await tickets().save({ id: 4, notes: cascaded.notes })
    await tickets().remove(ticket(2))
    const found = await reread()
    expect(found.map(({ id }) => id)).toEqual([1, 3, 4])
    expect(found.map(valuesOf)).toEqual(['updated', 'upserted', 'first'].map(values))
    expect(found[2]!.notes).toMatchObject([{ body: 'again' }])
  })

  it('reads nothing', async () => {
    expect(await failure(tickets().findBy({ id: 1 }))).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
  })

  it('gets other trouble of what it sets as before', async () => {
    app.kms.misbehave({ fail: (operation) => (operation === 'Decrypt' ? 'KMSInternalException' : undefined) })
    expect(await failure(tickets().save({ id: 1, plain: 'second' }))).toMatchObject({
      code: 'KMS_UNAVAILABLE',
    })
    expect((await reread()).map(valuesOf)).toEqual(['first', 'first'].map(values))
  })

  it('finds what is unchanged unchanged again once it may, and shows rows to subscribers', async () => {
    const stored = () => db().rawQuery(`SELECT * FROM ${db().quote('ticket')} ORDER BY id`)
    app.kms.misbehave({})
    const before = await stored()
    await tickets().save([ticket(1), ticket(2)])
    expect(await stored()).toEqual(before)
    const watched = await app.restart({}, { subscribers: [Watcher] })
    await tickets(watched.dataSource).save({ id: 1, label: 'changed' })
    expect(seen.splice(0)).toEqual(['first'])
    app.kms.misbehave({ deny: ['Decrypt'] })
    const fresh = await app.restart()
    await tickets(fresh.dataSource).save({ id: 1, label: 'changed again' })
    expect(await reread()).toMatchObject([{ label: 'changed again', ...values('first') }, values('first')])
  })
})
