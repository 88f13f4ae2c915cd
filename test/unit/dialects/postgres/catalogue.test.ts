import { type ColumnLayout } from '../../../../src/dialects/column-layout'
import { type TableName } from '../../../../src/dialects/dialect'
import { postgres } from '../../../../src/dialects/postgres'
import { deferrable } from '../../../../src/dialects/postgres/table'
import { type RowColumn } from '../../../../src/dialects/row-column'
import { type KeyColumn, Parameters } from '../../../../src/dialects/rows/key-order'
import { failureOf, sessionWith } from '../support'

const table: TableName = { path: 'app.usr', sql: '"app"."usr"', escape: (name) => `"${name}"` }
const layout = { path: 'app.usr', table: '"app"."usr"' }

describe('What the catalogue of PostgreSQL says', () => {
  describe('of columns that values are bound to', () => {
    const column = (more: object = {}) => ({
      number: 2,
      name: 'tenant',
      type: 'int4',
      modifier: -1,
      notnull: 'true',
      deterministic: null,
      collation: null,
      generated: '',
      identity: '',
      fallback: null,
      sequence: null,
      relation: 'r',
      ...more,
    })
    const columnOf = async (found: object, answers: object = {}): Promise<RowColumn | undefined> => {
      const { queryRunner } = sessionWith({ 'FROM pg_attribute': [found], ...answers })
      return (await postgres.rowColumns(queryRunner, table, ['tenant'])).get('tenant')
    }

    it('asks for nothing more where there is none of them', async () => {
      const { queryRunner, sent } = sessionWith()
      expect((await postgres.rowColumns(queryRunner, table, ['tenant'])).size).toBe(0)
      expect(sent.map(({ parameters }) => parameters)).toEqual([['"app"."usr"', ['tenant']]])
    })

    it.each([
      [column({ type: 'int2' }), { kind: 'integer', min: -32768n, max: 32767n }],
      [column({ type: 'int4' }), { kind: 'integer', max: 2147483647n }],
      [column({ type: 'int8' }), { kind: 'integer', max: 9223372036854775807n }],
      [column({ type: 'uuid' }), { kind: 'uuid' }],
      [column({ type: 'bool' }), { kind: 'boolean' }],
      [column({ type: 'bytea' }), { kind: 'bytes', length: undefined }],
      [column({ type: 'text', deterministic: 'true' }), { kind: 'text', length: undefined, isAscii: false }],
      [column({ type: 'varchar', deterministic: 'true', modifier: 40 }), { kind: 'text', length: 36 }],
      [column({ type: 'varchar', deterministic: 'true', modifier: 5 }), { kind: 'text', length: 1 }],
      [column({ type: 'varchar', deterministic: 'true', modifier: 4 }), { kind: 'text', length: undefined }],
    ])('has a form: %#', async (found, form) => {
      expect((await columnOf(found))?.form).toMatchObject(form)
    })

    it.each([
      [column({ type: 'bpchar', deterministic: 'true' }), 'no text of its own'],
      [column({ type: 'timestamptz' }), 'no text of its own'],
      [column({ type: 'text', deterministic: 'false', collation: 'folding' }), 'folding'],
      [column({ type: 'varchar', deterministic: null }), 'unknown'],
    ])('has none: %#', async (found, why) => {
      expect((await columnOf(found))?.form).toContain(why)
    })

    it.each([
      [{}, false],
      [{ notnull: 'false' }, true],
      [{ notnull: 'false', relation: 'v' }, false],
      [{ notnull: 'false', relation: 'm' }, false],
      [{ notnull: 'true', relation: 'v' }, false],
    ])('can be NULL: %j', async (more, isNullable) => {
      expect((await columnOf(column(more)))?.isNullable).toBe(isNullable)
    })

    it.each([
      [{ generated: 's' }, {}, 'a generated expression'],
      [
        {},
        { confupdtype: [{ number: 1 }, { number: 2 }] },
        'a foreign key with ON UPDATE CASCADE, SET NULL or SET DEFAULT',
      ],
      [{}, { confupdtype: [{ number: 1 }] }, undefined],
      [{}, { pg_trigger: [{ name: 'moves', text: 'NEW.tenant := 7' }] }, 'the trigger moves'],
      [{}, { pg_trigger: [{ name: 'moves', text: 'NEW.other := 7' }] }, undefined],
      [{}, {}, undefined],
    ])('is changed by something: %j, %j', async (more, answers, changedBy) => {
      expect((await columnOf(column(more), answers))?.changedBy).toBe(changedBy)
    })

    it.each([
      [{}, undefined],
      [
        { identity: 'd', sequence: `app."it's_seq"` },
        { kind: 'asked', expression: `nextval('app."it''s_seq"'::regclass)`, isAlways: false },
      ],
      [
        { identity: 'a', sequence: 's' },
        { kind: 'asked', expression: "nextval('s'::regclass)", isAlways: true },
      ],
      [{ identity: 'a', sequence: null }, undefined],
      [
        { identity: '', sequence: 's', fallback: 'f()' },
        { kind: 'asked', expression: 'f()', isAlways: false },
      ],
      [
        { fallback: 'gen_random_uuid()' },
        { kind: 'asked', expression: 'gen_random_uuid()', isAlways: false },
      ],
      [{ fallback: 'a + 1', generated: 's' }, undefined],
    ])('is made: %j', async (more, made) => {
      expect((await columnOf(column(more)))?.made).toEqual(made)
    })
  })

  describe('of a key', () => {
    const columns = [
      { name: 'id', number: 1, type: 'integer', not_null: 'true' },
      { name: 'part', number: 2, type: 'json', not_null: 'true' },
      { name: 'maybe', number: 3, type: 'point', not_null: 'false' },
    ]
    interface Answers {
      tables?: number[]
      /** Tables that have a unique index. */
      unique?: number[]
      identity?: unknown
    }
    async function readKeys(names: string[], { tables = [1], unique = [1], identity = [] }: Answers = {}) {
      const { queryRunner, sent, statements } = sessionWith({
        'FROM pg_attribute WHERE': columns,
        'WITH RECURSIVE': tables.map((id) => ({ id })),
        pg_index: (_sql: string, [id]: [number]) => (unique.includes(id) ? [{ found: 1 }] : []),
        'AS found FROM "app"."usr"': identity,
      })
      const keys: KeyColumn[] = await postgres.readKeys(
        queryRunner,
        table,
        names.map((name) => ({ property: `${name}Property`, name })),
      )
      const isChecked = statements().some((sql) => sql.includes('GROUP BY'))
      return { keys, isChecked, indexed: sent.filter(({ sql }) => sql.includes('pg_index')) }
    }

    it('has the type of the catalogue, and compares as text what it selects', async () => {
      const { keys, isChecked, indexed } = await readKeys(['id'])
      expect(keys).toMatchObject([
        { property: 'idProperty', sql: '"id"', type: 'integer', selected: '"id"::text', text: '"id"::text' },
      ])
      const parameters = new Parameters((position) => `$${position}`)
      expect(keys[0]?.value('7', parameters)).toBe('$1::text::integer')
      expect(parameters.values).toEqual(['7'])
      expect(isChecked).toBe(false)
      expect(indexed.map(({ parameters: sent }) => sent)).toEqual([[1, ['id']]])
    })

    it.each<[string, string[], Answers, boolean]>([
      ['no unique index', ['id'], { unique: [] }, true],
      ['a column that can be NULL', ['id', 'maybe'], {}, true],
      ['tables that inherit, each with one', ['id'], { tables: [1, 2], unique: [1, 2] }, false],
      ['tables that inherit, one without', ['id'], { tables: [1, 2], unique: [1] }, true],
    ])('is asked for pairs unless it is certain: %s', async (_, names, answers, isChecked) => {
      expect((await readKeys(names, answers)).isChecked).toBe(isChecked)
    })

    it('has the table where others inherit from it', async () => {
      const sqls = async (tables: number[]): Promise<string[]> =>
        (await readKeys(['id'], { tables, unique: tables })).keys.map(({ sql }) => sql)
      expect(await sqls([1])).toEqual(['"id"'])
      expect(await sqls([1, 2])).toEqual(['"id"', 'tableoid'])
    })

    it('is an error where there is no such column, of exactly this name', async () => {
      const error = await failureOf(readKeys(['ID']))
      expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
      expect(String(error)).toContain('IDProperty')
    })

    const undefinedFunction = (message: string): Error => Object.assign(new Error(message), { code: '42883' })

    it.each([
      ['could not identify an equality operator for type json', 'json (partProperty)'],
      ['could not identify an operator', 'json, point (partProperty, maybeProperty)'],
    ])('is an error where its values do not compare: %s', async (message, told) => {
      const error = await failureOf(
        readKeys(['part', 'maybe'], { unique: [], identity: undefinedFunction(message) }),
      )
      expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
      expect(String(error)).toContain(told)
    })

    it.each([new Error('lost'), Object.assign(new Error('lost'), { code: '57P01' })])(
      'is the error of the database otherwise: %#',
      async (lost) => {
        expect(await failureOf(readKeys(['id'], { unique: [], identity: lost }))).toBe(lost)
      },
    )
  })

  describe('of a table', () => {
    it('names triggers, rules and foreign keys', async () => {
      const { queryRunner, sent } = sessionWith({ SELECT: [{ name: 'one' }, { name: 'two' }] })
      expect(await postgres.triggers(queryRunner, layout)).toEqual(['one', 'two'])
      expect(await postgres.replacedUpdates(queryRunner, layout)).toEqual(['one', 'two'])
      expect(await postgres.foreignKeys(queryRunner, layout, 'secret')).toEqual(['one', 'two'])
      expect(await deferrable(queryRunner, layout)).toEqual(['one', 'two'])
      expect(sent.map(({ parameters }) => parameters)).toEqual([
        ['"app"."usr"'],
        ['"app"."usr"'],
        ['"app"."usr"', 'secret'],
        ['"app"."usr"'],
      ])
    })

    it.each([
      [[{ policy: 'true', view: 'false' }], 'policy'],
      [[{ policy: 'true', view: 'true' }], 'policy'],
      [[{ policy: 'false', view: 'true' }], 'view'],
      [[{ policy: 'false', view: 'false' }], undefined],
      [[], undefined],
    ])('%# tells what hides rows', async (rows, hiddenBy) => {
      expect(await postgres.hiddenBy(sessionWith({ row_security_active: rows }).queryRunner, layout)).toBe(
        hiddenBy,
      )
    })

    it('has the statements of its indexes', async () => {
      const { queryRunner, sent } = sessionWith({
        'AS path': [{ path: 'app.computed', sql: 'CREATE INDEX computed' }],
        pg_get_indexdef: [{ name: 'plain', sql: 'CREATE INDEX plain' }],
      })
      expect([...(await postgres.indexDefinitions(queryRunner, layout))]).toEqual([
        ['plain', 'CREATE INDEX plain'],
      ])
      expect([...(await postgres.expressionIndexes(queryRunner, layout, 'secret'))]).toEqual([
        ['app.computed', 'CREATE INDEX computed'],
      ])
      expect(sent[1]?.parameters).toEqual(['"app"."usr"', 'secret'])
    })

    it('compares texts as they are, unless their type says otherwise', async () => {
      const { queryRunner } = sessionWith()
      const column = { name: '"secret"', type: 'citext' } as ColumnLayout
      expect(await postgres.comparedAs(queryRunner, column)).toEqual({ sql: '"secret"', name: 'citext' })
      expect(await postgres.comparedAs(queryRunner, { ...column, type: 'text' })).toBeUndefined()
    })

    it('has nothing of what other databases have', async () => {
      const { queryRunner } = sessionWith()
      expect(await postgres.keyStep(queryRunner)).toBe(1)
      expect(await postgres.uniqueKeys(queryRunner, table)).toEqual([])
      expect(await postgres.cutsOffValues(queryRunner)).toBeUndefined()
      expect(await postgres.allVersions(queryRunner, layout)).toBeUndefined()
    })
  })

  describe('of a session', () => {
    const key = (type: string): KeyColumn => ({ type }) as KeyColumn

    it('has a time for locks, which is put back', async () => {
      const { queryRunner, statements } = sessionWith({ current_setting: [{ lock_timeout: '0' }] })
      await (
        await postgres.limitLockWait(queryRunner, 500)
      )()
      expect(statements()).toEqual([
        `SELECT current_setting('lock_timeout') AS "lock_timeout"`,
        "SELECT set_config('lock_timeout', '500', false)",
        "SELECT set_config('lock_timeout', '0', false)",
      ])
    })

    it.each([
      'smallint',
      'integer',
      'bigint',
      'numeric',
      'numeric(9,2)',
      'uuid',
      'text',
      'character varying(36)',
      'character(3)',
      'boolean',
      'oid',
    ])('is left alone for keys of type %s', async (type) => {
      const { queryRunner, sent } = sessionWith()
      const restore = await postgres.fixFormats(queryRunner, [key(type)])
      await expect(restore()).resolves.toBeUndefined()
      expect(sent).toEqual([])
    })

    it.each(['date', 'timestamp with time zone', 'interval', 'real', 'bytea', 'my text', 'texts', 'an oid'])(
      'has fixed formats for keys of type %s',
      async (type) => {
        const { queryRunner, statements } = sessionWith({ current_setting: [{}] })
        await postgres.fixFormats(queryRunner, [key('integer'), key(type)])
        const [, ...set] = statements()
        expect(set.map((sql) => /'(\w+)'/.exec(sql)?.[1])).toEqual([
          'datestyle',
          'intervalstyle',
          'timezone',
          'extra_float_digits',
          'bytea_output',
        ])
      },
    )
  })

  it('reads a text in two ways only where a backslash is in it', () => {
    const { readings } = postgres.language({})
    expect(readings("SELECT 'a'")).toHaveLength(1)
    const [standard, other] = readings("SELECT 'a\\'")
    expect(standard?.quotes["'"]?.hasBackslashes).toBe(false)
    expect(other?.quotes["'"]?.hasBackslashes).toBe(true)
  })
})
