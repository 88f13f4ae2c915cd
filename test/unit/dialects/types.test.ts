import { type QueryRunner } from 'typeorm'
import { type ColumnLayout } from '../../../src/dialects/column-layout'
import { type DatabaseColumn } from '../../../src/dialects/dialect'
import { mysql } from '../../../src/dialects/mysql'
import { postgres } from '../../../src/dialects/postgres'
import { sqlite } from '../../../src/dialects/sqlite'

const layout = (more: Partial<ColumnLayout> = {}): ColumnLayout => ({
  dialect: mysql,
  place: { entity: 'User', property: 'secret' },
  storage: 'binary',
  path: 'usr',
  table: '`usr`',
  name: '`secret`',
  type: 'varchar',
  kind: 'text',
  nullable: true,
  capacity: undefined,
  ...more,
})

describe('The type of a column for ciphertexts', () => {
  it.each([
    [mysql, 'binary', 100, { type: 'varbinary', length: 100 }],
    [mysql, 'text', 100, { type: 'varchar', length: 100 }],
    [mysql, 'binary', 16_383, { type: 'varbinary', length: 16_383 }],
    [mysql, 'binary', 16_384, { type: 'blob' }],
    [mysql, 'text', 16_384, { type: 'text' }],
    [mysql, 'binary', 65_535, { type: 'blob' }],
    [mysql, 'binary', 65_536, { type: 'mediumblob' }],
    [mysql, 'text', 16_777_215, { type: 'mediumtext' }],
    [mysql, 'text', 16_777_216, { type: 'longtext' }],
    [mysql, 'binary', undefined, { type: 'blob' }],
    [mysql, 'text', undefined, { type: 'text' }],
    [postgres, 'binary', 100, { type: 'bytea' }],
    [postgres, 'text', 100, { type: 'text' }],
    [sqlite, 'binary', 100, { type: 'blob' }],
    [sqlite, 'text', 100, { type: 'text' }],
  ] as const)('%#: holds as many bytes as it has to', (dialect, storage, length, type) => {
    expect(dialect.storedType(storage, length)).toEqual(type)
  })

  it.each([
    [mysql, { type: 'varchar', length: 32 }, { type: 'binary', length: 16 }],
    [postgres, { type: 'varchar', length: 32 }, { type: 'bytea' }],
    [sqlite, { type: 'varchar', length: 32 }, { type: 'blob' }],
  ])('%#: has digits or bytes of a blind index', (dialect, text, binary) => {
    expect(dialect.indexType('text', 16)).toEqual(text)
    expect(dialect.indexType('binary', 16)).toEqual(binary)
  })

  it.each([
    [mysql, 'binary', 10, 'varbinary(10)'],
    [mysql, 'binary', 11, 'blob'],
    [mysql, 'text', 70_000, 'mediumtext'],
    [postgres, 'binary', 11, 'bytea'],
    [postgres, 'text', 11, 'text'],
    [sqlite, 'binary', 11, 'blob'],
    [sqlite, 'text', 11, 'text'],
  ] as const)('%#: stays the declared one where that has room', (dialect, storage, length, type) => {
    expect(dialect.roomyType(storage, length, { sql: 'varbinary(10)', length: 10 })).toBe(type)
  })

  it.each([
    ['binary', 'binary', true],
    ['binary', 'text', false],
    ['binary', 'other', false],
    ['text', 'binary', true],
    ['text', 'text', true],
    ['text', 'other', false],
  ] as const)('%s in a column of kind %s: %s', (storage, kind, takes) => {
    expect(mysql.takesCiphertext(layout({ storage, kind }))).toBe(takes)
    expect(postgres.takesCiphertext(layout({ storage, kind }))).toBe(takes)
    expect(sqlite.takesCiphertext(layout({ storage, kind }))).toBe(true)
  })
})

