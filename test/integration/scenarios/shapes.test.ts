import 'reflect-metadata'
import {
  ChildEntity,
  Column,
  Entity,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  OneToOne,
  JoinColumn,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { storedValues } from './support'

class Expiry {
  @KmsEncrypted({ nullable: true }) month?: number
  @KmsEncrypted({ type: 'string', nullable: true, name: 'reason_text' }) reason!: string | null
}

class Card {
  @KmsEncrypted({ type: 'string', nullable: true }) number!: string | null
  @Column({ type: 'varchar', nullable: true }) brand!: string | null
  @Column(() => Expiry) expiry!: Expiry
  @Column(() => Expiry, { prefix: false }) bare!: Expiry
}

@Entity()
class Customer {
  @PrimaryGeneratedColumn() id!: number
  @VersionColumn() version!: number
  @UpdateDateColumn() updatedAt!: Date
  @Column(() => Card) card!: Card
  @Column(() => Card, { prefix: 'spare' }) spare?: Card
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Person {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() name!: string
}

@ChildEntity()
class Employee extends Person {
  @KmsEncrypted({ nullable: true }) salary?: number
  @KmsEncrypted({ type: 'string', mode: 'direct' }) badge!: string
}

@ChildEntity()
class Manager extends Employee {
  @KmsEncrypted({ type: 'json', storage: 'text', nullable: true }) goals!: string[] | null
}

@Entity()
class Team {
  @PrimaryGeneratedColumn() id!: number
  @OneToMany(() => Membership, ({ team }) => team, { cascade: true }) members!: Membership[]
}

@Entity()
class Membership {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne(() => Team, ({ members }) => members) team!: Team
  @ManyToOne(() => Person, { cascade: true, eager: true }) person!: Person
}

abstract class WithToken {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() token!: string
}

function WithNote(Base: typeof WithToken) {
  abstract class Mixed extends Base {
    @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
  }
  return Mixed
}

@Entity()
class Device extends WithNote(WithToken) {
  @Column({ type: 'varchar' }) model!: string
}

@Entity()
class Session extends WithToken {
  @KmsEncrypted() agent!: string
}

@Entity()
class Booking {
  @PrimaryColumn({ type: 'varchar', length: 20 }) room!: string
  @PrimaryColumn({ type: 'int' }) day!: number
  @KmsEncrypted() guest!: string
}

@Entity()
class Ticket {
  @PrimaryGeneratedColumn('uuid') id!: string
  @KmsEncrypted() code!: string
}

@Entity()
@Tree('closure-table')
class Folder {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() name!: string
  @TreeChildren({ cascade: true }) children!: Folder[]
  @TreeParent() parent!: Folder | null
}

@Entity()
@Tree('materialized-path')
class Topic {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) name!: string
  @TreeChildren({ cascade: true }) children!: Topic[]
  @TreeParent() parent!: Topic | null
}

@Entity()
class Comment {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
  @ManyToOne(() => Comment, ({ replies }) => replies, { cascade: ['insert', 'update'] })
  parent!: Comment | null
  @OneToMany(() => Comment, ({ parent }) => parent, { cascade: true }) replies!: Comment[]
}

@Entity()
class Profile {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() bio!: string
  @OneToOne(() => Member, ({ profile }) => profile) member!: Relation<Member>
}

@Entity()
class Label {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Member {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() phone!: string
  @OneToOne(() => Profile, ({ member }) => member, { cascade: true }) @JoinColumn() profile!: Profile
  @ManyToMany(() => Label, { cascade: true }) @JoinTable() labels!: Label[]
}

const entities = [
  Customer,
  Person,
  Employee,
  Manager,
  Team,
  Membership,
  Device,
  Session,
  Booking,
  Ticket,
  Folder,
  Topic,
  Comment,
  Profile,
  Label,
  Member,
]

describeDatabases('encrypted columns', (db) => {
  let application: TestApplication

  beforeAll(async () => {
    application = await startApplication(db(), entities)
  })

  afterAll(() => application.stop())

  const repository = <T extends object>(Class: new () => T) => application.dataSource.getRepository(Class)

  /** In a process that has no data key yet. */
  async function cold<T>(read: (dataSource: TestApplication['dataSource']) => Promise<T>): Promise<T> {
    const { dataSource } = await application.restart()
    try {
      return await read(dataSource)
    } finally {
      await dataSource.destroy()
    }
  }

  describe('in embedded entities', () => {
    const card = () => ({
      number: '4111',
      brand: 'visa',
      expiry: { month: 12, reason: 'lost' },
      bare: { month: 1, reason: null },
    })

    it('are encrypted, nested and with or without a prefix', async () => {
      const saved = await repository(Customer).save({ card: card() })
      await storedValues(
        db(),
        'customer',
        'cardNumber',
        'cardExpiryMonth',
        'cardExpiryReason_text',
        'cardMonth',
        'spareNumber',
      )
      const found = await cold((dataSource) =>
        dataSource.getRepository(Customer).findOneByOrFail({ id: saved.id }),
      )
      expect(found.card).toEqual(card())
      expect(found.spare).toMatchObject({ number: null, expiry: { month: null, reason: null } })
    })

    it('are updated one by one, and not at all by an unchanged save', async () => {
      const { id } = await repository(Customer).save({ card: card(), spare: card() })
      const found = await repository(Customer).findOneByOrFail({ id })
      const before = await storedValues(db(), 'customer', 'cardNumber', 'spareNumber', 'cardExpiryMonth')
      await repository(Customer).save(found)
      expect(found.version).toBe(1)
      found.card.expiry.month = 6
      await repository(Customer).save(found)
      expect(found.version).toBe(2)
      await repository(Customer).update(id, { spare: { expiry: { reason: 'stolen' } } })
      const after = await storedValues(db(), 'customer', 'cardNumber', 'spareNumber', 'cardExpiryMonth')
      expect(
        after.filter((value, index) => JSON.stringify(value) !== JSON.stringify(before[index])),
      ).toHaveLength(1)
      const { card: changed, spare } = await repository(Customer).findOneByOrFail({ id })
      expect(changed).toEqual({ ...card(), expiry: { month: 6, reason: 'lost' } })
      expect(spare).toEqual({ ...card(), expiry: { month: 12, reason: 'stolen' } })
    })

    it('become NULL with their embedded entity', async () => {
      const saved: Customer = await repository(Customer).save({ card: card(), spare: card() })
      saved.spare!.number = null
      saved.spare!.expiry = { month: 3, reason: null }
      await repository(Customer).save(saved)
      const found = await repository(Customer).findOneByOrFail({ id: saved.id })
      expect(found.spare).toEqual({ ...card(), number: null, expiry: { month: 3, reason: null } })
    })
  })

  it('leave version and update date alone when nothing changed', async () => {
    const { id } = await repository(Customer).save({ card: { number: '1' } })
    const [row] = await db().rawQuery(`SELECT * FROM customer WHERE id = ${id}`)
    const found = await cold(async (dataSource) => {
      const customer = await dataSource.getRepository(Customer).findOneByOrFail({ id })
      return dataSource.getRepository(Customer).save(customer)
    })
    expect(found.version).toBe(1)
    await expect(db().rawQuery(`SELECT * FROM customer WHERE id = ${id}`)).resolves.toEqual([row])
  })

  describe('in single-table inheritance', () => {
    beforeAll(async () => {
      await repository(Person).save({ name: 'Pat' })
      await repository(Employee).save({ name: 'Eve', salary: 1.5, badge: 'b1' })
      await repository(Manager).save({ name: 'Max', salary: -0, badge: 'b2', goals: ['all'] })
    })

    const pat = { name: 'Pat' }
    const eve = { name: 'Eve', salary: 1.5, badge: 'b1' }
    const max = { name: 'Max', salary: -0, badge: 'b2', goals: ['all'] }

    it('are encrypted on parent and children', async () => {
      const values = await storedValues(db(), 'person', 'name', 'salary', 'badge', 'goals')
      expect(values.filter((value) => value !== null)).toHaveLength(3 + 2 + 2 + 1)
    })

    it('are read through each class, as instances of the right one', async () => {
      await cold(async (dataSource) => {
        const people = await dataSource.getRepository(Person).find({ order: { id: 'ASC' } })
        expect(people).toMatchObject([pat, eve, max])
        expect(people.map((person) => person.constructor)).toEqual([Person, Employee, Manager])
      })
      await cold(async (dataSource) => {
        const employees = await dataSource.getRepository(Employee).find({ order: { id: 'ASC' } })
        expect(employees).toMatchObject([eve, max])
        await expect(dataSource.getRepository(Manager).find()).resolves.toMatchObject([max])
      })
    })

    it('are written through the parent', async () => {
      const [, employee] = await repository(Person).find({ order: { id: 'ASC' } })
      await repository(Person).save(Object.assign(employee!, { name: 'Eva', salary: 2 }))
      await expect(repository(Employee).findOneByOrFail({ id: employee!.id })).resolves.toMatchObject({
        name: 'Eva',
        salary: 2,
        badge: 'b1',
      })
      await repository(Person).save(Object.assign(employee!, { name: 'Eve', salary: 1.5 }))
    })

    it('are decrypted where relations lead to the parent', async () => {
      const manager = repository(Manager).create({ name: 'Mia', salary: 3, badge: 'b3', goals: [] })
      await repository(Team).save({ members: [{ person: manager }] })
      await cold(async (dataSource) => {
        const [team] = await dataSource.getRepository(Team).find({ relations: { members: { person: true } } })
        expect(team!.members[0]!.person).toMatchObject({ name: 'Mia', salary: 3, badge: 'b3', goals: [] })
        expect(team!.members[0]!.person).toBeInstanceOf(Manager)
      })
    })
  })

  it('come from abstract base classes and mixins', async () => {
    const device = await repository(Device).save({ token: 'of a device', note: 'mine', model: 'x' })
    const session = await repository(Session).save({ token: 'of a session', agent: 'browser' })
    await storedValues(db(), 'device', 'token', 'note')
    await storedValues(db(), 'session', 'token', 'agent')
    await cold(async (dataSource) => {
      await expect(dataSource.getRepository(Device).find()).resolves.toEqual([device])
      await expect(dataSource.getRepository(Session).find()).resolves.toEqual([session])
    })
  })

  it('stand beside composite keys', async () => {
    const bookings = repository(Booking)
    await bookings.save([
      { room: 'blue', day: 1, guest: 'Ann' },
      { room: 'blue', day: 2, guest: 'Ben' },
      { room: 'red', day: 1, guest: 'Cid' },
    ])
    await bookings.save({ room: 'blue', day: 2, guest: 'Dot' })
    await bookings.upsert({ room: 'red', day: 1, guest: 'Eli' }, ['room', 'day'])
    await storedValues(db(), 'booking', 'guest')
    const found = await bookings.find({ order: { room: 'ASC', day: 'ASC' } })
    expect(found.map(({ guest }) => guest)).toEqual(['Ann', 'Dot', 'Eli'])
  })

  it('stand beside UUID keys', async () => {
    const ticket = await repository(Ticket).save({ code: 'abc' })
    await storedValues(db(), 'ticket', 'code')
    await expect(repository(Ticket).findOneByOrFail({ id: ticket.id })).resolves.toEqual(ticket)
  })

  describe('in trees', () => {
    it('are read from a closure table', async () => {
      const trees = application.dataSource.getTreeRepository(Folder)
      const root = await trees.save({ name: 'root', children: [{ name: 'a' }, { name: 'b' }] } as Folder)
      await trees.save({ name: 'a1', parent: root.children[0]! } as Folder)
      await storedValues(db(), 'folder', 'name')
      await cold(async (dataSource) => {
        const tree = dataSource.getTreeRepository(Folder)
        expect(await tree.findTrees()).toMatchObject([
          { name: 'root', children: [{ name: 'a', children: [{ name: 'a1' }] }, { name: 'b' }] },
        ])
        const leaf = (await tree.findDescendants(root)).find(({ name }) => name === 'a1')!
        const ancestors = await tree.findAncestors(leaf)
        expect(ancestors.map(({ name }) => name).sort()).toEqual(['a', 'a1', 'root'])
        expect((await tree.findRoots()).map(({ name }) => name)).toEqual(['root'])
      })
    })

    it('are read from a materialized path', async () => {
      const trees = application.dataSource.getTreeRepository(Topic)
      const root = await trees.save({ name: 'root' } as Topic)
      const child = await trees.save({ name: 'child', parent: root } as Topic)
      await trees.save({ name: 'grandchild', parent: child } as Topic)
      await storedValues(db(), 'topic', 'name')
      await cold(async (dataSource) => {
        await expect(dataSource.getTreeRepository(Topic).findTrees()).resolves.toMatchObject([
          { name: 'root', children: [{ name: 'child', children: [{ name: 'grandchild' }] }] },
        ])
      })
    })

    it('are read from an adjacency list, cascading from both ends', async () => {
      const comments = repository(Comment)
      const top = await comments.save({ text: 'top', replies: [{ text: 'reply' }] })
      await comments.save({ text: 'answer', parent: { text: 'question' } })
      await storedValues(db(), 'comment', 'text')
      await cold(async (dataSource) => {
        const found = await dataSource.getRepository(Comment).find({
          where: { id: top.id },
          relations: { replies: { parent: true } },
        })
        expect(found).toMatchObject([{ text: 'top', replies: [{ text: 'reply', parent: { text: 'top' } }] }])
        const answer = await dataSource
          .getRepository(Comment)
          .find({ relations: { parent: true }, order: { id: 'DESC' } })
        expect(answer.find(({ text }) => text === 'answer')!.parent!.text).toBe('question')
      })
    })
  })

  it('are saved by cascades over one-to-one and many-to-many relations', async () => {
    const member = await repository(Member).save({
      phone: '123',
      profile: { bio: 'long' },
      labels: [{ text: 'one' }, { text: 'two' }],
    })
    member.profile.bio = 'longer'
    member.labels[1]!.text = 'second'
    member.labels.push(repository(Label).create({ text: 'three' }))
    await repository(Member).save(member)
    await storedValues(db(), 'profile', 'bio')
    await storedValues(db(), 'label', 'text')
    await cold(async (dataSource) => {
      const found = await dataSource.getRepository(Member).findOneOrFail({
        where: { id: member.id },
        relations: { profile: true, labels: true },
        order: { labels: { id: 'ASC' } },
      })
      expect(found).toEqual(member)
      const [profile] = await dataSource
        .getRepository(Profile)
        .find({ relations: { member: { labels: true } } })
      expect(profile!.member.phone).toBe('123')
      expect(profile!.member.labels).toHaveLength(3)
    })
  })
})
