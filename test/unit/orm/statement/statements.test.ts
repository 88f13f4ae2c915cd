import {
  Column,
  DataSource,
  Entity,
  type EntityMetadata,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  VirtualColumn,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted, type KmsEncryption } from 'typeorm-kms-encrypted'
import {
  boundColumnsOf,
  entityCatalogue,
  isIndexColumn,
} from '../../../../src/orm/statement/entity-catalogue'
import { type CatalogueColumn } from '../../../../src/orm/statement/statement'
import { Statements } from '../../../../src/orm/statement/statements'
import { KEY, testKms, withIndexKey } from '../../../support/encryption'

@Entity('person')
class Person {
  @PrimaryGeneratedColumn() id!: number
  @Column({ name: 'full_name', type: 'varchar' }) name!: string
  @KmsEncrypted({ type: 'string' }) secret!: string
  @VirtualColumn({ query: (alias) => `SELECT 1 FROM person WHERE id = ${alias}.id` }) computed!: number
}

/** Another class over the same table. */
@Entity('person')
class PersonAgain {
  @PrimaryGeneratedColumn() id!: number
  @Column({ name: 'full_name', type: 'varchar' }) name!: string
  @KmsEncrypted({ type: 'string' }) secret!: string
}

@Entity('bound_one')
class Bound {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] } }) secret!: string
}

/** One of whose values depend on a key that the database makes; that of `other` are the same in each row. */
@Entity('mixed_one')
class Mixed {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'int' }) tenant!: number
  @KmsEncrypted({ type: 'string' }) other!: string
  @KmsEncrypted({ type: 'string', boundTo: { row: ['tenant', 'id'] } }) secret!: string
}

/** Another class over the same table, which knows less of it. */
@Entity('mixed_one')
class LessOfMixed {
  @PrimaryColumn({ type: 'int' }) tenant!: number
  @Column({ type: 'int' }) id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

@Entity('found_one')
class Found {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', search: true }) mail!: string
}

/** Another class over the same table, to which the index is a column like others. */
@Entity('found_one')
class LessOfFound {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'blob', nullable: true }) mail_index!: Buffer
}

@Entity('plain_one')
class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) secret!: string
}

