import { beginsTransaction, endOfTransaction } from '../../../src/orm/query/end-of-transaction'

const KEPT = { isCommit: true, isWhole: true }
const LOST = { isCommit: false, isWhole: true }
const PART_KEPT = { isCommit: true, isWhole: false }
const PART_LOST = { isCommit: false, isWhole: false }

describe('The end of a transaction is recognised, whoever wrote it', () => {
  test.each([
    ['COMMIT', KEPT],
    ['commit and chain', KEPT],
    ['END', KEPT],
    ['end transaction;', KEPT],
    ['ROLLBACK', LOST],
    ['rollback work', LOST],
    ['ABORT', LOST],
    ['ROLLBACK TO SAVEPOINT typeorm_1', PART_LOST],
    ['ROLLBACK TO typeorm_1', PART_LOST],
    ['rollback transaction to savepoint typeorm_1', PART_LOST],
    ['RELEASE SAVEPOINT typeorm_1', PART_KEPT],
    ['release typeorm_1', PART_KEPT],
    ['  -- it is done\n /* really */ COMMIT', KEPT],
  ])('%s', (sql, expected) => {
    expect(endOfTransaction(sql)).toEqual(expected)
  })

  test.each([
    '',
    'START TRANSACTION',
    'SAVEPOINT typeorm_1',
    'SELECT "COMMIT"',
    'INSERT INTO end (id) VALUES (1)',
    'ENDLESS',
    'commits',
    '-- COMMIT',
  ])('and nothing else is: %s', (sql) => {
    expect(endOfTransaction(sql)).toBeUndefined()
  })
})

describe('The beginning of a transaction is recognised', () => {
  test.each([
    ['START TRANSACTION', true],
    ['START  TRANSACTION READ ONLY', true],
    ['BEGIN TRANSACTION', true],
    ['begin;', true],
    ['/* first */ BEGIN IMMEDIATE', true],
    ['SAVEPOINT typeorm_1', false],
    ['COMMIT AND CHAIN', false],
    ['INSERT INTO begin (id) VALUES (1)', false],
    ['beginning', false],
  ])('%s', (sql, expected) => {
    expect(beginsTransaction(sql)).toBe(expected)
  })
})
