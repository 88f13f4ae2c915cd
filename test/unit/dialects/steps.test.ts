import { mysql } from '../../../src/dialects/mysql'
import { postgres } from '../../../src/dialects/postgres'
import { sqlite } from '../../../src/dialects/sqlite'
import { type ChangedColumn, type Step } from '../../../src/dialects/steps'
import { oldColumn as old } from './support'

const column: ChangedColumn = {
  entity: 'User',
  property: 'secret',
  tablePath: 'user',
  name: 'secret',
  tableSql: '"user"',
  nameSql: '"secret"',
  valueType: 'string',
  type: 'blob',
  kind: 'binary',
  nullable: false,
  old,
  holds: { plaintext: true, ciphertext: false },
}
const changed = (
  change: Partial<ChangedColumn>,
  before: Partial<ChangedColumn['old']> = {},
): ChangedColumn => ({
  ...column,
  ...change,
  old: { ...old, ...before },
})

/** What the steps say, without the words of their comments. */
const told = (steps: readonly Step[] = []): string[] =>
  steps.flatMap((step) => {
    if ('sql' in step) return [step.sql]
    if ('code' in step) return [step.code]
    if ('comment' in step) return []
    return told(step.steps)
  })

const UTF8 = 'ALTER TABLE "user" MODIFY "secret" longtext CHARACTER SET utf8mb4 NOT NULL'