@Entity({ name: 'quo"ted' })
class Quoted {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

let encryption: KmsEncryption
const started: DataSource[] = []

async function start(...entities: (new () => object)[]): Promise<DataSource> {
  const dataSource = new DataSource(
    encryption.configure({ type: 'better-sqlite3', database: ':memory:', entities }),
  )
  started.push(dataSource)
  return dataSource.initialize()
}

beforeAll(async () => {
  const kms = await testKms()
  encryption = kmsEncryption({ keyId: KEY, client: kms.client, ...(await withIndexKey(kms)) })
})
afterAll(async () => {
  for (const each of started) await each.destroy()
  encryption.close()
})

describe('The catalogue of entities', () => {
  const described = ({ entityMetadatas }: DataSource): Record<string, string[]> => {
    const { tables } = entityCatalogue(entityMetadatas, ['main'])
    return Object.fromEntries(
      tables.map(({ path, columns }) => [path.join('.'), columns.map((column) => flagsOf(column))]),
    )
  }
  const flagsOf = (column: CatalogueColumn): string =>
    [
      column.name,
      ...(column.isPrimary ? ['primary'] : []),
      ...(column.isEncrypted ? ['encrypted'] : []),
      ...(isIndexColumn(column) ? ['index'] : []),
      ...boundColumnsOf(column).map(({ name }) => name),
    ].join(' ')

  test('has columns by their names in the database, with the declarations of each', async () => {
    expect(described(await start(Person, Plain))).toEqual({
      person: ['id primary', 'full_name', 'secret encrypted Person.secret'],
      plain_one: ['id primary', 'secret'],
    })
  })

  test('takes the classes of one table together', async () => {
    expect(described(await start(Person, PersonAgain))).toEqual({
      person: ['id primary', 'full_name', 'secret encrypted Person.secret PersonAgain.secret'],
    })
  })

  test('tells keys that the database makes, and the values that are bound to them', async () => {
    const { entityMetadatas } = await start(Bound)
    const [bound] = entityCatalogue(entityMetadatas, ['main']).tables
    expect(bound?.columns.map(({ name, isLocated, isSearched }) => [name, isLocated, isSearched])).toEqual([
      ['id', true, false],
      ['secret', true, false],
    ])
  })

  /** `searched` and `located` besides, as far as a column is. */
  const columnsIn = (entityMetadatas: EntityMetadata[]): string[] => {
    const [table, ...others] = entityCatalogue(entityMetadatas, ['main']).tables
    expect(others).toEqual([])
    return (table?.columns ?? []).map((column) =>
      [
        flagsOf(column),
        ...(column.isSearched === true ? ['searched'] : []),
        ...(column.isLocated === true ? ['located'] : []),
      ].join(' '),
    )
  }

  test('has the columns of blind indexes, and what they are beside', async () => {
    const { entityMetadatas } = await start(Found)
    expect(columnsIn(entityMetadatas)).toEqual([
      'id primary',
      'mail encrypted Found.mail searched',
      'mail_index index',
    ])
  })

  test('locates what depends on a key that the database makes, and nothing else', async () => {
    expect(columnsIn((await start(Mixed)).entityMetadatas)).toEqual([
      'id primary located',
      'tenant',
      'other encrypted Mixed.other',
      'secret encrypted Mixed.secret located',
    ])
    expect(columnsIn((await start(Plain)).entityMetadatas)).toEqual(['id primary', 'secret'])
  })

  test('knows of a table what any of its classes says, in any order', async () => {
    const { entityMetadatas } = await start(Mixed, LessOfMixed, Found, LessOfFound)
    const mixed = entityMetadatas.filter(({ tableName }) => tableName === 'mixed_one')
    const located = ['id primary located', 'tenant primary', 'other encrypted Mixed.other']
    const found = entityMetadatas.filter(({ tableName }) => tableName === 'found_one')
    const beside = ['id primary', 'mail encrypted Found.mail searched', 'mail_index index']
    for (const metadatas of [mixed, [...mixed].reverse()]) {
      const columns = columnsIn(metadatas)
      expect(columns).toEqual(expect.arrayContaining(located))
      expect(columns.filter((each) => each.endsWith('.secret located'))).toHaveLength(1)
      expect(columns).toHaveLength(4)
    }
    for (const metadatas of [found, [...found].reverse()]) {
      expect(new Set(columnsIn(metadatas))).toEqual(new Set(beside))
    }
  })

  test('keeps the schemas that names without any stand for', async () => {
    const { entityMetadatas } = await start(Plain)
    expect(entityCatalogue(entityMetadatas, ['main', 'x']).defaults).toEqual(['main', 'x'])
    expect(isIndexColumn(undefined)).toBe(false)
    expect(boundColumnsOf({ name: 'x', isEncrypted: false, isPrimary: false })).toEqual([])
  })
})

describe('The statements of a DataSource', () => {
  test('are read if they name a table with encrypted columns, and once for all', async () => {
    const statements = new Statements(await start(Person, Plain))
    const sql = 'SELECT "secret" FROM "person" WHERE "id" = ?'
    const readings = statements.readings(sql)
    expect(readings?.map(({ uses }) => uses.length)).toEqual([1])
    expect(statements.read(sql)).toBe(readings?.[0])
    expect(statements.readings(sql)).toBe(readings)
    for (const other of ['SELECT secret FROM plain_one', 'SELECT 1']) {
      expect(statements.readings(other)).toBeUndefined()
      expect(statements.read(other)).toBeUndefined()
      expect(statements.readings(other)).toBeUndefined()
    }
    expect(statements.readings(sql)).toBe(readings)
    expect(statements.readings('SELECT "SECRET" FROM PERSON')?.[0].uses).toHaveLength(1)
  })

  test('with other numbers are one', async () => {
    const statements = new Statements(await start(Person))
    const one = statements.read('SELECT "secret" FROM "person" WHERE "id" = 1')
    expect(statements.read('SELECT "secret" FROM "person" WHERE "id" = 2')).toBe(one)
    expect(statements.read('SELECT "secret" FROM "person" WHERE "id" = 22')).not.toBe(one)
    expect(statements.read('SELECT "secret" FROM "person" WHERE "id" = 3')).toBe(one)
  })

  test('are found by each spelling of a name', async () => {
    const statements = new Statements(await start(Quoted))
    expect(statements.read('SELECT secret FROM "quo""ted"')?.uses).toHaveLength(1)
    expect(statements.read('SELECT secret FROM `quo"ted`')?.uses).toHaveLength(1)
    expect(statements.read('SELECT secret FROM "quoted"')).toBeUndefined()
  })

  test('are never read where nothing is encrypted', async () => {
    const statements = new Statements(await start(Plain))
    expect(statements.readings('SELECT secret FROM plain_one')).toBeUndefined()
    expect(statements.readings('')).toBeUndefined()
    expect(statements.namedIn('SELECT secret FROM plain_one')).toBeUndefined()
  })

  test('that cannot be read may name an encrypted column with its table, in any case of letters', async () => {
    const statements = new Statements(await start(Person, Bound))
    const named = (text: string) => statements.namedIn(text)?.name
    expect(named('EXPLAIN SELECT SECRET FROM Person')).toBe('secret')
    expect(named('EXPLAIN SELECT secret FROM nothing')).toBeUndefined()
    expect(named('EXPLAIN SELECT full_name FROM person')).toBeUndefined()
    expect(named('')).toBeUndefined()
  })
})
