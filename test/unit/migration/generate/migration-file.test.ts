import { runInNewContext } from 'node:vm'
import { type Step } from '../../../../src/dialects/steps'
import { migrationFile } from '../../../../src/migration/generate/migration-file'

const imports = (...steps: Step[]): string[] =>
  migrationFile('Encrypt1', steps, [])
    .split('\n')
    .filter((line) => line.startsWith('import'))

/** The lines inside of `up`. */
const body = (...steps: Step[]): string[] => {
  const lines = migrationFile('Encrypt1', steps, []).split('\n')
  const first = lines.findIndex((line) => line.includes('async up('))
  return lines.slice(first + 1, lines.indexOf('  }', first))
}

describe('the text of a migration', () => {
  it('is a class that TypeORM takes, with the steps of each direction in their order', () => {
    const file = migrationFile('Encrypt1', [{ code: 'one()' }, { code: 'two()' }], [{ code: 'back()' }])
    expect(file.split('\n')).toEqual([
      "import { type MigrationInterface, type QueryRunner } from 'typeorm'",
      '',
      'export class Encrypt1 implements MigrationInterface {',
      "  name = 'Encrypt1'",
      '',
      '  async up(queryRunner: QueryRunner): Promise<void> {',
      '    one()',
      '    two()',
      '  }',
      '',
      '  async down(queryRunner: QueryRunner): Promise<void> {',
      '    back()',
      '  }',
      '}',
      '',
    ])
  })

  it.each<[string, Step, RegExp]>([
    ['code', { code: 'await encryptColumns(queryRunner)' }, /^import { encryptColumns } from 'typeorm-kms-/],
    ['a condition', { unless: 'await isBinaryColumn(x)', steps: [] }, /^import { isBinaryColumn } from/],
    [
      'code under a condition',
      { unless: 'x', steps: [{ code: 'await rotateColumns(x)' }] },
      /^import { rotateColumns } from/,
    ],
    [
      'a call around others',
      { within: 'await rebuildTables(x, () => {', steps: [] },
      /^import { rebuildTables } from/,
    ],
    [
      'code inside of a call',
      { within: 'await rebuildTables(x, () => {', steps: [{ code: 'await decryptColumns(x)' }] },
      /^import { decryptColumns, rebuildTables } from/,
    ],
  ])('imports what is called in %s', (_, step, expected) => {
    expect(imports(step)).toEqual([expect.stringMatching(/from 'typeorm'$/), expect.stringMatching(expected)])
    const inDown = migrationFile('Encrypt1', [], [step])
    expect(inDown.split('\n')[1]).toMatch(expected)
  })

  it('imports TableColumn where one is made, and nothing for what stands in statements and comments', () => {
    expect(imports({ code: 'await queryRunner.changeColumn(new TableColumn({}))' })).toEqual([
      "import { type MigrationInterface, type QueryRunner, TableColumn } from 'typeorm'",
    ])
    expect(
      imports({ sql: 'SELECT encryptColumns(1)' }, { comment: 'encryptColumns() comes later' }),
    ).toHaveLength(1)
  })

  it('indents what stands under a condition and inside of a call', () => {
    const steps: Step[] = [{ comment: 'note' }, { sql: 'SELECT 1' }]
    expect(body({ unless: 'await is()', steps })).toEqual([
      '    if (!(await is())) {',
      '      // note',
      "      await queryRunner.query('SELECT 1')",
      '    }',
    ])
    expect(body({ within: 'await around(async () => {', steps: [{ unless: 'x', steps }] })).toEqual([
      '    await around(async () => {',
      '      if (!(x)) {',
      '        // note',
      "        await queryRunner.query('SELECT 1')",
      '      }',
      '    })',
    ])
  })

  it.each([
    'SELECT 1',
    "UPDATE t SET a = 'b'",
    'ALTER TABLE "t" ADD "c" text',
    `UPDATE "t" SET a = 'b'`,
    'ALTER TABLE `t` MODIFY `c` blob',
    'ALTER TABLE `t` MODIFY `c` text DEFAULT \'x\' COMMENT "y"',
    'SELECT \'\\\\d\' || "${name}" || `b`',
    'SELECT\n1,\r\n2\r',
    "SELECT '\n'",
    'SELECT "\\"',
    '$ { $${ \\${',
  ])('sends the statement that was meant: %j', (sql) => {
    const [line = ''] =
      body({ sql })
        .join('\n')
        .match(/query\(([^]*)\)$/)
        ?.slice(1) ?? []
    expect(runInNewContext(line)).toBe(sql)
  })

  it('quotes as a person would', () => {
    const quotes = ['SELECT 1', "SELECT 'a'", `SELECT 'a', "b"`, 'SELECT\n1'].map((sql) =>
      body({ sql })[0]?.trim(),
    )
    expect(quotes.map((line) => line?.replace('await queryRunner.query(', '')[0])).toEqual([
      "'",
      '"',
      '`',
      '`',
    ])
  })
})
