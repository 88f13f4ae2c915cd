import 'reflect-metadata'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

class Address {
  #city = ''
  @KmsEncrypted() get city(): string {
    return this.#city
  }
  set city(city: string) {
    this.#city = city.trim()
  }
}

@Entity()
class Subscriber {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', nullable: true }) label!: string | null
  #email = ''
  @KmsEncrypted() get email(): string {
    return this.#email
  }
  set email(email: string) {
    this.#email = email.toLowerCase()
  }
  @Column(() => Address) address!: Address
}

/** Its setter looks at a property that is set before. */
@Entity()
class Letter {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
  #size = 0
  @Column({ type: 'int' }) get size(): number {
    return this.#size
  }
  set size(size: number) {
    this.#size = Math.min(size, this.text.length)
  }
}

describeDatabases('Accessors of entities', (db) => {
  let app: TestApplication
  beforeAll(async () => {
    app = await startApplication(db(), [Subscriber, Letter])
  })
  afterAll(() => app.stop())

  it('get plaintext, in rows that are loaded to be compared, too', async () => {
    const subscribers = app.dataSource.getRepository(Subscriber)
    const ada = subscribers.create({ email: 'Ada@X' })
    ada.address = Object.assign(new Address(), { city: ' Bonn ' })
    await subscribers.save(ada)
    const letters = app.dataSource.getRepository(Letter)
    await letters.save({ text: 'long', size: 4 })

    // In a process that has no data key at hand.
    const { dataSource } = await app.restart()
    await dataSource.getRepository(Subscriber).save({ id: ada.id, label: 'changed' })
    await dataSource.getRepository(Letter).save({ id: 1, size: 2 })

    const [found] = await subscribers.find()
    expect(found).toMatchObject({ label: 'changed', email: 'ada@x' })
    expect(found!.address.city).toBe('Bonn')
    expect((await letters.find()).map(({ text, size }) => [text, size])).toEqual([['long', 2]])
  })
})
