import { Column, DataSource, Entity, EntitySchema, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { sampleOf } from '../../../src/cli/commands/init/sample'
import { dialectOf } from '../../../src/dialects'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

class Contact {
  @Column({ type: 'varchar', nullable: true }) mail!: string | null
}

@Entity()
class Customer {
  @PrimaryColumn('varchar', { length: 50 }) id!: string
  @Column(() => Contact) contact!: Contact
  @Column('text', { name: 'free_text' }) note!: string
  @Column('int') age!: number
  @Column('simple-json') data!: unknown
  @KmsEncrypted({ type: 'string' }) secret!: string
}

const Missing = new EntitySchema<{ id: number; text: string }>({
  name: 'Missing',
  columns: { id: { type: Number, primary: true }, text: { type: String } },
})

const mail = (id: number) => `person${id}@example.org`

describeDatabases('Values that init looks at', (db) => {
  let app: TestApplication

  afterEach(() => app.stop())

  it('are those of text columns, by what they look like, and the database is as it was', async () => {
    app = await startApplication(db(), [Customer, Missing])
    const customers = app.dataSource.getRepository(Customer)
    await customers.insert(
      Array.from({ length: 20 }, (_, id) => ({
        id: `${id}`,
        contact: { mail: id < 4 ? null : mail(id) },
        note: id % 2 ? `+49 30 9018200${id}` : 'called',
        age: id,
        data: { mail: mail(id) },
        secret: mail(id),
      })),
    )
    await app.dataSource.query(`DROP TABLE ${db().quote('missing')}`)
    const statements: string[] = []
    const dataSource = await new DataSource({
      ...app.dataSource.options,
      logging: true,
      logger: { logQuery: (sql: string) => statements.push(sql), logQueryError: () => undefined } as never,
      synchronize: false,
      dropSchema: false,
    }).initialize()
    statements.length = 0
    const { samples, failed } = await sampleOf(dataSource)
    await dataSource.destroy()
    const of = (property: string) => samples.find((each) => each.property === property)
    expect(of('mail')).toMatchObject({
      entity: 'Customer',
      classes: expect.arrayContaining(['Customer', 'Contact']),
      isNullable: true,
      looked: 16,
      kinds: [{ name: 'e-mail addresses', values: 16 }],
    })
    expect(of('note')).toMatchObject({ looked: 20, kinds: [{ name: 'phone numbers', values: 10 }] })
    expect(of('data')).toMatchObject({ kinds: [{ name: 'JSON with e-mail addresses', values: 20 }] })
    expect(samples.map(({ property }) => property).sort()).toEqual(['data', 'mail', 'note'])
    expect(failed).toEqual([expect.stringMatching(/^Missing\.text: /)])
    expect(JSON.stringify({ samples, failed })).not.toContain('person1')
    expect(
      statements.filter(
        (sql) => !/^(SELECT|START TRANSACTION READ ONLY|ROLLBACK|PRAGMA query_only)/.test(sql),
      ),
    ).toEqual([])
    expect(statements.filter((sql) => sql.startsWith('SELECT'))).toHaveLength(4)
  })

  it('are few', async () => {
    app = await startApplication(db(), [Customer])
    const customers = app.dataSource.getRepository(Customer)
    const rows = Array.from({ length: 320 }, (_, id) => ({
      id: `${id}`,
      contact: {},
      age: 1,
      data: 1,
      secret: '',
    }))
    await customers.insert(rows.map((row) => ({ ...row, note: mail(1) })))
    const { samples } = await sampleOf(app.dataSource)
    expect(samples.find(({ property }) => property === 'note')).toMatchObject({ looked: 300 })
  })

  it('are read in a session that writes nothing', async () => {
    app = await startApplication(db(), [Customer])
    const { readOnly } = dialectOf(db().options)
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.query(readOnly.begin)
    await expect(queryRunner.query(`DELETE FROM ${db().quote('customer')}`)).rejects.toThrow()
    await queryRunner.query(readOnly.end)
    await queryRunner.query(`DELETE FROM ${db().quote('customer')}`)
    await queryRunner.release()
  })
})
