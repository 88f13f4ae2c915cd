import { mysql } from '../../../../src/dialects/mysql'
import { postgres } from '../../../../src/dialects/postgres'
import { type ChangedColumn, type NewColumn, type Step } from '../../../../src/dialects/steps'
import { type Alteration, type ColumnChange } from '../../../../src/migration/generate/column-change'
import { stepsOf } from '../../../../src/migration/generate/steps'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { oldColumn as old } from '../../dialects/support'

const declared: NewColumn = {
  entity: 'User',
  property: 'secret',
  tablePath: 'user',
  name: 'secret',
  tableSql: '"user"',
  nameSql: '"secret"',
  valueType: 'string',
  type: 'bytea',
  kind: 'binary',
  nullable: false,
}
const binary = { type: 'bytea', fullType: 'bytea', kind: 'binary', length: undefined } as const

interface Before {
  old?: Partial<ChangedColumn['old']>
  holds?: Partial<ChangedColumn['holds']>
  options?: object
}

const alteration = (before: Before = {}, more: Partial<Alteration> = {}): ColumnChange => ({
  kind: 'alteration',
  bound: { name: 'User.secret', scheme: { options: before.options ?? {} } } as unknown as BoundColumn,
  column: {
    ...declared,
    old: { ...old, ...before.old },
    holds: { plaintext: true, ciphertext: false, ...before.holds },
  },
  indexColumns: [],
  indexes: [],
  expressionIndexes: new Map(),
  ...more,
})

/** What the steps say, each comment by its first words. */
const told = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => {
    if ('sql' in step) return [step.sql]
    if ('code' in step) return [step.code]
    if ('comment' in step) return [`// ${step.comment.split(' ').slice(0, 3).join(' ')}`]
    return told(step.steps)
  })

function both(change: ColumnChange, dialect = postgres): { up: string[]; down: string[] } {
  const { up, down } = stepsOf(change, dialect)
  return { up: told(up), down: told(down) }
}

const ENCRYPT = "await encryptColumns(queryRunner, 'User', ['secret'])"
const DECRYPT = "await decryptColumns(queryRunner, 'User', ['secret'])"
const ROTATE = "await rotateColumns(queryRunner, 'User', ['secret'])"
const TO_BYTES = `ALTER TABLE "user" ALTER COLUMN "secret" TYPE bytea USING convert_to("secret"::text, 'UTF8')`
const TO_TEXT = `ALTER TABLE "user" ALTER COLUMN "secret" TYPE varchar(40) USING convert_from("secret", 'UTF8')::varchar(40)`