describe('A statement that changes the type of a column', () => {
  it.each([
    [
      { kind: 'text', nullable: true },
      'blob',
      'ALTER TABLE `usr` MODIFY `secret` longtext CHARACTER SET utf8mb4 NULL; ALTER TABLE `usr` MODIFY `secret` blob NULL;',
    ],
    [
      { kind: 'text', nullable: false },
      'varbinary(9)',
      'ALTER TABLE `usr` MODIFY `secret` longtext CHARACTER SET utf8mb4 NOT NULL; ALTER TABLE `usr` MODIFY `secret` varbinary(9) NOT NULL;',
    ],
    [{ kind: 'text', nullable: true }, 'text', 'ALTER TABLE `usr` MODIFY `secret` text NULL;'],
    [{ kind: 'binary', nullable: true }, 'blob', 'ALTER TABLE `usr` MODIFY `secret` blob NULL;'],
  ] as const)('keeps the values on MySQL: %j to %s', (change, type, sql) => {
    expect(mysql.changeType(layout(change), type)).toBe(sql)
  })

  it.each([
    [
      'text',
      'bytea',
      "ALTER TABLE `usr` ALTER COLUMN `secret` TYPE bytea USING convert_to(`secret`::text, 'UTF8');",
    ],
    [
      'other',
      'bytea',
      "ALTER TABLE `usr` ALTER COLUMN `secret` TYPE bytea USING convert_to(`secret`::text, 'UTF8');",
    ],
    ['binary', 'bytea', 'ALTER TABLE `usr` ALTER COLUMN `secret` TYPE bytea;'],
    ['text', 'text', 'ALTER TABLE `usr` ALTER COLUMN `secret` TYPE text;'],
  ] as const)('keeps the values on PostgreSQL: %s to %s', (kind, type, sql) => {
    expect(postgres.changeType(layout({ kind }), type)).toBe(sql)
  })

  it('is another one on SQLite, and names table and column', () => {
    expect(sqlite.changeType(layout(), 'blob')).toMatch(/`usr`.*`secret`.*blob/)
  })
})

describe('The room of a column', () => {
  const collated = (Collation: string): QueryRunner =>
    ({ query: () => Promise.resolve([{ Collation }]) }) as unknown as QueryRunner
  const unasked = {
    query: () => Promise.reject(new Error('asked')),
  } as unknown as QueryRunner
  const column = (type: string, length = ''): DatabaseColumn => ({ name: 'secret', type, length })

  it.each([
    [column('varchar', '40'), unasked, 40],
    [column('varbinary', '40'), unasked, 40],
    [column('longtext'), unasked, undefined],
    [column('longblob'), unasked, undefined],
    [column('tinyblob'), unasked, 255],
    [column('blob'), unasked, 65_535],
    [column('mediumblob'), unasked, 16_777_215],
    [column('tinytext'), collated('utf8mb4_general_ci'), 255],
    [column('text'), collated('latin1_swedish_ci'), 65_535],
    [column('tinytext'), collated('ucs2_bin'), 127],
    [column('tinytext'), collated('utf16_bin'), 127],
    [column('tinytext'), collated('utf16le_bin'), 127],
    [column('tinytext'), collated('utf32_general_ci'), 63],
  ])('%# is known on MySQL', async (of, queryRunner, room) => {
    expect(await mysql.capacityOf(queryRunner, '`usr`', of)).toBe(room)
  })

  it('is that of its type on PostgreSQL', async () => {
    expect(await postgres.capacityOf(unasked, 'usr', column('varchar', '40'))).toBe(40)
    expect(await postgres.capacityOf(unasked, 'usr', column('text'))).toBeUndefined()
  })

  it('comes with its character set and collation', async () => {
    expect(await mysql.textOptions(collated('latin1_german2_ci'), '`usr`', 'secret')).toBe(
      ' CHARACTER SET latin1 COLLATE latin1_german2_ci',
    )
    expect(await postgres.textOptions(unasked, 'usr', 'secret')).toBe('')
  })
})