describe('Migration steps of MySQL and MariaDB', () => {
  it.each<[string, ChangedColumn, string[], string[]]>([
    [
      'go from text to bytes through utf8mb4',
      column,
      [UTF8, 'ALTER TABLE "user" MODIFY "secret" blob NOT NULL'],
      [
        UTF8,
        "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
        'ALTER TABLE "user" MODIFY "secret" varchar(40) NOT NULL',
      ],
    ],
    [
      'bring back default and comment',
      changed({}, { default: "'x'", comment: "it's" }),
      [UTF8, 'ALTER TABLE "user" MODIFY "secret" blob NOT NULL'],
      [
        UTF8,
        "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
        `ALTER TABLE "user" MODIFY "secret" varchar(40) NOT NULL DEFAULT 'x' COMMENT 'it''s'`,
      ],
    ],
    [
      'widen bytes in one statement',
      changed({ type: 'mediumblob' }, { type: 'blob', fullType: 'blob', kind: 'binary' }),
      ['ALTER TABLE "user" MODIFY "secret" mediumblob NOT NULL'],
      ['ALTER TABLE "user" MODIFY "secret" blob NOT NULL'],
    ],
    [
      'write booleans as the library does',
      changed({ valueType: 'boolean' }, { type: 'tinyint', fullType: 'tinyint', kind: 'other' }),
      [
        UTF8,
        `UPDATE "user" SET "secret" = CASE WHEN "secret" IN ('0', 'false') THEN 'false' ELSE 'true' END WHERE "secret" IS NOT NULL`,
        'ALTER TABLE "user" MODIFY "secret" blob NOT NULL',
      ],
      [
        UTF8,
        `UPDATE "user" SET "secret" = CASE WHEN "secret" IN ('0', 'false') THEN '0' ELSE '1' END WHERE "secret" IS NOT NULL`,
        "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
        'ALTER TABLE "user" MODIFY "secret" tinyint NOT NULL',
      ],
    ],
    [
      'lose nothing of a text that has no form in UTF-8',
      changed({}, { fullType: 'varchar(40) CHARACTER SET cp1250 COLLATE cp1250_bin' }),
      [
        "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
        UTF8,
        'ALTER TABLE "user" MODIFY "secret" blob NOT NULL',
      ],
      [
        UTF8,
        "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
        'ALTER TABLE "user" MODIFY "secret" varchar(40) CHARACTER SET cp1250 COLLATE cp1250_bin NOT NULL',
      ],
    ],
  ])('%s', (_, change, up, down) => {
    const types = mysql.steps.types(change)
    expect(told(types.up)).toEqual(up)
    expect(told(types.down)).toEqual(down)
  })

  it.each<[string, ChangedColumn, string[], string[]]>([
    [
      'bits',
      changed({ valueType: 'boolean' }, { kind: 'other', type: 'bit', fullType: 'bit(1)' }),
      [
        `UPDATE "user" SET "secret" = CASE REPLACE(HEX("secret"), '0', '') WHEN '' THEN 'false' ELSE 'true' END WHERE "secret" IS NOT NULL`,
      ],
      [
        `UPDATE "user" SET "secret" = CASE WHEN "secret" IN ('0', 'false') THEN '0' ELSE '1' END WHERE "secret" IS NOT NULL`,
      ],
    ],
    [
      'days',
      changed({ valueType: 'date' }, { kind: 'other', type: 'date', fullType: 'date' }),
      [
        `UPDATE "user" SET "secret" = CONCAT(SUBSTR("secret", 1, 10), 'T00:00:00.000Z') WHERE "secret" IS NOT NULL`,
      ],
      [`UPDATE "user" SET "secret" = SUBSTR("secret", 1, 10) WHERE "secret" IS NOT NULL`],
    ],
    [
      'moments',
      changed({ valueType: 'date' }, { kind: 'other', type: 'datetime', fullType: 'datetime(6)' }),
      [
        `UPDATE "user" SET "secret" = CONCAT(REPLACE(RPAD(CONCAT(SUBSTR("secret", 1, 19), '.', SUBSTR("secret", 21, 3)), 23, '0'), ' ', 'T'), 'Z') WHERE "secret" IS NOT NULL`,
      ],
      [
        `UPDATE "user" SET "secret" = REPLACE(REPLACE("secret", 'T', ' '), 'Z', '') WHERE "secret" IS NOT NULL`,
      ],
    ],
    ['numbers', changed({ valueType: 'number' }, { kind: 'other', type: 'int', fullType: 'int' }), [], []],
    ['texts', changed({ valueType: 'boolean' }), [], []],
    ['texts of dates', changed({ valueType: 'date' }, { type: 'date' }), [], []],
  ])('write %s as the library does', (_, change, up, down) => {
    const types = mysql.steps.types(change)
    const updates = (steps: readonly Step[]): string[] =>
      told(steps).filter((sql) => sql.startsWith('UPDATE'))
    expect(updates(types.up)).toEqual(up)
    expect(updates(types.down)).toEqual(down)
  })

  it('change instants in UTC, whatever the zone of the session is, and other dates as they are', () => {
    const zones = (type: string, valueType = 'date'): number[] => {
      const { up, down } = mysql.steps.types(changed({ valueType }, { kind: 'other', type, fullType: type }))
      return [up, down].map((steps) => told(steps).findIndex((sql) => sql.includes("'+00:00'")))
    }
    expect(zones('timestamp')).toEqual([0, 3])
    expect(zones('datetime')).toEqual([-1, -1])
    expect(zones('timestamp', 'string')).toEqual([-1, -1])
    const { up } = mysql.steps.types(
      changed({ valueType: 'date' }, { kind: 'other', type: 'timestamp', fullType: 'timestamp' }),
    )
    expect(told(up).slice(1, 3)).toEqual([UTF8, 'SET SESSION time_zone = @kms_time_zone'])
  })

  const comments = (steps: readonly Step[] = []): string[] =>
    steps.flatMap((step) =>
      'comment' in step ? [step.comment] : 'steps' in step ? comments(step.steps) : [],
    )

  it.each([
    ['date', 'midnight in UTC'],
    ['datetime', 'has no time zone'],
    ['timestamp', 'not microseconds'],
  ])('say what becomes of a %s', (type, said) => {
    const change = changed({ valueType: 'date' }, { kind: 'other', type, fullType: type })
    expect(comments(mysql.steps.types(change).up).join()).toContain(said)
  })

  it.each([
    [{ nullable: false }, { nullable: true }, /NOT NULL/],
    [{ nullable: true }, { nullable: true }, undefined],
    [{ nullable: true }, { nullable: false }, undefined],
    [{}, { fullType: 'varchar(40) CHARACTER SET latin2' }, /UTF-8/],
    [{}, { fullType: 'varchar(40) CHARACTER SET utf8mb4' }, undefined],
    [{}, { kind: 'other', fullType: 'x CHARACTER SET latin2' }, undefined],
  ] as const)('are strict where something could be lost: %j from %j', (change, before, said) => {
    const { up } = mysql.steps.types(changed(change, before))
    expect(comments(up)).toEqual(said ? [expect.stringMatching(said)] : [])
    expect(told(up).filter((sql) => sql.includes('STRICT'))).toHaveLength(said ? 1 : 0)
  })

  it('are strict on the way back, unless all bytes come back', () => {
    const strict = (kind: 'text' | 'binary'): boolean =>
      told(mysql.steps.types(changed({ kind: 'text', type: 'varchar(800)' }, { kind })).down).some((sql) =>
        sql.includes('STRICT'),
      )
    expect([strict('text'), strict('binary')]).toEqual([true, false])
    expect(comments(mysql.steps.types(column).down).join()).toContain('varchar(40)')
  })

  it('give a text its own type once the plaintext is gone', () => {
    const types = mysql.steps.types(changed({ kind: 'text', type: 'varchar(800)' }))
    expect(told(types.up)).toEqual([UTF8])
    expect(told(types.afterEncryption)).toEqual(['ALTER TABLE "user" MODIFY "secret" varchar(800) NOT NULL'])
    expect(told(types.beforeDecryption)).toEqual([UTF8])
    expect(told(types.down).at(-1)).toBe('ALTER TABLE "user" MODIFY "secret" varchar(40) NOT NULL')
  })

  it('make bytes of base64 through a text, unless that was done', () => {
    const steps = mysql.steps.storage(column, { code: 'rotate' })
    expect(told(steps)).toEqual([
      UTF8,
      'ALTER TABLE "user" MODIFY "secret" longblob NOT NULL',
      'rotate',
      'ALTER TABLE "user" MODIFY "secret" blob NOT NULL',
    ])
    expect(steps[0]).toHaveProperty('unless')
  })

  it('keep NULL where the column has it', () => {
    const types = mysql.steps.types(changed({ nullable: true }, { nullable: true, comment: 'a\\b' }))
    expect(told(types.up).every((sql) => sql.endsWith(' NULL') && !sql.endsWith('NOT NULL'))).toBe(true)
    expect(told(types.down).at(-1)).toBe(
      `ALTER TABLE "user" MODIFY "secret" varchar(40) NULL COMMENT 'a\\\\b'`,
    )
  })

  it('add a column once', () => {
    expect(told([mysql.steps.add(column)])).toEqual(['ALTER TABLE "user" ADD COLUMN "secret" blob NULL'])
  })

  it('may be run again after a failure', () => {
    expect(mysql.steps.types(column).up).toEqual([
      expect.objectContaining({ unless: "await isBinaryColumn(queryRunner, 'User', 'secret')" }),
    ])
    expect(mysql.steps.add(column)).toMatchObject({
      unless: "await queryRunner.hasColumn('user', 'secret')",
    })
    expect(mysql.steps.rename(column, 'a', 'b')).toMatchObject({
      unless: "await queryRunner.hasColumn('user', 'b')",
      steps: [{ sql: 'ALTER TABLE "user" RENAME COLUMN `a` TO `b`' }],
    })
  })

  it('have room for base64 while they change the storage', () => {
    const rotate = { code: 'rotate' }
    const toText = changed({ kind: 'text', type: 'varchar(800)' }, { kind: 'binary' })
    expect(told(mysql.steps.storage(toText, rotate))).toEqual([
      'ALTER TABLE "user" MODIFY "secret" longblob NOT NULL',
      'rotate',
      UTF8,
      'ALTER TABLE "user" MODIFY "secret" varchar(800) NOT NULL',
    ])
  })
})

