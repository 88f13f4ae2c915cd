import { inspect } from 'node:util'
import {
  Column,
  Entity,
  EntityNotFoundError,
  In,
  JoinColumn,
  ManyToOne,
  PrimaryGeneratedColumn,
  type Relation,
  type Repository,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

class Contact {
  @KmsEncrypted({ type: 'string', search: true }) phone!: string
}

@Entity()
class Owner {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', length: 30 }) city!: string
  @KmsEncrypted({ type: 'string', search: true }) email!: string
  @Column(() => Contact) contact!: Contact
}

@Entity()
class Card {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne(() => Owner) @JoinColumn() owner!: Relation<Owner>
}

const SECRET = 'nobody-has-this'
type Search = (owners: Repository<Owner>) => Promise<unknown>

const searches: Record<string, Search> = {
  findOneByOrFail: (owners) => owners.findOneByOrFail({ email: SECRET, city: 'Bern' }),
  'findOneByOrFail of alternatives': (owners) =>
    owners.findOneByOrFail([{ city: 'Bern', email: In([SECRET, 'b']) }, { contact: { phone: SECRET } }]),
  findOneOrFail: (owners) => owners.findOneOrFail({ where: { email: SECRET, city: 'Bern' } }),
  'of a manager': ({ manager }) => manager.findOneByOrFail(Owner, { city: 'Bern', email: SECRET }),
  'in a transaction': ({ manager }) =>
    manager.transaction((own) => own.getRepository(Owner).findOneByOrFail({ city: 'Bern', email: SECRET })),
  'of a relation': ({ manager }) =>
    manager.findOneOrFail(Card, { where: { owner: { email: SECRET, city: 'Bern' } } }),
  builder: (owners) =>
    owners
      .createQueryBuilder('o')
      .where('o.email = :email AND o.city = :city', { email: SECRET, city: 'Bern' })
      .getOneOrFail(),
  'builder, cloned, IN': (owners) =>
    owners
      .createQueryBuilder('o')
      .where('o.email IN (:...emails) AND o.city = :city', { emails: ['a', SECRET], city: 'Bern' })
      .clone()
      .getOneOrFail(),
}

describeDatabases(
  'A search by an encrypted value that must find something',
  (db) => {
    let app: TestApplication
    beforeAll(async () => {
      app = await startApplication(db(), [Owner, Card], withIndexKey)
    })
    afterAll(() => app.stop())

    const failed = async (search: Search): Promise<EntityNotFoundError> => {
      const error: unknown = await search(app.dataSource.getRepository(Owner)).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(EntityNotFoundError)
      return error as EntityNotFoundError
    }

    it.each(Object.entries(searches))(
      '%s: its error shows what else was searched, and not that',
      async (_, search) => {
        const error = await failed(search)
        const everything =
          inspect(error, { depth: 20, showHidden: true }) + error.message + (error.stack ?? '')
        expect(everything).not.toContain(SECRET)
        expect(error.message).toMatch(/Could not find any entity of type "(Owner|Card)" matching: /)
        expect(error.message).toContain('Bern')
        expect(error.message).toMatch(/\[encrypted Owner\.(email|contact\.phone)\]/)
      },
    )

    it('of other columns says what TypeORM says', async () => {
      const where = { city: 'Bern', id: 3, contact: {} }
      expect((await failed((owners) => owners.findOneByOrFail(where))).criteria).toBe(where)
      const options = { where: [where, { city: 'Chur' }] }
      expect((await failed((owners) => owners.findOneOrFail(options))).criteria).toBe(options)
      const built = await failed((owners) =>
        owners.createQueryBuilder('o').where('o.city = :city', { city: 'Bern' }).getOneOrFail(),
      )
      expect(built.criteria).toEqual({ city: 'Bern' })
    })
  },
  { databases: ['sqlite'] },
)
