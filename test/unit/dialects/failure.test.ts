import { codeOf, failureByCode, mayQuoteValue } from '../../../src/dialects/failure'
import { mysql } from '../../../src/dialects/mysql'
import { postgres } from '../../../src/dialects/postgres'
import { sqlite, sqljs } from '../../../src/dialects/sqlite'

/** A driver's error as TypeORM throws it. */
const wrapped = (driverError: unknown): Error => Object.assign(new Error('query failed'), { driverError })

describe('What a code of a driver means', () => {
  const codes = { A: 'locked', B: 'denied' } as const

  it.each<[string, unknown, string | undefined]>([
    ['by itself', { code: 'A' }, 'locked'],
    ['of an error that TypeORM wraps', wrapped({ code: 'B' }), 'denied'],
    [
      'of the wrapped error rather than of what wraps it',
      { code: 'A', driverError: { code: 'B' } },
      'denied',
    ],
    ['of what wraps an error without one', { code: 'A', driverError: {} }, 'locked'],
    ['that says nothing', { code: 'C' }, undefined],
    ['that every object has', { code: 'toString' }, undefined],
    ['that is no text', { code: 1 }, undefined],
    ['of an error without one', new Error('failed'), undefined],
    ['of nothing', undefined, undefined],
    ['of null', null, undefined],
  ])('is found %s', (_, error, failure) => {
    expect(failureByCode(codes, error)).toBe(failure)
  })

  it.each([
    [mysql, { code: 'ER_LOCK_DEADLOCK' }, 'deadlock'],
    [mysql, { code: 'ER_DUP_ENTRY' }, 'constraint'],
    [postgres, { code: '55P03' }, 'locked'],
    [postgres, { code: '42P01' }, 'no-table'],
    [postgres, { code: '42501', routine: 'aclcheck_error' }, 'denied'],
    [postgres, { code: '42501' }, 'denied'],
    [postgres, { code: '42501', routine: 'check_enable_rls' }, 'policy'],
    [postgres, { code: '42501', routine: 'ExecWithCheckOptions' }, 'policy'],
    [postgres, { code: '42501', routine: 'not_check_enable_rls' }, 'denied'],
    [postgres, { code: '42501', routine: 'check_enable_rls_not' }, 'denied'],
    [postgres, { code: '23505', routine: 'check_enable_rls' }, 'constraint'],
    [sqlite, { code: 'SQLITE_BUSY' }, 'locked'],
    [sqljs, { message: 'UNIQUE constraint failed: user.email' }, 'constraint'],
    [sqljs, { message: 'CHECK constraint failed: length' }, 'constraint'],
    [sqljs, { message: 'FOREIGN KEY constraint failed' }, 'constraint'],
    [sqljs, { message: 'cannot store TEXT value in BLOB column user.secret' }, 'constraint'],
    [sqljs, { message: 'no such table: user' }, undefined],
    [sqljs, { message: 'no UNIQUE constraint failed' }, undefined],
    [sqljs, { message: 5 }, undefined],
  ] as const)('is known to %#', (dialect, driverError, failure) => {
    expect(dialect.failureOf(driverError)).toBe(failure)
    expect(dialect.failureOf(wrapped(driverError))).toBe(failure)
  })

  it('is nothing where there is no error', () => {
    for (const dialect of [mysql, postgres, sqlite, sqljs]) {
      expect(dialect.failureOf(undefined)).toBeUndefined()
      expect(dialect.failureOf(null)).toBeUndefined()
    }
  })
})

describe("The message of a driver's error", () => {
  it.each<[string, unknown]>([
    ['a duplicate of pg', { severity: 'ERROR', code: '23505' }],
    ['a text that is no number, of pg', { severity: 'ERROR', code: '22P02' }],
    ['a class that has the digits of another in it', { severity: 'ERROR', code: '22008' }],
    ['a duplicate of mysql2', { code: 'ER_DUP_ENTRY', sqlState: '23000' }],
    ['an error of mysql2 without a state', { code: 'ER_SOMETHING' }],
    ['an error of mysql2 with an empty state', { code: 'ER_SOMETHING', sqlState: '' }],
    ['an error of mysql2 whose state only its code belies', { code: '08006', sqlState: '22001' }],
    ['a constraint of SQLite', { code: 'SQLITE_CONSTRAINT_UNIQUE' }],
    ['a statement of SQLite', { code: 'SQLITE_ERROR' }],
    ['a type of SQLite', { code: 'SQLITE_MISMATCH' }],
  ])('may quote a value: %s', (_, error) => {
    expect(mayQuoteValue(error)).toBe(true)
    expect(mayQuoteValue(wrapped(error))).toBe(true)
  })

  it.each<[string, unknown]>([
    ...['08006', '25P02', '40P01', '53300', '55P03', '57014', '58030', '70100'].map(
      (code): [string, unknown] => [`${code} of pg`, { severity: 'FATAL', code }],
    ),
    ['a deadlock of mysql2', { code: 'ER_LOCK_DEADLOCK', sqlState: '40001' }],
    ['a state that only the code belies', { severity: 'ERROR', code: '57014', sqlState: '22001' }],
    ['a connection of mysql2, with an empty state', { code: 'ECONNREFUSED', sqlState: '' }],
    ['a database that is busy', { code: 'SQLITE_BUSY' }],
    ['a code that only has another in it', { code: 'OTHER_ER_DUP' }],
    ['a connection that was refused', { code: 'ECONNREFUSED' }],
    ['a code that is no text', { code: 5 }],
    ['nothing', undefined],
    ['null', null],
  ])('quotes none: %s', (_, error) => {
    expect(mayQuoteValue(error)).toBe(false)
    expect(mayQuoteValue(wrapped(error))).toBe(false)
  })
})

describe("The code of a driver's error, for people,", () => {
  it.each<[unknown, string]>([
    [{ code: 'ER_DUP_ENTRY', sqlState: '23000' }, 'ER_DUP_ENTRY'],
    [{ sqlState: '23000' }, '23000'],
  ])('of %j is %s', (error, code) => {
    expect(codeOf(error)).toBe(code)
    expect(codeOf(wrapped(error))).toBe(code)
  })

  it('of nothing is no failure of its own', () => {
    expect(codeOf(undefined)).toBe('undefined')
    expect(codeOf(wrapped(null))).toBe('undefined')
  })
})