describe('Migration steps of PostgreSQL', () => {
  const bytea = { type: 'bytea' }

  it.each<[string, ChangedColumn, string[], string[]]>([
    [
      'change the type once each way, and nullability with it',
      changed({ ...bytea, nullable: true }),
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`,
        'ALTER TABLE "user" ALTER COLUMN "secret" DROP NOT NULL',
      ],
      [
        'ALTER TABLE "user" ALTER COLUMN "secret" SET NOT NULL',
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING convert_from("secret", 'UTF8')::varchar(40)`,
      ],
    ],
    [
      'take a default away, and bring it back',
      changed(bytea, { default: "'x'" }),
      [
        'ALTER TABLE "user" ALTER COLUMN "secret" DROP DEFAULT',
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`,
      ],
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING convert_from("secret", 'UTF8')::varchar(40)`,
        `ALTER TABLE "user" ALTER COLUMN "secret" SET DEFAULT 'x'`,
      ],
    ],
    [
      'shift only instants to UTC',
      changed(
        { ...bytea, valueType: 'date' },
        { type: 'timestamp with time zone', fullType: 'timestamptz', kind: 'other' },
      ),
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to(CASE WHEN EXTRACT(YEAR FROM "secret" AT TIME ZONE 'UTC') BETWEEN 1 AND 9999 THEN to_char("secret" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ELSE "secret"::text END, 'UTF8')`,
      ],
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE timestamptz USING convert_from("secret", 'UTF8')::timestamptz`,
      ],
    ],
    [
      'make a boolean of 0 and 1, and of nothing else',
      changed({ ...bytea, valueType: 'boolean' }, { kind: 'other', type: 'smallint', fullType: 'smallint' }),
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to(CASE "secret"::text WHEN '0' THEN 'false' WHEN '1' THEN 'true' ELSE "secret"::text END, 'UTF8')`,
      ],
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE smallint USING (CASE convert_from("secret", 'UTF8') WHEN 'false' THEN '0' WHEN 'true' THEN '1' ELSE convert_from("secret", 'UTF8') END)::smallint`,
      ],
    ],
    ['leave bytes as they are', changed(bytea, { kind: 'binary', type: 'bytea', fullType: 'bytea' }), [], []],
    [
      'make text of bytes, and nothing of it on the way back',
      changed({ kind: 'text', type: 'text' }, { kind: 'binary', type: 'bytea', fullType: 'bytea' }),
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE text USING convert_from("secret", 'UTF8')`],
      [],
    ],
    [
      'keep a text a text',
      changed({ kind: 'text', type: 'text' }),
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE text USING "secret"::text`],
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING "secret"::varchar(40)`],
    ],
    [
      'refuse NULL where the entity does',
      changed(bytea, { nullable: true }),
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`,
        'ALTER TABLE "user" ALTER COLUMN "secret" SET NOT NULL',
      ],
      [
        'ALTER TABLE "user" ALTER COLUMN "secret" DROP NOT NULL',
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING convert_from("secret", 'UTF8')::varchar(40)`,
      ],
    ],
    [
      'take a boolean for what it is',
      changed({ ...bytea, valueType: 'boolean' }, { kind: 'other', type: 'boolean', fullType: 'boolean' }),
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`],
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE boolean USING convert_from("secret", 'UTF8')::boolean`],
    ],
    [
      'take a text of booleans or dates for a text',
      changed({ ...bytea, valueType: 'boolean' }),
      [`ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`],
      [
        `ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING convert_from("secret", 'UTF8')::varchar(40)`,
      ],
    ],
  ])('%s', (_, change, up, down) => {
    const types = postgres.steps.types(change)
    expect(told(types.up)).toEqual(up)
    expect(told(types.down)).toEqual(down)
  })
})

describe('Further steps of PostgreSQL', () => {
  it.each([
    ['date', 'date', 'other', 'midnight in UTC'],
    ['date', 'timestamp with time zone', 'other', 'not microseconds'],
    ['date', 'timestamp without time zone', 'other', 'has no time zone'],
    ['date', 'character varying', 'text', undefined],
    ['string', 'date', 'other', undefined],
  ] as const)('say of a %s what becomes of a %s', (valueType, type, kind, said) => {
    const { up } = postgres.steps.types(changed({ type: 'bytea', valueType }, { kind, type, fullType: type }))
    const comments = up.flatMap((step) => ('comment' in step ? [step.comment] : []))
    expect(comments).toEqual(said === undefined ? [] : [expect.stringContaining(said)])
  })

  it('shift no moment that is no instant', () => {
    const type = 'timestamp without time zone'
    const { up } = postgres.steps.types(
      changed({ type: 'bytea', valueType: 'date' }, { kind: 'other', type, fullType: 'timestamp' }),
    )
    expect(told(up)[0]).toContain('to_char("secret", ')
  })

  it('add and rename a column', () => {
    expect(told([postgres.steps.add(column), postgres.steps.rename(column, 'a', 'b')])).toEqual([
      'ALTER TABLE "user" ADD COLUMN "secret" blob NULL',
      'ALTER TABLE "user" RENAME COLUMN "a" TO "b"',
    ])
    expect(postgres.steps.rebuilt(['ALTER TABLE "temporary_user" RENAME TO "user"'])).toEqual([])
  })

  it.each([
    ['text', 'text', 'binary', ['rotate', 'TYPE text']],
    ['binary', 'bytea', 'text', ['TYPE bytea', 'rotate']],
  ] as const)(
    'change the form of the values while the column is binary: to %s',
    (kind, type, before, order) => {
      const steps = told(
        postgres.steps.storage(changed({ kind, type }, { kind: before }), { code: 'rotate' }),
      )
      expect(steps.map((sql, index) => sql.includes(order[index] ?? ''))).toEqual([true, true])
    },
  )
})

describe('Migration steps of SQLite', () => {
  it('make the table anew, and bring back length and default', () => {
    const { up, down } = sqlite.steps.types(changed({}, { default: "'it''s'" }))
    expect(told(up)).toEqual([
      `await queryRunner.changeColumn('user', 'secret', new TableColumn({ name: 'secret', type: 'blob', isNullable: false }))`,
      'UPDATE "user" SET "secret" = CAST("secret" AS TEXT) WHERE "secret" IS NOT NULL',
    ])
    expect(told(down)).toEqual([
      'UPDATE "user" SET "secret" = CAST("secret" AS TEXT) WHERE "secret" IS NOT NULL',
      `await queryRunner.changeColumn('user', 'secret', new TableColumn({ name: 'secret', type: 'varchar', length: '40', isNullable: false, default: "'it''s'" }))`,
      'UPDATE "user" SET "secret" = "secret" WHERE "secret" IS NOT NULL',
    ])
  })

  it('leave the values alone where they are ciphertexts and stay in their storage', () => {
    const change = (type: string): string[] => [
      `await queryRunner.changeColumn('user', 'secret', new TableColumn({ name: 'secret', type: '${type}', isNullable: false }))`,
    ]
    const holds = { plaintext: false, ciphertext: true }
    const bytes = { kind: 'binary', type: 'varbinary', length: undefined } as const
    const { up, down } = sqlite.steps.types(changed({ holds }, bytes))
    expect([told(up), told(down)]).toEqual([change('blob'), change('varbinary')])
    expect(told(sqlite.steps.types(changed({}, bytes)).up)).toHaveLength(2)
    expect(told(sqlite.steps.types(changed({ holds }, { length: undefined })).up)).toHaveLength(2)
  })

  it.each([
    [
      'boolean',
      { kind: 'other', type: 'boolean' },
      `CASE CAST("secret" AS TEXT) WHEN '0' THEN 'false' ELSE 'true' END`,
      `CASE CAST("secret" AS TEXT) WHEN 'false' THEN 0 ELSE 1 END`,
    ],
    [
      'date',
      { kind: 'other', type: 'datetime' },
      `COALESCE(CASE WHEN CAST("secret" AS TEXT) LIKE '____-__-__%' THEN strftime('%Y-%m-%dT%H:%M:%fZ', CAST("secret" AS TEXT)) END, CAST("secret" AS TEXT))`,
      `REPLACE(REPLACE(CAST("secret" AS TEXT), 'T', ' '), 'Z', '')`,
    ],
    [
      'date',
      { kind: 'other', type: 'date' },
      expect.stringContaining('strftime') as string,
      `SUBSTR(CAST("secret" AS TEXT), 1, 10)`,
    ],
    ['number', { kind: 'other', type: 'int' }, 'CAST("secret" AS TEXT)', 'CAST("secret" AS TEXT)'],
    ['date', { kind: 'text', type: 'varchar' }, 'CAST("secret" AS TEXT)', 'CAST("secret" AS TEXT)'],
  ] as const)('write a %s as the library does: from %j', (valueType, before, up, down) => {
    const types = sqlite.steps.types(changed({ valueType }, before))
    const value = (steps: readonly Step[]): string | undefined =>
      /SET "secret" = (.*) WHERE/.exec(told(steps).find((sql) => sql.startsWith('UPDATE')) ?? '')?.[1]
    expect([value(types.up), value(types.down)]).toEqual([up, down])
  })

  it('take a text for what it is', () => {
    const { down } = sqlite.steps.types(changed({ kind: 'text', type: 'text' }))
    expect(told(down)[0]).toBe('UPDATE "user" SET "secret" = "secret" WHERE "secret" IS NOT NULL')
  })

  it('add and rename a column, which TypeORM must know of', () => {
    expect(told([sqlite.steps.add(column), sqlite.steps.rename(column, 'a', 'b')])).toEqual([
      'ALTER TABLE "user" ADD COLUMN "secret" blob NULL',
      `await queryRunner.renameColumn('user', 'a', 'b')`,
    ])
  })

  it.each([
    ['text', 'binary', 'rotate'],
    ['binary', 'text', 'changeColumn'],
  ] as const)('change the form of the values while the column is binary: to %s', (kind, before, first) => {
    const holds = { plaintext: false, ciphertext: true }
    const steps = told(sqlite.steps.storage(changed({ kind, holds }, { kind: before }), { code: 'rotate' }))
    expect(steps[0]).toContain(first)
    expect(steps).toContain('rotate')
  })

  it('run inside of what keeps the rows of other tables', () => {
    const steps = [{ sql: 'SELECT 1' }]
    expect(sqlite.steps.whole(steps, ['a', 'b'])).toEqual([
      { within: "await rebuildTables(queryRunner, ['a', 'b'], async () => {", steps },
    ])
    expect(sqlite.steps.whole(steps, [])).toBe(steps)
    expect(sqlite.steps.whole([], ['a'])).toEqual([])
    expect(mysql.steps.whole(steps, ['a'])).toBe(steps)
    expect(postgres.steps.whole(steps, ['a'])).toBe(steps)
  })

  it('know which tables the statements of TypeORM make anew', () => {
    const statements = [
      'CREATE TABLE "temporary_user" ("id" integer)',
      'INSERT INTO "temporary_user"("id") SELECT "id" FROM "user"',
      'DROP TABLE "user"',
      'ALTER TABLE "temporary_user" RENAME TO "user"',
      'DROP TABLE "gone"',
      'ALTER TABLE "user" RENAME TO "temporary_other"',
      '-- ALTER TABLE "temporary_never" RENAME TO "never"',
      'ALTER TABLE "main"."temporary_post" RENAME TO "post"',
      'ALTER TABLE "temporary_post" RENAME TO "post"',
    ]
    expect(sqlite.steps.rebuilt(statements)).toEqual(['user', 'post'])
    expect(mysql.steps.rebuilt(statements)).toEqual([])
  })
})
