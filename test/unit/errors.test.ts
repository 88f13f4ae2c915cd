import { inspect } from 'node:util'
import * as errors from '../../src/errors'
import {
  type ErrorDetails,
  InvalidValueError,
  KmsEncryptionError,
  type KmsEncryptionErrorCode,
  type KmsEncryptionErrorKind,
  TamperedCiphertextError,
} from '../../src/errors'
import { isLasting, isNoCiphertext, isOfOtherScope } from '../../src/errors/kinds'

type ErrorClass = new (reason: string, details?: ErrorDetails) => KmsEncryptionError

const classes = Object.entries(errors).filter(([name]) => name !== 'KmsEncryptionError') as [
  string,
  ErrorClass,
][]

/** Applications compare these: add to the table, never change it. */
const KINDS: Readonly<Record<KmsEncryptionErrorCode, KmsEncryptionErrorKind>> = {
  SEARCH_INCOMPLETE: 'usage',
  CIPHERTEXT_MALFORMED: 'value',
  CIPHERTEXT_NEWER: 'value',
  CIPHERTEXT_NOT_TRIED: 'value',
  CIPHERTEXT_TAMPERED: 'value',
  CIPHERTEXT_WRONG_CONTEXT: 'value',
  CIPHERTEXT_WRONG_ROW: 'value',
  ROW_UNKNOWN: 'usage',
  DECRYPTION_DENIED: 'usage',
  DECRYPTION_LIMIT: 'usage',
  CLOSED: 'usage',
  COLUMN_TYPE: 'run',
  DATA_KEY_FORGED: 'key',
  DATA_KEY_MISSING: 'value',
  DATA_KEY_NOT_FOUND: 'service',
  DATABASE_FAILED: 'run',
  DECLARED_TYPE: 'run',
  FOREIGN_FORMAT: 'value',
  FORGOTTEN: 'value',
  INDEX_WRONG: 'value',
  VALUE_NOT_UNIQUE: 'value',
  INLINE_VALUES_LEFT: 'run',
  INTERRUPTED: 'run',
  INVALID_OPTION: 'usage',
  INVALID_VALUE: 'value',
  KEY_TABLE_IN_USE: 'usage',
  KEY_TABLE_MISSING: 'usage',
  KEY_TABLE_UNAVAILABLE: 'service',
  KMS_ACCESS_DENIED: 'key',
  KMS_CLOCK: 'service',
  KMS_CREDENTIALS: 'service',
  KMS_KEY_DISABLED: 'key',
  KMS_KEY_ID_MISSING: 'usage',
  KMS_KEY_NOT_FOUND: 'key',
  KMS_KEY_PENDING_DELETION: 'key',
  KMS_KEY_UNAVAILABLE: 'service',
  KMS_KEY_UNTRUSTED: 'value',
  KMS_KEY_UNUSABLE: 'key',
  KMS_REGION: 'usage',
  KMS_REQUEST_FAILED: 'service',
  KMS_THROTTLED: 'service',
  KMS_UNAVAILABLE: 'service',
  NOT_AN_ENCRYPTED_COLUMN: 'usage',
  DRIVER_VALUE: 'usage',
  NOT_CONFIGURED: 'usage',
  NOT_DECRYPTED: 'usage',
  NOT_REPRESENTABLE: 'value',
  NO_PRIMARY_KEY: 'run',
  PLAINTEXT_FOUND: 'value',
  RAW_SQL_REFUSED: 'usage',
  REBUILD_REFUSED: 'run',
  ROWS_HIDDEN: 'run',
  SEARCH_REFUSED: 'usage',
  SELF_CHECK_FAILED: 'run',
  TABLE_ACCESS: 'run',
  VALUE_ALTERED: 'run',
  ROWS_LEFT_OUT: 'run',
  TABLE_LOCKED: 'run',
  TRANSACTION_LOST: 'service',
  UNKNOWN_VALUE_TYPE: 'usage',
  UNSUPPORTED_DATABASE: 'usage',
  VALUE_TOO_LARGE: 'value',
}

describe('Every error of the library', () => {
  test.each(classes)('%s is a KmsEncryptionError with its own name and code', (name, Class) => {
    const error = new Class('what happened')
    expect(error).toBeInstanceOf(KmsEncryptionError)
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe(name)
    expect(error.code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    expect(error.message).toBe('what happened')
    expect(String(error)).toBe(`${name}: what happened`)
    expect(error.stack).toContain('errors.test')
  })

  test('has a code of its own', () => {
    const codes = classes.map(([, Class]) => new Class('x').code)
    expect(new Set(codes).size).toBe(classes.length)
  })

  test('keeps its code and kind for ever', () => {
    expect(
      Object.fromEntries(classes.map(([, Class]) => [new Class('x').code, new Class('x').kind])),
    ).toEqual(KINDS)
  })

  test.each(classes)('%s shows its kind wherever it is printed', (_, Class) => {
    const error = new Class('x').at({ entity: 'User' })
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: error.code, kind: KINDS[error.code] })
  })
})

