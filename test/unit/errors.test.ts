import { inspect } from 'node:util'
import * as errors from '../../src/errors'
import {
  type ErrorDetails,
  InvalidValueError,
  KmsEncryptionError,
  TamperedCiphertextError,
} from '../../src/errors'

type ErrorClass = new (reason: string, details?: ErrorDetails) => KmsEncryptionError

const classes = Object.entries(errors).filter(([name]) => name !== 'KmsEncryptionError') as [
  string,
  ErrorClass,
][]

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

  test('keeps its code for ever', () => {
    // Applications compare these: add to the list, never change it.
    expect(classes.map(([, Class]) => new Class('x').code)).toEqual(
      expect.arrayContaining([
        'CIPHERTEXT_MALFORMED',
        'CIPHERTEXT_TAMPERED',
        'CIPHERTEXT_WRONG_CONTEXT',
        'CLOSED',
        'INVALID_OPTION',
        'INVALID_VALUE',
        'KMS_ACCESS_DENIED',
        'KMS_CREDENTIALS',
        'KMS_KEY_DISABLED',
        'KMS_KEY_ID_MISSING',
        'KMS_KEY_NOT_FOUND',
        'KMS_KEY_PENDING_DELETION',
        'KMS_KEY_UNTRUSTED',
        'KMS_KEY_UNUSABLE',
        'KMS_REGION',
        'KMS_REQUEST_FAILED',
        'KMS_THROTTLED',
        'KMS_UNAVAILABLE',
        'NOT_CONFIGURED',
        'NOT_DECRYPTED',
        'PLAINTEXT_FOUND',
        'RAW_SQL_REFUSED',
        'SEARCH_REFUSED',
        'UNKNOWN_VALUE_TYPE',
        'UNSUPPORTED_DATABASE',
        'VALUE_TOO_LARGE',
      ]),
    )
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
