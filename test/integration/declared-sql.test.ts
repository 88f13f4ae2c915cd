import 'reflect-metadata'
import {
  Check,
  Column,
  type ColumnOptions,
  type DataSource,
  Entity,
  Exclusion,
  Index,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { type DatabaseName, describeDatabases } from '../support/databases'
import { failure } from '../support/encryption'
import { oneDataSource } from '../support/one-data-source'

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
  const one = oneDataSource(db)

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
    return one.start([Guarded])
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
