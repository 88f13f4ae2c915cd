import { type DataSource, type QueryRunner } from 'typeorm'
import { sqlite } from '../../../../src/dialects/sqlite'
import { type Step } from '../../../../src/dialects/steps'
import { type ColumnChange } from '../../../../src/migration/generate/column-change'
import { KEY_TABLE_FIRST, keyTableChanges } from '../../../../src/migration/generate/key-table-changes'
import { otherChanges } from '../../../../src/migration/generate/other-changes'
import { type KeyTable, keyTables } from '../../../../src/orm/key-table/key-table'
import { dialectWith } from '../support'

interface Given {
  quote?: string
  oldName?: string
  indexColumns?: string[]
  indices?: { name?: string; isUnique: boolean; columns: { databaseName: string }[] }[]
  expressionIndexes?: [string, string][]
  table?: string
}

function changeOf({
  quote = '"',
  oldName = 'secret',
  indexColumns = [],
  indices = [],
  expressionIndexes = [],
  table = 'user',
}: Given = {}): ColumnChange {
  const quoted = (name: string): string => quote + name + quote
  const columnOf = (name: string) => ({
    entity: 'User',
    property: 'secret',
    tablePath: table,
    tableSql: quoted(table),
    name,
    nameSql: quoted(name),
    type: 'blob',
  })
  return {
    kind: 'alteration',
    bound: { metadata: { entityMetadata: { indices } } },
    column: { ...columnOf('secret'), old: { name: oldName } },
    indexColumns: indexColumns.map(columnOf),
    indexes: [],
    expressionIndexes: new Map(expressionIndexes),
  } as unknown as ColumnChange
}

const sourceOf = (up: string[], down: string[]): DataSource => {
  const log = { upQueries: up.map((query) => ({ query })), downQueries: down.map((query) => ({ query })) }
  return {
    driver: { createSchemaBuilder: () => ({ log: () => Promise.resolve(log) }) },
  } as unknown as DataSource
}

const textOf = (steps: readonly Step[]): string[] =>
  steps.map((step) => ('sql' in step ? step.sql : 'comment' in step ? `// ${step.comment}` : ''))

async function changes(
  given: { up?: string[]; down?: string[]; definitions?: [string, string][]; rebuilt?: boolean },
  all: ColumnChange[] = [changeOf()],
) {
  const asked: string[] = []
  const dialect = dialectWith({
    steps: given.rebuilt === true ? sqlite.steps : { ...sqlite.steps, rebuilt: () => [] },
    indexDefinitions: (_: unknown, { path }: { path: string }) => {
      asked.push(path)
      return Promise.resolve(new Map(given.definitions))
    },
  })
  const source = sourceOf(given.up ?? [], given.down ?? [])
  const { up, down, rebuilt } = await otherChanges(source, all, dialect, {} as QueryRunner)
  return { up: textOf(up), down: textOf(down), rebuilt, asked }
}

