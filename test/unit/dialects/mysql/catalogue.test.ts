import { type ColumnLayout } from '../../../../src/dialects/column-layout'
import { type TableName } from '../../../../src/dialects/dialect'
import { mysql } from '../../../../src/dialects/mysql'
import { columnsSetOnUpdate, hasNoTransactions, inCatalogue } from '../../../../src/dialects/mysql/table'
import { type RowColumn } from '../../../../src/dialects/row-column'
import { failureOf, sessionWith } from '../support'

const table: TableName = { path: 'app.usr', sql: '`app`.`usr`', escape: (name) => `\`${name}\`` }
const layout = { path: 'app.usr', table: '`app`.`usr`' }

describe('A table in the catalogue of MySQL', () => {
  it.each([
    ['usr', 'table_schema = DATABASE() AND table_name = ?', ['usr']],
    ['app.usr', 'table_schema = ? AND table_name = ?', ['app', 'usr']],
    ['def.app.usr', 'table_schema = ? AND table_name = ?', ['app', 'usr']],
  ])('is found by its path: %s', (path, where, parameters) => {
    expect(inCatalogue({ path })).toEqual({ where, parameters })
  })

  it('is found in other tables of it by other columns', () => {
    expect(inCatalogue({ path: 'a.b' }, ['s', 't']).where).toBe('s = ? AND t = ?')
  })
})

