import { mysql } from '../../../src/dialects/mysql'
import { postgres } from '../../../src/dialects/postgres'
import { sqlite } from '../../../src/dialects/sqlite'
import { type ChangedColumn, type Step } from '../../../src/dialects/steps'

const old: ChangedColumn['old'] = {
  name: 'secret',
  type: 'varchar',
  fullType: 'varchar(40)',
  kind: 'text',
  nullable: false,
  length: '40',
  default: undefined,
  comment: undefined,
}
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
  ])('%s', (_, change, up, down) => {
    const types = postgres.steps.types(change)
    expect(told(types.up)).toEqual(up)
    expect(told(types.down)).toEqual(down)
  })
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

  it('run inside of what keeps the rows of other tables', () => {
    const steps = [{ sql: 'SELECT 1' }]
    expect(sqlite.steps.whole(steps, ['a', 'b'])).toEqual([
      { within: "await rebuildTables(queryRunner, ['a', 'b'], async () => {", steps },
    ])
    expect(sqlite.steps.whole(steps, [])).toBe(steps)
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
    ]
    expect(sqlite.steps.rebuilt(statements)).toEqual(['user'])
    expect(mysql.steps.rebuilt(statements)).toEqual([])
  })
})