describe("what is left of TypeORM's statements", () => {
  it('is what has to do with other columns and tables, each way in the order in which it runs', async () => {
    const others = [
      'ALTER TABLE "user" ADD "age" int',
      'ALTER TABLE "post" ADD "secret" text',
      'DROP TABLE "secret"',
    ]
    const own = ['ALTER TABLE "user" DROP COLUMN "secret"', 'ALTER TABLE "user" ADD "secret" bytea']
    expect(await changes({ up: [...own, ...others], down: [...others, ...own] })).toMatchObject({
      up: others,
      down: [...others].reverse(),
    })
  })

  it('is nothing about the name that a column had', async () => {
    const up = ['ALTER TABLE "user" DROP COLUMN "former"', 'ALTER TABLE "user" DROP COLUMN "other"']
    expect(await changes({ up, down: up }, [changeOf({ oldName: 'former' })])).toMatchObject({
      up: ['ALTER TABLE "user" DROP COLUMN "other"'],
      down: ['ALTER TABLE "user" DROP COLUMN "other"'],
    })
    const addition = { ...changeOf(), kind: 'addition', column: { ...changeOf().column, old: undefined } }
    delete (addition.column as { old?: unknown }).old
    expect(
      await changes({ up: ['ALTER TABLE "user" ADD "secret" bytea'] }, [addition as ColumnChange]),
    ).toMatchObject({
      up: [],
    })
  })

  it.each<[string, create: string, drop: string]>([
    ['an index', 'CREATE INDEX "one" ON "user" ("secret")', 'DROP INDEX "one"'],
    ['an index in a schema', 'CREATE INDEX "one" ON "user" ("secret")', 'DROP INDEX "public"."one"'],
    ['a unique index', 'CREATE UNIQUE INDEX "one" ON "user" ("secret")', 'DROP INDEX "one" ON "user"'],
    [
      'an index of another kind',
      'CREATE FULLTEXT INDEX "one" ON "user" ("secret")',
      'DROP INDEX "one" ON "user"',
    ],
    [
      'a constraint',
      'ALTER TABLE "user" ADD CONSTRAINT "one" UNIQUE ("secret")',
      'ALTER TABLE "user" DROP CONSTRAINT "one"',
    ],
    [
      'an index of MySQL',
      'ALTER TABLE "user" ADD INDEX "one" ("secret")',
      'ALTER TABLE "user" DROP INDEX "one"',
    ],
  ])(
    'drops %s of the column, which finds nothing any more, and makes it again on the way back',
    async (_, create, drop) => {
      const definitions: [string, string][] = create.includes(' CONSTRAINT ') ? [] : [['one', create]]
      // TypeORM drops the index with the column, and makes it again with the new one; on the way back likewise.
      expect(await changes({ up: [drop, create], down: [create, drop], definitions })).toMatchObject({
        up: [drop],
        down: [create],
      })
    },
  )

  it('keeps indexes of other columns, each way', async () => {
    const create = 'CREATE INDEX "by_age" ON "user" ("age")'
    const drop = 'DROP INDEX "by_age"'
    expect(await changes({ up: [create], down: [drop] })).toMatchObject({ up: [create], down: [drop] })
  })

  it('brings an index back as the database had it, and a constraint as TypeORM writes it', async () => {
    const as = 'CREATE INDEX one ON "user" ("secret" varchar_pattern_ops)'
    const down = [
      'CREATE INDEX "by_age" ON "user" ("age")',
      'ALTER TABLE "user" ADD CONSTRAINT "two" UNIQUE ("secret")',
      'CREATE INDEX "one" ON "user" ("secret")',
      'CREATE INDEX "three" ON "user" ("secret")',
    ]
    const definitions: [string, string][] = [
      ['one', as],
      ['two', 'CREATE UNIQUE INDEX two'],
      ['by_age', 'CREATE INDEX by_age'],
    ]
    expect(await changes({ down, definitions })).toMatchObject({
      down: [
        'CREATE INDEX "three" ON "user" ("secret")',
        as,
        'ALTER TABLE "user" ADD CONSTRAINT "two" UNIQUE ("secret")',
        'CREATE INDEX "by_age" ON "user" ("age")',
      ],
    })
  })

  it('leaves out indexes that TypeORM only takes for there', async () => {
    const change = changeOf({ quote: '`' })
    const drop = 'ALTER TABLE `user` DROP INDEX `IDX_1`'
    const create = 'ALTER TABLE `user` ADD UNIQUE INDEX `IDX_1` (`secret`)'
    const others = ['ALTER TABLE `post` DROP INDEX `IDX_2`', 'DROP INDEX `IDX_3` ON `user`']
    const invented = await changes({ up: [drop, ...others], down: [create] }, [change])
    expect(invented).toMatchObject({ up: others, down: [] })
    const there = await changes({ up: [drop], down: [create], definitions: [['IDX_1', create]] }, [change])
    expect(there).toMatchObject({ up: [drop], down: [create] })
  })

  it.each(['"lower_secret"', '"public"."lower_secret"', 'public.lower_secret', 'lower_secret'])(
    'leaves out the index over an expression, which the steps of the column see to: %s',
    async (path) => {
      const statements = ['DROP INDEX "lower_secret"', 'CREATE INDEX "lower_secret" ON "user" ("age")']
      const change = changeOf({ expressionIndexes: [[path, 'CREATE INDEX lower_secret']] })
      expect(await changes({ up: statements, down: statements }, [change])).toMatchObject({
        up: [],
        down: [],
      })
      const other = ['DROP INDEX "lower_secret_2"']
      expect(await changes({ up: other }, [change])).toMatchObject({ up: other })
    },
  )

  it('is nothing about any of several columns', async () => {
    const all = [changeOf(), changeOf({ table: 'post' })]
    const invented = 'ALTER TABLE "post" DROP INDEX "IDX_1"'
    const create = 'CREATE INDEX "one" ON "post" ("secret")'
    const up = ['ALTER TABLE "post" DROP COLUMN "secret"', invented, create]
    expect(await changes({ up, down: [create], definitions: [['one', create]] }, all)).toMatchObject({
      up: [],
      down: [create],
    })
  })

  it('asks for the indexes of each table once', async () => {
    const all = [changeOf(), changeOf(), changeOf({ table: 'post' })]
    expect((await changes({}, all)).asked).toEqual(['user', 'post'])
  })
})