describe('What the catalogue of MySQL says', () => {
  /** A column as `information_schema` has it. */
  const column = (more: object = {}) => ({
    name: 'tenant',
    type: 'int',
    definition: 'int(11)',
    nullable: 'NO',
    length: null,
    charset: null,
    collation: null,
    extra: '',
    ...more,
  })
  const text = (more: object = {}) =>
    column({ type: 'varchar', length: 36, charset: 'utf8mb4', collation: 'utf8mb4_nopad_bin', ...more })

  const columnsOf = (found: object[], answers: object = {}, names = ['tenant']) =>
    mysql.rowColumns(
      sessionWith({ 'information_schema.columns': found, ...answers }).queryRunner,
      table,
      names,
    )
  const columnOf = async (found: object, answers: object = {}): Promise<RowColumn | undefined> =>
    (await columnsOf([found], answers)).get('tenant')

  describe('of columns that values are bound to', () => {
    it('finds those that are asked for, whatever the case of their names', async () => {
      const found = await columnsOf([column({ name: 'Tenant' }), column({ name: 'other' })], {}, [
        'TENANT',
        'id',
      ])
      expect([...found.keys()]).toEqual(['TENANT'])
    })

    it('asks for nothing more where there is none of them', async () => {
      const { queryRunner, sent } = sessionWith({ 'information_schema.columns': [column({ name: 'other' })] })
      expect((await mysql.rowColumns(queryRunner, table, ['tenant'])).size).toBe(0)
      expect(sent).toHaveLength(1)
      expect(sent[0]?.parameters).toEqual(['app', 'usr'])
    })

    it.each([
      ['tinyint', 'tinyint(4)', { min: -128n, max: 127n }],
      ['smallint', 'smallint(5) unsigned', { min: 0n, max: 65535n }],
      ['int', 'int(11)', { min: -2147483648n, max: 2147483647n }],
      ['bigint', 'bigint(20) UNSIGNED', { min: 0n, max: 18446744073709551615n }],
      ['uuid', 'uuid', { kind: 'uuid' }],
    ])('has a form for %s (%s)', async (type, definition, form) => {
      expect((await columnOf(column({ type, definition })))?.form).toMatchObject(form)
    })

    it.each(['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])('has bytes in %s', async (type) => {
      expect((await columnOf(column({ type, length: '16' })))?.form).toEqual({ kind: 'bytes', length: 16 })
    })

    it.each([
      ['utf8mb4', 'utf8mb4_nopad_bin', false],
      ['latin1', 'latin1_nopad_bin', true],
    ])('has text of %s in a collation that compares exactly', async (charset, collation, isAscii) => {
      const { queryRunner, statements } = sessionWith({
        'information_schema.columns': [text({ charset, collation })],
        'AS pads': [{ pads: '0' }],
      })
      const found = (await mysql.rowColumns(queryRunner, table, ['tenant'])).get('tenant')
      expect(found?.form).toEqual({ kind: 'text', length: 36, isAscii })
      const compared = (value: string): string => `CONVERT(${value} USING ${charset}) COLLATE ${collation}`
      expect(statements().at(-1)).toBe(`SELECT ${compared("'a'")} = ${compared("'a '")} AS pads`)
      for (const places of [
        'used.table_schema = ? AND used.table_name = ?',
        'event_object_schema = ? AND event_object_table = ?',
      ])
        expect(statements().join()).toContain(places)
    })

    it.each([
      ['utf8mb4_bin', { 'AS pads': [{ pads: 1 }] }],
      ['utf8mb4_bin', {}],
      ['utf8mb4_general_ci', { 'AS pads': [{ pads: 0 }] }],
      ['utf8mb4_bin_ci', { 'AS pads': [{ pads: 0 }] }],
      ["'x' utf8mb4_bin", { 'AS pads': [{ pads: 0 }] }],
    ])('has no form for a text that is compared by %s', async (collation, answers) => {
      expect((await columnOf(text({ collation }), answers))?.form).toContain(collation)
    })

    it.each([
      [column({ definition: 'int(5) unsigned ZEROFILL' }), 'ZEROFILL'],
      [column({ type: 'datetime' }), 'no text of its own'],
      [column({ type: 'char', charset: 'utf8mb4', collation: 'utf8mb4_nopad_bin' }), 'no text of its own'],
      [text({ charset: null }), 'no text of its own'],
      [text({ collation: null }), 'no text of its own'],
    ])('has no form otherwise: %#', async (found, why) => {
      expect((await columnOf(found, { 'AS pads': [{ pads: 0 }] }))?.form).toContain(why)
    })

    it('tells its type, and which can be NULL', async () => {
      expect(await columnOf(column())).toMatchObject({ type: 'int(11)', isNullable: false })
      expect(await columnOf(column({ nullable: 'YES' }))).toMatchObject({ isNullable: true })
    })

    it.each([
      ['', undefined],
      ['DEFAULT_GENERATED', undefined],
      ['auto_increment', undefined],
      ['DEFAULT_GENERATED on update CURRENT_TIMESTAMP', 'ON UPDATE of the column'],
      ['on update current_timestamp()', 'ON UPDATE of the column'],
      ['VIRTUAL GENERATED', 'a generated expression'],
      ['STORED GENERATED', 'a generated expression'],
      ['PERSISTENT', 'a generated expression'],
    ])('tells what changes it: %j', async (extra, changedBy) => {
      expect((await columnOf(column({ extra })))?.changedBy).toBe(changedBy)
    })

    it('tells which a foreign key changes', async () => {
      const cascading = { referential_constraints: [{ name: 'TENANT' }] }
      expect((await columnOf(column(), cascading))?.changedBy).toContain('foreign key')
      expect(
        (await columnOf(column({ name: 'tenant' }), { referential_constraints: [{ name: 'other' }] }))
          ?.changedBy,
      ).toBeUndefined()
    })

    it.each([['SET NEW.tenant = 7'], [Buffer.from('SET NEW.tenant = 7')]])(
      'tells which a trigger changes: %p',
      async (body) => {
        const answers = { 'information_schema.triggers': [{ name: 'moves', text: body }] }
        expect((await columnOf(column(), answers))?.changedBy).toBe('the trigger moves')
        expect(
          (await columnsOf([column({ name: 'other' })], answers, ['other'])).get('other')?.changedBy,
        ).toBeUndefined()
      },
    )

    it.each([
      ['YES', true],
      ['NO', false],
      [null, false],
    ])('tells which the database makes, in a table with transactions: %s', async (transactions, isUndone) => {
      const answers = { 'information_schema.engines': [{ transactions }] }
      const { queryRunner, sent } = sessionWith({
        'information_schema.columns': [column({ extra: 'AUTO_INCREMENT' }), column({ name: 'other' })],
        ...answers,
      })
      const found = await mysql.rowColumns(queryRunner, table, ['tenant', 'other'])
      expect(found.get('tenant')?.made).toEqual({ kind: 'inserted', isUndone, replacesZero: true })
      expect(found.get('other')?.made).toBeUndefined()
      expect(sent.find(({ sql }) => sql.includes('engines'))?.sql).toContain(
        't.table_schema = ? AND t.table_name = ?',
      )
    })

    it('asks for the engine only where a key is made', async () => {
      const { queryRunner, statements } = sessionWith({ 'information_schema.columns': [column()] })
      await mysql.rowColumns(queryRunner, table, ['tenant'])
      expect(statements().join()).not.toContain('engines')
    })

    it('says nothing of a table without an engine', async () => {
      const found = await columnOf(column({ extra: 'auto_increment' }))
      expect(found?.made).toMatchObject({ isUndone: false })
    })
  })

  it('has the step of keys', async () => {
    expect(await mysql.keyStep(sessionWith({ auto_increment_increment: [{ step: '2' }] }).queryRunner)).toBe(
      2,
    )
  })

  it('has the columns of each unique key, without parts that are expressions', async () => {
    const rows = [
      { id: 'PRIMARY', name: 'id' },
      { id: 'both', name: 'a' },
      { id: 'both', name: 'b' },
      { id: 'computed', name: null },
      { id: 'mixed', name: 'c' },
      { id: 'mixed', name: null },
    ]
    const { queryRunner } = sessionWith({ 'information_schema.statistics': rows })
    expect(await mysql.uniqueKeys(queryRunner, table)).toEqual([['id'], ['a', 'b'], [], ['c']])
  })

  describe('of a key', () => {
    const columns = [
      { name: 'Id', type: 'int', charset: null, collation: null, nullable: 'NO' },
      { name: 'part', type: 'varchar', charset: 'latin1', collation: 'latin1_bin', nullable: 'NO' },
      { name: 'maybe', type: 'int', charset: null, collation: null, nullable: 'YES' },
      { name: 'shape', type: 'geometry', charset: null, collation: null, nullable: 'NO' },
    ]
    const readKeys = async (names: string[], indexes: object[], more: object = {}) => {
      const { queryRunner, sent, statements } = sessionWith({
        'information_schema.columns': columns,
        'information_schema.statistics': indexes,
        ...more,
      })
      const keys = await mysql.readKeys(
        queryRunner,
        table,
        names.map((name) => ({ property: `${name}Property`, name })),
      )
      for (const { sql, parameters } of sent)
        expect(parameters).toEqual(sql.includes('information_schema') ? ['app', 'usr'] : [])
      return { keys, isChecked: statements().some((sql) => sql.includes('GROUP BY')) }
    }
    const primary = (...names: (string | null)[]): object[] => names.map((name) => ({ id: 'PRIMARY', name }))

    it('has the type of the catalogue and its form', async () => {
      const { keys } = await readKeys(['id', 'part'], primary('id', 'part'))
      expect(keys).toMatchObject([
        { property: 'idProperty', sql: '`id`', type: 'int', text: 'CAST(`id` AS BINARY)' },
        { property: 'partProperty', sql: '`part`', type: 'varchar', text: 'CAST(`part` AS BINARY)' },
      ])
    })

    it.each<[string, string[], object[], boolean]>([
      ['its own index', ['id', 'part'], primary('ID', 'part'), false],
      ['an index over some of its columns', ['id', 'part'], primary('id'), false],
      [
        'the second of two indexes',
        ['id'],
        [
          { id: 'a', name: 'part' },
          { id: 'b', name: 'id' },
        ],
        false,
      ],
      ['an index over more columns', ['id'], primary('id', 'part'), true],
      ['an index over others', ['id'], primary('part'), true],
      ['an index over an expression', ['id'], primary(null), true],
      ['no index', ['id'], [], true],
      ['an index over a column that can be NULL', ['id', 'maybe'], primary('id', 'maybe'), true],
    ])('tells rows apart by %s, or is asked for pairs', async (_, names, indexes, isChecked) => {
      expect((await readKeys(names, indexes)).isChecked).toBe(isChecked)
    })

    it.each([
      ['missing', 'missingProperty'],
      ['shape', 'geometry'],
    ])('is an error where it cannot be paged: %s', async (name, told) => {
      const error = await failureOf(readKeys([name], primary(name)))
      expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
      expect(String(error)).toContain(told)
    })

    it('is an error where rows have the same', async () => {
      const error = await failureOf(readKeys(['id'], [], { 'GROUP BY': [{ found: 1 }] }))
      expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
    })
  })

  describe('of a table', () => {
    it.each([
      [[{ answer: 'NO' }], true],
      [[{ answer: 'YES' }], false],
      [[], false],
    ])('%# says whether what is tried out can be taken back', async (rows, hasNone) => {
      expect(await hasNoTransactions(sessionWith({ engines: rows }).queryRunner, layout)).toBe(hasNone)
    })

    it('names the columns that an UPDATE sets, escaped', async () => {
      const { queryRunner } = sessionWith({ 'on update': [{ name: 'changed' }] })
      expect(await columnsSetOnUpdate(queryRunner, layout)).toEqual(['`changed`'])
    })

    it('names its triggers', async () => {
      const { queryRunner, sent } = sessionWith({ triggers: [{ name: 'touch' }] })
      expect(await mysql.triggers(queryRunner, layout)).toEqual(['touch'])
      expect(sent[0]?.sql).toContain('event_object_schema = ? AND event_object_table = ?')
    })

    it('names foreign keys on either side', async () => {
      const { queryRunner, sent } = sessionWith({ key_column_usage: [{ name: 'fk', owner: 'child' }] })
      expect(await mysql.foreignKeys(queryRunner, layout, 'secret')).toEqual(['fk of the table child'])
      expect(sent[0]?.parameters).toEqual(['app', 'usr', 'secret', 'app', 'usr', 'secret'])
      expect(sent[0]?.sql).toContain('referenced_table_schema = ? AND referenced_table_name = ?')
    })

    it('says that it is a view', async () => {
      expect(await mysql.hiddenBy(sessionWith({ views: [{ found: 1 }] }).queryRunner, layout)).toBe('view')
      expect(await mysql.hiddenBy(sessionWith().queryRunner, layout)).toBeUndefined()
    })

    it('says where its earlier versions are', async () => {
      expect(await mysql.allVersions(sessionWith({ VERSIONED: [{ found: 1 }] }).queryRunner, layout)).toBe(
        '`app`.`usr` FOR SYSTEM_TIME ALL',
      )
      expect(await mysql.allVersions(sessionWith().queryRunner, layout)).toBeUndefined()
    })

    it('has no rules and no indexes over expressions', async () => {
      const { queryRunner } = sessionWith()
      expect(await mysql.replacedUpdates(queryRunner, layout)).toEqual([])
      expect((await mysql.expressionIndexes(queryRunner, layout, 'secret')).size).toBe(0)
    })

    it('has the statements of its indexes', async () => {
      const create = `CREATE TABLE \`usr\` (
  \`id\` int(11) NOT NULL,
  \`KEY \`\`odd\`\` \` int,
  PRIMARY KEY (\`id\`),
  UNIQUE KEY \`one\` (\`secret\`(16)),
  KEY \`two \`\`quoted\`\`\` (\`a\`,\`b\`) COMMENT 'x',
  FULLTEXT KEY \`three\` (\`c\`),
  SPATIAL KEY \`four\` (\`d\`),
  CONSTRAINT \`fk\` FOREIGN KEY (\`a\`) REFERENCES \`other\` (\`id\`)
) ENGINE=InnoDB`
      const { queryRunner } = sessionWith({ 'SHOW CREATE TABLE `app`.`usr`': [{ 'Create Table': create }] })
      expect([...(await mysql.indexDefinitions(queryRunner, layout))]).toEqual([
        ['one', 'ALTER TABLE `app`.`usr` ADD UNIQUE KEY `one` (`secret`(16))'],
        ['two `quoted`', "ALTER TABLE `app`.`usr` ADD KEY `two ``quoted``` (`a`,`b`) COMMENT 'x'"],
        ['three', 'ALTER TABLE `app`.`usr` ADD FULLTEXT KEY `three` (`c`)'],
        ['four', 'ALTER TABLE `app`.`usr` ADD SPATIAL KEY `four` (`d`)'],
      ])
    })

    it.each([[[]], [[{ View: 'usr', 'Create View': 'CREATE VIEW' }]]])(
      '%# of a view there are none',
      async (rows) => {
        const { queryRunner } = sessionWith({ 'SHOW CREATE': rows })
        expect((await mysql.indexDefinitions(queryRunner, layout)).size).toBe(0)
      },
    )

    it.each([
      ['text', [{ name: 'latin1_swedish_ci' }], 'latin1', 'latin1_swedish_ci'],
      ['binary', [{ name: 'utf8mb4_general_ci' }], 'utf8mb4', 'utf8mb4_general_ci'],
      ['text', [{ name: 'uca1400_ai_ci' }], 'utf8mb4', 'uca1400_ai_ci'],
      ['text', [{ name: 'utf8mb4_bin' }], 'utf8mb4', 'utf8mb4_bin'],
      ['text', [{ name: 'utf8mb4_uca1400_ai_ci' }], 'utf8mb4', 'utf8mb4_uca1400_ai_ci'],
      ['text', [{ name: 'binary_ci' }], 'binary', 'binary_ci'],
    ] as const)('%# compares texts by its collation', async (kind, rows, charset, name) => {
      const column = { ...layout, kind, name: '`se``cret`' } as ColumnLayout
      const { queryRunner, sent } = sessionWith({ 'AS name': rows })
      expect(await mysql.comparedAs(queryRunner, column)).toEqual({
        sql: `CONVERT(\`se\`\`cret\` USING ${charset}) COLLATE ${name}`,
        name,
      })
      expect(sent[0]?.parameters).toEqual(kind === 'text' ? ['app', 'usr', 'se`cret'] : ['app', 'usr'])
    })

    it.each([[[{ name: 'binary' }]], [[{ name: 'utf8mb4_nopad_bin' }]], [[{ name: null }]], [[]]])(
      '%# compares them by their bytes',
      async (rows) => {
        const column = { ...layout, kind: 'text', name: '`secret`' } as ColumnLayout
        expect(await mysql.comparedAs(sessionWith({ 'AS name': rows }).queryRunner, column)).toBeUndefined()
      },
    )
  })
})
