import { Equal, In, type QueryRunner } from 'typeorm'
import { KmsEncryptionError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { IndexedValue } from '../../../../src/orm/search/indexed'
import { Comparison } from '../../../../src/orm/write/comparison'
import { settle } from '../../../../src/orm/write/settled'
import { ComparisonToken, PendingCiphertext } from '../../../../src/orm/write/tokens'
import { closeColumns, columnOf } from './support'

afterEach(closeColumns)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function comparisonOf(column: BoundColumn): Comparison {
  return new Comparison(column)
}

const token = (value: unknown): ComparisonToken => {
  if (!(value instanceof ComparisonToken)) throw new Error('This was expected to be a token')
  return value
}

describe('A value where TypeORM compares it', () => {
  it('is one object for equal values, and another for others', () => {
    const comparison = comparisonOf(columnOf())
    const first = token(comparison.to('a'))
    expect(comparison.to('a')).toBe(first)
    expect(comparison.to('b')).not.toBe(first)
    expect(first.is('a')).toBe(true)
  })

  it('is not kept after the turn of the event loop in which it was compared', async () => {
    const comparison = comparisonOf(columnOf())
    for (let round = 0; round < 2; round++) {
      const before = comparison.to('a')
      expect(comparison.to('a')).toBe(before)
      await turn()
      expect(comparison.to('a')).not.toBe(before)
      await turn()
    }
  })

  it('stays what it is where it is none, or a token already', () => {
    const comparison = comparisonOf(columnOf())
    const others = [null, undefined, comparison.to('a'), new IndexedValue('last4', '4242')]
    expect(others.map((value) => comparison.to(value) === value)).toEqual([true, true, true, true])
  })

  it('is compared inside of an operator, too', () => {
    const comparison = comparisonOf(columnOf())
    const [equal, any] = [Equal('a'), In(['a', 'b'])]
    expect([comparison.to(equal), comparison.to(any)]).toEqual([equal, any])
    expect(token(equal.value).is('a')).toBe(true)
    expect((any.value as unknown as unknown[]).map((each) => token(each).is('b'))).toEqual([false, true])
  })

  it.each([
    ['of another type', 5, {}],
    ['too long', 'too long', { maxLength: 7 }],
  ])('that is %s equals none, and is refused where it is used', (_, value, options) => {
    const comparison = comparisonOf(columnOf({ type: 'string', ...options }))
    const faulty = token(comparison.to(value))
    expect(comparison.to(value)).not.toBe(faulty)
    expect(faulty.fault).toBeInstanceOf(KmsEncryptionError)
    expect(faulty.list).toBeUndefined()
  })

  it('may be a list, of which each is compared', () => {
    const { list } = token(comparisonOf(columnOf()).to(['a', 'b']))
    expect(list?.map((each) => token(each).is('a'))).toEqual([true, false])
  })

  it('is refused at once where it is raw SQL', () => {
    expect(() => comparisonOf(columnOf()).to(() => "'x'")).toThrow(
      expect.objectContaining({ code: 'RAW_SQL_REFUSED' }) as Error,
    )
  })
})

describe('The value of a row', () => {
  it('equals the same value of an entity', () => {
    const comparison = comparisonOf(columnOf())
    expect(comparison.readRow(() => comparison.to('a'), false)).toBe(comparison.to('a'))
    expect(comparison.readRow(() => null, false)).toBeNull()
  })

  it('equals none and is not read where the save moves the row', () => {
    const comparison = comparisonOf(columnOf())
    const read = jest.fn(() => comparison.to(''))
    expect(comparison.readRow(read, true)).not.toBe(comparison.to(''))
    expect(read).not.toHaveBeenCalled()
  })

  it('is what it was when it was loaded, whoever changes it; that of an entity is what it is', () => {
    const comparison = comparisonOf(columnOf({ type: 'json' }))
    const [row, entity] = [{ n: 1 }, { n: 1 }]
    const stored = comparison.readRow(() => comparison.to(row), false)
    expect(comparison.to(entity)).toBe(stored)
    row.n = entity.n = 2
    expect(token(comparison.readRow(() => comparison.to(row), false)).is('{"n":1}')).toBe(true)
    expect(token(comparison.to(entity)).is('{"n":2}')).toBe(true)
    entity.n = 3
    expect(token(comparison.to(entity)).is('{"n":3}')).toBe(true)
  })

  it('is that of an entity again after the row could not be read', () => {
    const comparison = comparisonOf(columnOf({ type: 'json' }))
    const read = (): never => {
      throw new Error('not read')
    }
    expect(() => comparison.readRow(read, false)).toThrow('not read')
    const entity = { n: 1 }
    comparison.to(entity)
    entity.n = 2
    expect(token(comparison.to(entity)).is('{"n":2}')).toBe(true)
  })
})

describe('A marker in an entity', () => {
  const markerOf = (column: BoundColumn, stored = 'stored'): object =>
    new SealedValue(column, stored, undefined).placeholder

  it('equals whatever its row has, in the same step', async () => {
    const column = columnOf()
    const comparison = comparisonOf(column)
    for (let step = 0; step < 2; step++) {
      const marker = markerOf(column)
      comparison.beginWithEntity(marker)
      const row = token(comparison.readRow(() => comparison.to('mended'), false))
      expect(row.is('mended')).toBe(true)
      expect(comparison.to(marker)).toBe(row)
      await Promise.resolve()
      expect(token(comparison.to(marker)).is('stored')).toBe(true)
    }
  })

  it('stands for NULL of its row, once', () => {
    const column = columnOf()
    const comparison = comparisonOf(column)
    const marker = markerOf(column)
    comparison.beginWithEntity(marker)
    expect(comparison.readRow(() => null, false)).toBe(marker)
    expect(comparison.to(marker)).toBe(marker)
    expect(comparison.readRow(() => null, false)).toBeNull()
  })

  it('stands for nothing once another entity is compared, or the step is over', async () => {
    const column = columnOf()
    const comparison = comparisonOf(column)
    comparison.beginWithEntity(markerOf(column))
    comparison.beginWithEntity('a')
    expect(comparison.readRow(() => null, false)).toBeNull()
    await Promise.resolve()
    for (let step = 0; step < 2; step++) {
      comparison.beginWithEntity(markerOf(column))
      await Promise.resolve()
      expect(comparison.readRow(() => null, false)).toBeNull()
      await Promise.resolve()
    }
  })

  it('in a row is compared by what is stored, not by the row before', () => {
    const column = columnOf()
    const comparison = comparisonOf(column)
    comparison.readRow(() => comparison.to('first'), false)
    const row = comparison.readRow(() => comparison.to(markerOf(column, 'of the second')), false)
    expect(token(row).is('of the second')).toBe(true)
  })
})

describe('What was compared', () => {
  it('is known until the value cannot be serialised any more', () => {
    const comparison = comparisonOf(columnOf({ type: 'json' }))
    const value: { self?: unknown } = {}
    expect([
      comparison.plaintextOf(value),
      comparison.plaintextOf('text'),
      comparison.plaintextOf(null),
    ]).toEqual([undefined, undefined, undefined])
    comparison.to(value)
    expect(comparison.plaintextOf(value)).toBe('{}')
    value.self = value
    expect(token(comparison.to(value)).fault).toBeDefined()
    expect(comparison.plaintextOf(value)).toBeUndefined()
  })

  it('is kept for one statement, if it is text of an object', () => {
    const comparison = comparisonOf(columnOf())
    const [object, bytes] = [{}, Buffer.from('x')]
    comparison.keep(object, 'kept')
    comparison.keep(bytes, bytes)
    for (const none of ['text', null, undefined]) comparison.keep(none, 'kept')
    expect([object, object, bytes, 'text', null, {}].map((value) => comparison.take(value))).toEqual([
      'kept',
      ...Array<undefined>(5).fill(undefined),
    ])
  })

  it('is not kept for the statement of a later save', () => {
    const comparison = comparisonOf(columnOf())
    const object = {}
    comparison.keep(object, 'kept')
    comparison.readEntity(object, true)
    comparison.readEntity({}, false)
    comparison.keep(object, 'kept')
    comparison.readEntity(object, false)
    expect(comparison.take(object)).toBeUndefined()
    comparison.keep(object, 'kept')
    comparison.readEntity(object, true)
    expect(comparison.take(object)).toBe('kept')
  })
})

describe('The object of an entity whose before-events are over', () => {
  const runner = { connection: { subscribers: [], entityMetadatas: [] } } as unknown as QueryRunner
  const begin = () => {
    const column = columnOf({ type: 'json' })
    const data = { n: 1 }
    column.to(data)
    return { column, data, entity: { data }, serialise: jest.spyOn(column, 'serialise') }
  }

  it('is not serialised again in the same step', async () => {
    const { column, data, entity, serialise } = begin()
    settle(runner, entity, () => false)
    column.compareNext(data, entity)
    expect(token(column.to(data)).is('{"n":1}')).toBe(true)
    expect(serialise).not.toHaveBeenCalled()
    await Promise.resolve()
    data.n = 2
    expect(token(column.to(data)).is('{"n":2}')).toBe(true)
  })

  it('is compared as it is when another save has begun it in that step', () => {
    const { column, data, entity } = begin()
    settle(runner, {}, () => false)
    data.n = 2
    column.compareNext(data, entity)
    expect(token(column.to(data)).is('{"n":2}')).toBe(true)
  })

  it('is searched for as it is', () => {
    const { column, data } = begin()
    const other = { data: { n: 0 } }
    settle(runner, other, () => false)
    column.compareNext(other.data, other)
    data.n = 2
    expect(token(column.to(data)).is('{"n":2}')).toBe(true)
  })

  it('goes into its statement as it was compared, and as it is without that', () => {
    const column = columnOf({ type: 'json' })
    const data = { n: 1 }
    expect(column.forStatement(data)).toBe(data)
    column.keep(data, '{"n":1}')
    const kept = column.forStatement(data)
    expect(kept).toBeInstanceOf(PendingCiphertext)
    expect((kept as PendingCiphertext).is('{"n":1}')).toBe(true)
    expect(column.forStatement(data)).toBe(data)
  })
})