describe('tables that are made anew', () => {
  const anew = (table: string): string => `ALTER TABLE "temporary_${table}" RENAME TO "${table}"`

  it('are left to TypeORM where no encrypted column of theirs changes', async () => {
    const found = await changes({ rebuilt: true, up: [anew('post')], down: ['one', 'two'] })
    expect(found).toMatchObject({ up: [anew('post')], down: ['two', 'one'], rebuilt: ['post'] })
  })

  it('get the columns of blind indexes, with their indexes, and the note that more may be to come', async () => {
    const change = changeOf({
      indexColumns: ['secret_index', 'secret_domain', 'secret_plain'],
      indices: [
        {
          name: 'IDX_both',
          isUnique: false,
          columns: [{ databaseName: 'secret_index' }, { databaseName: 'age' }],
        },
        { name: 'IDX_index', isUnique: true, columns: [{ databaseName: 'secret_index' }] },
        { name: 'IDX_domain', isUnique: false, columns: [{ databaseName: 'secret_domain' }] },
      ],
    })
    const untouched = changeOf({ table: 'post', indexColumns: ['other_index'] })
    const { up, down, rebuilt } = await changes({ rebuilt: true, up: [anew('user')] }, [change, untouched])
    expect(up[0]).toMatch(/^\/\/ Other changes of the schema/)
    expect(up.slice(1)).toEqual([
      expect.stringMatching(/ADD COLUMN "secret_index" blob NULL$/),
      'CREATE UNIQUE INDEX "IDX_index" ON "user" ("secret_index")',
      expect.stringMatching(/ADD COLUMN "secret_domain" blob NULL$/),
      'CREATE INDEX "IDX_domain" ON "user" ("secret_domain")',
      expect.stringMatching(/ADD COLUMN "secret_plain" blob NULL$/),
    ])
    expect(down).toEqual([
      'DROP INDEX "IDX_index"',
      'ALTER TABLE "user" DROP COLUMN "secret_index"',
      'DROP INDEX "IDX_domain"',
      'ALTER TABLE "user" DROP COLUMN "secret_domain"',
      'ALTER TABLE "user" DROP COLUMN "secret_plain"',
    ])
    expect(rebuilt).toEqual([])
  })

  it.each<[string, sql: string, isLost: boolean]>([
    ['a plain index', 'CREATE INDEX one ON user (age)', false],
    ['a quoted one', 'CREATE UNIQUE INDEX "one" ON "user" ("age", "name")', false],
    ['one with a condition', 'CREATE INDEX one ON user ( age , name )\n WHERE age > 3', false],
    ['one with a collation', 'CREATE INDEX one ON user (age COLLATE NOCASE)', true],
    ['one with an order', 'CREATE INDEX one ON user (age DESC)', true],
    ['one over an expression', 'CREATE INDEX one\nON user (lower(name))', true],
  ])('lose nothing of %s without a word', async (_, sql, isLost) => {
    const { up, down } = await changes({ rebuilt: true, up: [anew('user')], definitions: [['one', sql]] })
    const warning = expect.stringContaining(`the index one anew without`) as unknown
    expect([up.slice(1), down]).toEqual(isLost ? [[warning], [warning]] : [[], []])
    if (isLost) expect(down[0]).toContain(sql.replace(/\n/g, ' '))
  })
})

describe('the key table of a migration', () => {
  const create = 'CREATE TABLE "kms_data_key" ("id" blob)'
  const index = 'CREATE INDEX "by_context" ON "kms_data_key" ("context_hash")'
  const other = 'CREATE TABLE "post" ("id" int)'
  const drop = 'DROP TABLE "kms_data_key"'

  function source(
    table: { seals?: boolean; exists?: boolean } | undefined,
    up = [create, other, index],
  ): DataSource {
    const dataSource = sourceOf(up, ['DROP INDEX "by_context" ON "kms_data_key"', drop, 'DROP TABLE "post"'])
    if (table)
      keyTables.set(dataSource, {
        sql: '"kms_data_key"',
        settings: { seals: table.seals ?? true },
        exists: () => Promise.resolve(table.exists ?? false),
      } as unknown as KeyTable)
    return dataSource
  }

  it('comes first and by itself', async () => {
    expect(await keyTableChanges(source({}))).toEqual({
      up: [{ comment: KEY_TABLE_FIRST }, { sql: create }, { sql: index }],
      down: [{ sql: drop }],
    })
  })

  it.each<[string, DataSource]>([
    ['is there', source({ exists: true })],
    ['is not needed, since data keys are inline', source({ seals: false })],
    ['is none of the DataSource', source(undefined)],
    ['is none that TypeORM makes', source({}, [other])],
  ])('is left out where it %s', async (_, dataSource) => {
    expect(await keyTableChanges(dataSource)).toBeUndefined()
  })
})
