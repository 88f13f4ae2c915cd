import 'reflect-metadata'
import {
  Check,
  Column,
  type ColumnOptions,
  DataSource,
  Entity,
  Exclusion,
  Index,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { kmsEncryption, type KmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { type DatabaseName, describeDatabases } from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'

/** An expression that the database evaluates by itself, and where TypeORM knows it. */
interface Declared {
  on?: ClassDecorator
  column?: ColumnOptions
  databases: readonly DatabaseName[]
}

const check = (sql: string): Declared => ({ on: Check(sql), databases: ['postgres', 'sqlite'] })
const index = (where: string): Declared => ({
  on: Index(['plain'], { where }),
  databases: ['postgres', 'sqlite'],
})
const exclusion = (sql: string): Declared => ({ on: Exclusion(sql), databases: ['postgres'] })
const generated = (asExpression: string, databases: readonly DatabaseName[]): Declared => ({
  column: { type: 'varchar', length: 50, nullable: true, asExpression, generatedType: 'STORED' },
  databases,
})

const REFUSED: [string, Declared][] = [
  ['a CHECK of its length', check(`LENGTH(secret) > 3`)],
  ['a CHECK with a text', check(`"secret" <> ''`)],
  ['a CHECK beside another column', check(`plain IS NOT NULL OR guarded.secret = plain`)],
  ['the condition of an index', index(`secret > 'a'`)],
  ['an exclusion', exclusion(`USING gist (plain WITH =, secret WITH =)`)],
  ['the condition of an exclusion', exclusion(`USING gist (plain WITH =) WHERE (secret = 'x')`)],
  ['a generated column', generated(`LOWER(secret)`, ['mariadb', 'postgres', 'sqlite'])],
  ['a copy', generated(`secret`, ['mariadb', 'postgres', 'sqlite'])],
]

const ALLOWED: [string, Declared][] = [
  ['a CHECK of whether there is a value', check(`secret IS NOT NULL OR plain IS NULL`)],
  ['a CHECK with its name in a text', check(`plain <> 'secret'`)],
  [
    'a CHECK that means the ciphertext',
    check(`/* kms-encrypted:raw */ LENGTH(secret) > 3 /* kms-encrypted:end */`),
  ],
  ['an index of the rows without a value', index(`secret IS NULL`)],
  ['an exclusion of other columns', exclusion(`USING btree (plain WITH =) WHERE (secret IS NOT NULL)`)],
  ['a generated column of another', generated(`LOWER(plain)`, ['postgres'])],
]

describeDatabases('an expression that an entity declares for the database', (db) => {
  let encryption: KmsEncryption
  let started: DataSource | undefined

  beforeAll(async () => {
    const { client } = await testKms()
    encryption = kmsEncryption({ keyId: KEY, client })
  })
  afterEach(async () => {
    if (started?.isInitialized) await started.destroy()
  })
  afterAll(() => {
    encryption.close()
  })

  async function start({ on, column }: Declared): Promise<DataSource> {
    class Guarded {
      id!: number
      plain!: string
      secret!: string | null
    }
    PrimaryGeneratedColumn()(Guarded.prototype, 'id')
    Column({ type: 'varchar', length: 50, nullable: true })(Guarded.prototype, 'plain')
    KmsEncrypted({ type: 'string', nullable: true, storage: 'text' })(Guarded.prototype, 'secret')
    if (column) Column(column)(Guarded.prototype, 'made')
    on?.(Guarded)
    Entity('guarded')(Guarded)
    const options = { ...db().options, entities: [Guarded], dropSchema: true, synchronize: true }
    started = new DataSource(encryption.configure(options))
    return started.initialize()
  }

  const here = (list: [string, Declared][]): [string, Declared][] =>
    list.filter(([, { databases }]) => databases.includes(db().name))

  it('is refused where it looks at an encrypted column', async () => {
    for (const [what, declared] of here(REFUSED)) {
      expect([what, await failure(start(declared))]).toMatchObject([
        what,
        {
          code: 'INVALID_OPTION',
          entity: 'Guarded',
          message: expect.stringContaining('looks at Guarded.secret') as string,
        },
      ])
    }
  })

  it('works where it does not, or where the ciphertext is said to be meant', async () => {
    const started: string[] = []
    for (const [what, declared] of here(ALLOWED)) {
      const dataSource = await start(declared)
      started.push(what)
      await dataSource.destroy()
    }
    expect(started).toEqual(here(ALLOWED).map(([what]) => what))
  })
})
