import { QueryFailedError, TypeORMError } from 'typeorm'
import { InterruptedError } from '../../../src/errors'
import { toResume, type EndedRun } from '../../../src/migration/resume'
import { Rotate, type RotateSettings } from '../../../src/migration/rotate'
import { type BoundColumn } from '../../../src/orm/bound-column'

type ErrorClass = new (reason: string, details: object) => Error

/** What is asked of a column here. */
const columnOf = (usesStoredKey: boolean): BoundColumn =>
  ({
    error: (Class: ErrorClass, reason: string, cause: unknown) =>
      new Class(reason, { entity: 'User', property: 'key', cause }),
    cipher: { kms: {} },
    recipes: { usesStoredKey },
  }) as unknown as BoundColumn

const column = columnOf(false)
const lost = new TypeORMError('read ECONNRESET')
const asked = new InterruptedError('stopped as asked', { entity: 'User', property: 'key' })
const progress = { rows: 20, total: 30, changed: 10 }
const encrypted = { progress, conversion: { done: 'encrypted' } }

describe('The error of a run that did not come to its end', () => {
  it.each<[string, Error, EndedRun, message: string]>([
    [
      'the connection is lost',
      lost,
      encrypted,
      'User.key: the database failed: read ECONNRESET. At least 10 of 30 rows were encrypted and stay so; run the same again to go on.',
    ],
    [
      'it was stopped',
      asked,
      encrypted,
      'User.key: stopped as asked. 10 of 30 rows were encrypted and stay so; run the same again to go on.',
    ],
    [
      'nothing was to be changed',
      asked,
      { ...encrypted, dryRun: true },
      'User.key: stopped as asked. Nothing was changed; run the same again.',
    ],
    [
      'nothing could be changed',
      asked,
      { progress, conversion: { done: 'verified', certifies: true } },
      'User.key: stopped as asked. Nothing was changed; run the same again.',
    ],
    [
      'it is inside of a transaction',
      lost,
      { ...encrypted, inTransaction: true },
      'User.key: the database failed: read ECONNRESET. The transaction around it decides what stays; running it again is safe.',
    ],
    [
      'it would begin anew',
      asked,
      { progress, conversion: { done: 'rotated', startsOver: 'because of something' } },
      'User.key: stopped as asked. 10 of 30 rows were rotated and stay so. Run the same again: it begins with the first row, because of something.',
    ],
  ])('says what stays where %s', (_, error, run, message) => {
    expect(toResume(error, column, run)).toMatchObject({ message, entity: 'User', property: 'key' })
  })

  it('is left as it is where nothing was begun, and where it is that of the application', () => {
    const nothing = { ...encrypted, progress: { rows: 0, total: 0, changed: 0 } }
    expect(toResume(lost, column, nothing)).toBe(lost)
    const own = new Error('of onProgress')
    expect(toResume(own, column, encrypted)).toBe(own)
  })

  it('has the error of the database as its cause', () => {
    expect(toResume(lost, column, encrypted)).toMatchObject({ code: 'DATABASE_FAILED', cause: lost })
  })

  it.each<[string, object, isShown: boolean]>([
    ['a value for a constraint (mysql2)', { code: 'ER_DUP_ENTRY', sqlState: '23000' }, false],
    ['a value of another type (mysql2)', { code: 'ER_TRUNCATED_WRONG_VALUE', sqlState: '22007' }, false],
    ['a value of another type (pg)', { code: '22P02', severity: 'ERROR' }, false],
    ['what a trigger says (pg)', { code: 'P0001', severity: 'ERROR' }, false],
    ['an error of SQLite', { code: 'SQLITE_ERROR' }, false],
    ['a lost connection (mysql2)', { code: 'PROTOCOL_CONNECTION_LOST', fatal: true }, true],
    ['a server that stops (mysql2)', { code: 'ER_SERVER_SHUTDOWN', sqlState: '08S01' }, true],
    ['a server that stops (pg)', { code: '57P01', severity: 'FATAL' }, true],
    ['a lost connection (Node)', { code: 'EPIPE' }, true],
    ['a full disk', { code: 'SQLITE_FULL' }, true],
  ])('repeats the database if it quotes no value: %s', (_, driverError, isShown) => {
    const failed = new QueryFailedError('UPDATE', [], Object.assign(new Error('of geheim'), driverError))
    const error = toResume(failed, column, encrypted) as Error
    expect(error.message.includes('geheim')).toBe(isShown)
    expect(error.cause).toBe(isShown ? failed : undefined)
    expect(error).toMatchObject({ code: 'DATABASE_FAILED' })
    if (!isShown) expect(error.message).toContain(`the code ${(driverError as { code: string }).code}.`)
  })

  it.each<[string, RotateSettings, usesStoredKey: boolean, startsOver: RegExp | undefined]>([
    ['another KMS key', { to: 'alias/new' }, false, undefined],
    ['new data keys', { newDataKeys: true }, false, /cannot be told from an old one$/],
    ['new data keys under another KMS key', { newDataKeys: true, to: 'alias/new' }, false, undefined],
    ['new stored data keys', { newDataKeys: true, to: 'alias/new' }, true, /unless --made-before/],
    ['stored data keys made before', { newDataKeys: true, madeBefore: new Date() }, true, undefined],
  ])('of a rotation to %s knows whether it begins anew', (_, settings, usesStoredKey, startsOver) => {
    const rotate = new Rotate(columnOf(usesStoredKey), settings)
    if (startsOver) expect(rotate.startsOver).toMatch(startsOver)
    else expect(rotate.startsOver).toBeUndefined()
  })
})