describe('What is done about an error', () => {
  const lasting = ['value', 'key']

  test.each(classes)('%s lies with the value or its key if its kind says so', (_, Class) => {
    const error = new Class('x')
    expect(isLasting(error)).toBe(lasting.includes(error.kind))
  })

  test.each([new Error('x'), Object.assign(new Error('x'), { kind: 'value' }), 'value', undefined])(
    'nothing is known of %p, so it lies with no value',
    (error) => {
      expect(isLasting(error)).toBe(false)
    },
  )

  test('another scope is tried, or the bytes are taken for plaintext', () => {
    const codes = (is: (error: unknown) => boolean): string[] =>
      classes
        .map(([, Class]) => new Class('x'))
        .filter(is)
        .map(({ code }) => code)
        .sort()
    expect(codes(isOfOtherScope)).toEqual(['CIPHERTEXT_TAMPERED', 'CIPHERTEXT_WRONG_CONTEXT'])
    expect(codes(isNoCiphertext)).toEqual([
      'CIPHERTEXT_MALFORMED',
      'CIPHERTEXT_TAMPERED',
      'CIPHERTEXT_WRONG_CONTEXT',
    ])
  })
})

describe('The place of an error', () => {
  const place = { entity: 'User', property: 'profile.token', primaryKey: { id: 7, tenant: 'a' } }

  test('stands in front of the message and in properties', () => {
    const error = new InvalidValueError('the reason', place)
    expect(error.message).toBe('User.profile.token (id=7, tenant=a): the reason')
    expect(error).toMatchObject({ ...place, reason: 'the reason' })
  })

  test.each([
    [{}, 'the reason'],
    [{ entity: 'User' }, 'User: the reason'],
    [{ property: 'token' }, 'token: the reason'],
    [{ primaryKey: { id: 1n } }, '(id=1): the reason'],
  ])('may be known in part: %p', (details, message) => {
    const error = new InvalidValueError('the reason', details)
    expect(error.message).toBe(message)
    expect(Object.keys(error).filter((key) => ['entity', 'property', 'primaryKey'].includes(key))).toEqual(
      Object.keys(details),
    )
  })

  test('can be added later; class, code, reason, cause and stack stay', () => {
    const cause = new Error('cause')
    const error = new TamperedCiphertextError('the reason', { cause })
    const placed = error.at({ entity: 'User', property: 'token' })
    expect(placed).toBeInstanceOf(TamperedCiphertextError)
    expect(placed).toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      message: 'User.token: the reason',
      reason: 'the reason',
    })
    expect(placed.cause).toBe(cause)
    expect(placed.stack?.split('\n').slice(1)).toEqual(error.stack?.split('\n').slice(1))
    expect(placed.stack).toContain('TamperedCiphertextError: User.token: the reason\n')
    expect(error.message).toBe('the reason')
  })

  test('can be added step by step', () => {
    const error = new InvalidValueError('r')
      .at({ entity: 'User' })
      .at({ property: 'token' })
      .at({ primaryKey: { id: 1 } })
    expect(error.message).toBe('User.token (id=1): r')
    expect(error.stack).toContain('User.token (id=1): r')
  })

  test('is taken literally in the stack, whatever signs it has', () => {
    const id = "$& $' $` $1 $$"
    const placed = new InvalidValueError('the reason').at({ entity: 'User', primaryKey: { id } })
    expect(placed.stack).toContain(`InvalidValueError: User (id=${id}): the reason\n`)
  })

  test('has no cause if none is known', () => {
    expect('cause' in new InvalidValueError('r')).toBe(false)
    expect('cause' in new InvalidValueError('r').at({ entity: 'User' })).toBe(false)
  })
})

describe('A printed error', () => {
  test('shows name, code and message', () => {
    const error = new InvalidValueError('the reason', { entity: 'User', property: 'token' })
    expect(inspect(error)).toMatch(/InvalidValueError: User\.token: the reason[^]*code: 'INVALID_VALUE'/)
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({
      code: 'INVALID_VALUE',
      entity: 'User',
      property: 'token',
    })
  })
})