describe('the steps of a migration', () => {
  it('add a column that can be NULL, and say that NOT NULL comes later', () => {
    const change = (nullable: boolean): ColumnChange => ({
      kind: 'addition',
      bound: {} as BoundColumn,
      column: { ...declared, nullable },
      indexColumns: [],
    })
    const add = 'ALTER TABLE "user" ADD COLUMN "secret" bytea NULL'
    const down = ['ALTER TABLE "user" DROP COLUMN "secret"']
    expect(both(change(true))).toEqual({ up: [add], down })
    expect(both(change(false))).toEqual({ up: [add, '// User.secret is declared'], down })
  })

  it('change the type and then encrypt, and the other way round', () => {
    expect(both(alteration())).toEqual({ up: [TO_BYTES, ENCRYPT], down: [DECRYPT, TO_TEXT] })
  })

  it('say that some rows are encrypted already', () => {
    expect(both(alteration({ holds: { ciphertext: true } })).up).toEqual([
      '// Some rows are',
      TO_BYTES,
      ENCRYPT,
    ])
  })

  it('drop indexes over expressions before, and make them again at last on the way back', () => {
    const expressionIndexes = new Map([
      ['"lower_secret"', 'CREATE INDEX lower_secret ON "user" (lower(secret))'],
    ])
    expect(both(alteration({}, { indexes: ['by_secret'], expressionIndexes }))).toEqual({
      up: ['// secret is in', '// secret is in', 'DROP INDEX "lower_secret"', TO_BYTES, ENCRYPT],
      down: [DECRYPT, TO_TEXT, 'CREATE INDEX lower_secret ON "user" (lower(secret))'],
    })
    const { up } = stepsOf(alteration({}, { indexes: ['by_secret'], expressionIndexes }), postgres)
    expect(up.slice(0, 2)).toEqual([
      { comment: expect.stringContaining('in the index by_secret.') as unknown },
      { comment: expect.stringContaining('in the index "lower_secret".') as unknown },
    ])
  })

  it('wait with what may not hold all plaintext until it is encrypted', () => {
    const change = alteration({ old: { name: 'secret' } })
    const { up, down } = both(
      { ...change, column: { ...change.column, type: 'varchar(800)', kind: 'text' } } as ColumnChange,
      mysql,
    )
    const narrow = up.findIndex((sql) => sql.includes('varchar(800)'))
    expect(narrow).toBeGreaterThan(up.indexOf(ENCRYPT))
    expect(down.indexOf(DECRYPT)).toBeGreaterThan(0)
  })

  it('rename first, and back at last', () => {
    expect(both(alteration({ old: { name: 'old_secret' } }))).toEqual({
      up: ['// Taken for a', 'ALTER TABLE "user" RENAME COLUMN "old_secret" TO "secret"', TO_BYTES, ENCRYPT],
      down: [DECRYPT, TO_TEXT, '// Taken for a', 'ALTER TABLE "user" RENAME COLUMN "secret" TO "old_secret"'],
    })
  })

  describe('for a column of ciphertext', () => {
    const holds = { plaintext: false, ciphertext: true }

    it('change the type alone', () => {
      const before = { old: { ...binary, type: 'blob', fullType: 'blob' }, holds }
      const { up, down } = both(alteration(before), mysql)
      expect(up).toEqual(['// User.secret is now', 'ALTER TABLE "user" MODIFY "secret" bytea NOT NULL'])
      expect(down).toEqual(['ALTER TABLE "user" MODIFY "secret" blob NOT NULL'])
    })

    it('change the type alone where there is no value', () => {
      const { up, down } = both(alteration({ holds: { plaintext: false } }))
      expect(up).toEqual(['// User.secret is now', expect.stringContaining('TYPE bytea')])
      expect(down).toEqual([expect.stringContaining('TYPE varchar(40)')])
    })

    it('change base64 to bytes, and leave the way back to another migration', () => {
      const { up, down } = both(alteration({ holds }))
      expect(up).toContain(ROTATE)
      expect(up).not.toContain(ENCRYPT)
      expect(down).toEqual(['// To go back,'])
    })

    it.each<[string, object, string[]]>([
      ['values are bound to the old name', { boundTo: { column: 'old_secret' } }, []],
      [
        'the old name is among the previous settings',
        { previous: [{}, { boundTo: { column: 'old_secret' } }] },
        [ROTATE],
      ],
      ['nothing says the old name', {}, ['// The values are']],
      [
        'another name is said',
        { boundTo: { column: 'x' }, previous: [{ boundTo: { column: 'y' } }] },
        ['// The values are'],
      ],
    ])('rename it where %s', (_, options, expected) => {
      const { up, down } = both(alteration({ old: { ...binary, name: 'old_secret' }, holds, options }))
      expect(up.slice(0, 2)).toEqual([
        '// Taken for a',
        'ALTER TABLE "user" RENAME COLUMN "old_secret" TO "secret"',
      ])
      expect(up.slice(2, up.indexOf('// User.secret is now'))).toEqual(expected)
      expect(down.slice(-1)).toEqual(['ALTER TABLE "user" RENAME COLUMN "secret" TO "old_secret"'])
    })

    it('say nothing of names where the name is the same', () => {
      expect(both(alteration({ old: { ...binary, type: 'x', fullType: 'x' }, holds })).up[0]).toBe(
        '// User.secret is now',
      )
    })
  })
})
