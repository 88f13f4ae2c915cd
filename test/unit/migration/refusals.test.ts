import { type QueryRunner } from 'typeorm'
import { type Dialect } from '../../../src/dialects'
import { type HiddenBy } from '../../../src/dialects/dialect'
import { rowsHidden, rowsKept } from '../../../src/migration/column-contents'
import { checkCapacity, checkKind, declaredType } from '../../../src/migration/column-fits'
import {
  explained,
  inForeignKeys,
  isDuplicate,
  refuseForeignKeys,
  refuseRules,
} from '../../../src/migration/refusals'
import { type ColumnLayout } from '../../../src/migration/rows/column-layout'
import { columnWith, dialectWith, Failed } from './support'

const runner = {} as QueryRunner
const layoutWith = (dialect: object, more: object = {}): ColumnLayout =>
  ({
    dialect: dialectWith(dialect),
    column: columnWith(),
    path: 'user',
    table: '"user"',
    name: '"secret"',
    type: 'varchar',
    storage: 'binary',
    ...more,
  }) as unknown as ColumnLayout

const failed = async (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error as Error,
  )

describe('what a statement failed with', () => {
  const quoting = { code: 'ER_X', sqlState: '23000' }

  it.each<[failure: string, code: string]>([
    ['locked', 'TABLE_LOCKED'],
    ['value-refused', 'NOT_REPRESENTABLE'],
    ['constraint', 'COLUMN_TYPE'],
    ['policy', 'ROWS_HIDDEN'],
    ['denied', 'TABLE_ACCESS'],
  ])('is named for the column: %s', (failure, code) => {
    const error = new Failed(failure)
    expect(explained(error, dialectWith(), columnWith())).toMatchObject({
      code,
      entity: 'User',
      property: 'secret',
      cause: error,
    })
  })

  it.each(['deadlock', 'no-table', undefined])(
    'is left as it is where it says nothing of the column: %s',
    (failure) => {
      const error = new Failed(failure ?? '')
      expect(explained(error, dialectWith({ failureOf: () => failure }), columnWith())).toBe(error)
    },
  )

  it.each(['value-refused', 'constraint'])('is no cause where it may quote a value: %s', (failure) => {
    const error = Object.assign(new Failed(failure, "Duplicate entry 'geheim'"), quoting)
    const named = explained(error, dialectWith(), columnWith()) as Error
    expect(named.cause).toBeUndefined()
    expect(named.message).not.toContain('geheim')
  })

  it.each<[string, driverError: object, named: string, dialect: Dialect['name']]>([
    [
      'a CHECK of the column (MariaDB)',
      { message: 'CONSTRAINT `user.secret` failed for `db`.`user`' },
      'the CHECK of user.secret of the table does not take.*ALTER TABLE user MODIFY secret with its definition',
      'mysql',
    ],
    [
      'a CHECK of the table (MariaDB)',
      { message: 'CONSTRAINT `starts_well` failed for `db`.`user`' },
      'starts_well of the table .*DROP CONSTRAINT starts_well; or DROP INDEX starts_well if',
      'mysql',
    ],
    [
      'a CHECK of the table (MySQL)',
      { message: "Check constraint 'starts_well' is violated." },
      'starts_well of the table .*DROP CONSTRAINT starts_well; or',
      'mysql',
    ],
    [
      'a constraint (PostgreSQL)',
      { constraint: 'UQ_1', message: "for key 'other'" },
      'UQ_1 of the table .*DROP CONSTRAINT UQ_1; or',
      'postgres',
    ],
    [
      'an index (MariaDB)',
      { message: "Duplicate entry 'x' for key 'by_secret'" },
      'by_secret of the table .*\\(DROP INDEX by_secret ON user\\)',
      'mysql',
    ],
    [
      'an index (MySQL)',
      { message: "Duplicate entry 'x' for key 'user.by_secret'" },
      '\\(DROP INDEX by_secret ON user\\)',
      'mysql',
    ],
    [
      'an index (SQLite)',
      { message: "UNIQUE constraint failed: index 'by_secret'" },
      '\\(DROP INDEX by_secret\\)',
      'sqlite',
    ],
    [
      'an index (PostgreSQL)',
      { message: 'index row size 3000 exceeds maximum for index "by_secret"' },
      '\\(DROP INDEX by_secret\\)',
      'postgres',
    ],
    [
      'nobody knows what',
      { message: 'CHECK constraint failed' },
      'a constraint, an index or a trigger of the table .*Drop it, or change it so',
      'sqlite',
    ],
    ['no message', {}, 'a constraint, an index or a trigger of the table', 'sqlite'],
  ])('is against what is stored: %s', (_, driverError, named, name) => {
    const error = Object.assign(new Failed('constraint'), { driverError })
    const { message } = explained(error, dialectWith({ name }), columnWith()) as Error
    expect(message).toMatch(new RegExp(named))
    expect(message).toContain('to be stored in the column secret:')
  })

  it('is a value that another row has, only where an index of the column is unique', () => {
    const metadata = {
      databaseName: 'secret_index',
      entityMetadata: { tableName: 'user', indices: [{ name: 'IDX_9', columns: [] as unknown[] }] },
    }
    metadata.entityMetadata.indices[0]?.columns.push(metadata)
    const columnOf = (isUnique: boolean) => columnWith({ indexes: [{ declared: { isUnique }, metadata }] })
    const error = new Failed('constraint', "Duplicate entry for key 'IDX_9'")
    expect(explained(error, dialectWith(), columnOf(true))).toMatchObject({ code: 'VALUE_NOT_UNIQUE' })
    expect(explained(error, dialectWith(), columnOf(false))).toMatchObject({ code: 'COLUMN_TYPE' })
    expect(isDuplicate(error, columnOf(true))).toBe(true)
    expect(isDuplicate(new Failed('constraint', 'IDX_8'), columnOf(true))).toBe(false)
    for (const none of [undefined, null, 'IDX_9', { message: 9 }])
      expect(isDuplicate(none, columnOf(true))).toBe(false)
  })
})