describe('The names and texts that a database takes', () => {
  it.each([
    [mysql, 'x'.repeat(64), false],
    [mysql, 'x'.repeat(65), true],
    [mysql, 'ü'.repeat(64), false],
    [postgres, 'x'.repeat(63), false],
    [postgres, 'x'.repeat(64), true],
    [postgres, 'ü'.repeat(32), true],
    [sqlite, 'x'.repeat(1_000), false],
  ])('%# may be too long', (dialect, name, isTooLong) => {
    expect(dialect.isTooLong(name)).toBe(isTooLong)
  })

  it('have no NUL on PostgreSQL', () => {
    expect(postgres.isStorableText(Buffer.from('a\0b'))).toBe(false)
    expect(postgres.isStorableText(Buffer.from('ab'))).toBe(true)
    expect(mysql.isStorableText(Buffer.from('a\0b'))).toBe(true)
    expect(sqlite.isStorableText(Buffer.from('a\0b'))).toBe(true)
  })

  it.each([
    [mysql, { database: 'app' }, ['app']],
    [mysql, {}, []],
    [mysql, { database: '' }, []],
    [postgres, { schema: 'a', searchSchema: 'b' }, ['a', 'b']],
    [postgres, { searchSchema: 'b' }, ['b']],
    [postgres, { schema: 'a' }, ['a']],
    [postgres, {}, ['public']],
    [sqlite, { database: 'app.db' }, ['main', 'app.db']],
    [sqlite, {}, ['main']],
  ])('%# belong to schemas', (dialect, driver, schemas) => {
    expect(dialect.defaultSchemas(driver)).toEqual(schemas)
  })
})

describe('SQL over the bytes of a value', () => {
  const [text, binary, other] = (['text', 'binary', 'other'] as const).map((kind) => ({ kind, name: 'c' }))

  it.each([
    [mysql, 'CAST(CONVERT(c USING utf8mb4) AS BINARY)', 'c', 'CAST(CONVERT(c USING utf8mb4) AS BINARY)'],
    [postgres, "convert_to(c::text, 'UTF8')", 'c', "convert_to(c::text, 'UTF8')"],
    [sqlite, 'CAST(c AS BLOB)', 'CAST(c AS BLOB)', 'CAST(c AS BLOB)'],
  ])('%# has them from each kind of column', (dialect, ...sql) => {
    expect([text!, binary!, other!].map((column) => dialect.bytesSql(column))).toEqual(sql)
  })

  it.each([
    [mysql, "x'c1'", 'LENGTH(c)', 'MIN(c)', 'CAST(c AS CHAR)', '?'],
    [postgres, "decode('c1', 'hex')", 'OCTET_LENGTH(c)', '(ARRAY_AGG(c))[1]', 'CAST(c AS text)', '$2'],
    [sqlite, "x'c1'", 'OCTET_LENGTH(c)', 'MIN(c)', 'CAST(c AS TEXT)', '?'],
  ])('%# is that of the database', (dialect, ...sql) => {
    expect([
      dialect.bytesLiteral('c1'),
      dialect.lengthSql('c'),
      dialect.anyValue('c'),
      dialect.textSql('c'),
      dialect.placeholder(2),
    ]).toEqual(sql)
    expect(dialect.steps.asText('c')).toBe(dialect.textSql('c'))
  })

  it('tells where the database gives text', () => {
    for (const dialect of [mysql, postgres]) {
      expect([text!, binary!, other!].map((column) => dialect.isTextSql(column))).toEqual([
        '1 = 1',
        '1 = 0',
        '1 = 0',
      ])
    }
    expect(sqlite.isTextSql(binary!)).toBe("TYPEOF(c) = 'text'")
  })

  it('tells on MySQL alone where the database does not give all of a text', () => {
    expect(mysql.isWholeSql(binary!)).toBeUndefined()
    expect(mysql.isWholeSql(text!)).toContain('CHAR_LENGTH(c) - ')
    expect(mysql.isWholeSql(text!)).toContain('CHAR_LENGTH(CONVERT(c USING utf8mb4)) - ')
    expect(postgres.isWholeSql(text!)).toBeUndefined()
    expect(sqlite.isWholeSql(text!)).toBeUndefined()
  })
})