describe('what stands in the way of a pass', () => {
  it('is a foreign key of the column', async () => {
    const asked: unknown[] = []
    const layoutOf = (...keys: string[]): ColumnLayout =>
      layoutWith({
        foreignKeys: (_: unknown, __: unknown, name: string) => {
          asked.push(name)
          return Promise.resolve(keys)
        },
      })
    await expect(refuseForeignKeys(runner, layoutOf())).resolves.toBeUndefined()
    expect(await failed(refuseForeignKeys(runner, layoutOf('FK_1')))).toMatchObject({
      code: 'COLUMN_TYPE',
      reason: inForeignKeys(['FK_1']),
    })
    expect(asked).toEqual(['secret', 'secret'])
    expect(inForeignKeys(['FK_1'])).toMatch(/part of a foreign key \(FK_1\).*Drop it first/)
    expect(inForeignKeys(['FK_1', 'FK_2'])).toMatch(/part of foreign keys \(FK_1, FK_2\).*Drop them first/)
  })

  it('is a rule instead of an UPDATE', async () => {
    const layoutOf = (...rules: string[]) => layoutWith({ replacedUpdates: () => Promise.resolve(rules) })
    await expect(refuseRules(runner, layoutOf())).resolves.toBeUndefined()
    const one = await failed(refuseRules(runner, layoutOf('r')))
    expect(one).toMatchObject({ code: 'COLUMN_TYPE', entity: 'User' })
    expect(one.message).toMatch(
      /has the rule r, which does something.*Disable it meanwhile: ALTER TABLE "user" DISABLE RULE r;/,
    )
    const two = await failed(refuseRules(runner, layoutOf('r', 's')))
    expect(two.message).toMatch(
      /has the rules r, s, which do something.*Disable them meanwhile: .* DISABLE RULE r;/,
    )
  })

  it.each<[HiddenBy, RegExp]>([
    ['view', /^user is a view or a foreign table/],
    ['policy', /^row level security hides rows of the table user.*BYPASSRLS/],
  ])('is what hides rows: %s', (by, expected) => {
    expect(rowsHidden('user', by)).toMatch(expected)
    expect(rowsKept('user')).toMatch(/^row level security of the table user does not let/)
  })

  it('is a type that takes no ciphertext', () => {
    const more = { column: columnWith({ metadata: { type: 'varbinary', length: '300' } }) }
    const changeType = (_: unknown, type: string): string => `ALTER TO ${type};`
    expect(() => {
      checkKind(layoutWith({ takesCiphertext: () => true }, more))
    }).not.toThrow()
    expect(() => {
      checkKind(layoutWith({ takesCiphertext: () => false, changeType }, more))
    }).toThrow(/of type varchar, and ciphertext needs a binary one.*ALTER TO varbinary\(300\);/)
    expect(
      declaredType(layoutWith({}, { column: columnWith({ metadata: { type: 'blob', length: '' } }) })),
    ).toBe('blob')
  })

  it('is a column that is too short, by one byte', () => {
    const roomy: unknown[] = []
    const dialect = {
      roomyType: (...given: unknown[]) => {
        roomy.push(given)
        return 'mediumblob'
      },
      changeType: (_: unknown, type: string) => `ALTER TO ${type};`,
    }
    const check = (capacity: number | undefined, length = '300') => {
      const column = columnWith({ metadata: { type: 'varbinary', length } })
      checkCapacity(layoutWith(dialect, { capacity, column }), 200)
    }
    for (const capacity of [undefined, 200, 201]) check(capacity)
    expect(roomy).toEqual([])
    expect(() => {
      check(199)
    }).toThrow(/holds 199 bytes, and the longest value needs 200.*ALTER TO mediumblob; No row was changed/)
    expect(() => {
      check(199, '')
    }).toThrow(/holds 199/)
    expect(roomy).toEqual([
      ['binary', 200, { sql: 'varbinary(300)', length: 300 }],
      ['binary', 200, { sql: 'varbinary', length: 0 }],
    ])
  })
})
