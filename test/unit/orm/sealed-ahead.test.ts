import { type QueryRunner } from 'typeorm'
import { type Plaintext } from '../../../src/column/types'
import { Scope } from '../../../src/cipher/scope'
import { type RowRecipe } from '../../../src/orm/recipe'
import { SealedAhead, type Sealer } from '../../../src/orm/write/sealed-ahead'

/** The recipe of values that are bound to a row. */
function recipeOf(row: string, mode: 'envelope' | 'direct' = 'envelope'): RowRecipe {
  const scope = new Scope({ table: 'user' }, { column: 'secret', 'row.id': row })
  return { mode, keyId: 'alias/test', scope, scopes: [scope] }
}

const ROW = recipeOf('1')
const DIRECT = recipeOf('1', 'direct')

/** A column that makes a ciphertext of its own of each value, at once or, in direct mode, later. */
function columnOf(hasDataKey = true): Sealer {
  let count = 0
  const seal = (plaintext: Plaintext): string => `${Buffer.from(plaintext).toString()}#${++count}`
  return {
    encryptNow: (plaintext: Plaintext) => (hasDataKey ? seal(plaintext) : undefined),
    encrypt: (plaintext: Plaintext) =>
      plaintext === 'refused' ? Promise.reject(new Error('refused')) : Promise.resolve(seal(plaintext)),
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Encrypts as much as a statement leaves time for. */
async function statement(ahead: SealedAhead): Promise<void> {
  ahead.workLater()
  await turn()
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `v${index}`)

describe('Values that are encrypted ahead of their statements', () => {
  it('are encrypted while the database answers, a few at a time, and taken once', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (const text of texts(9)) expect(ahead.announce(column, ROW, text)).toBeUndefined()
    expect(ahead.take(column, ROW, 'v0')).toBeUndefined()
    await statement(ahead)
    expect(texts(9).map((text) => ahead.take(column, ROW, text))).toEqual([
      undefined,
      'v1#1',
      'v2#2',
      'v3#3',
      'v4#4',
      'v5#5',
      'v6#6',
      undefined,
      undefined,
    ])
    expect(ahead.isEmpty).toBe(true)
    expect(ahead.take(column, ROW, 'v1')).toBeUndefined()
  })

  it('go on to be encrypted where it was left off', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (const text of texts(200)) void ahead.announce(column, ROW, text)
    const taken: unknown[] = []
    for (const text of texts(200)) {
      taken.push(ahead.take(column, ROW, text))
      await statement(ahead)
    }
    expect(taken[0]).toBeUndefined()
    expect(taken.slice(1)).toEqual(texts(200).flatMap((text, at) => (at > 0 ? [`${text}#${at}`] : [])))
    expect(ahead.isEmpty).toBe(true)
  })

  it('have a ciphertext each, equal ones too', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (let copy = 0; copy < 3; copy++) void ahead.announce(column, ROW, 'same')
    await statement(ahead)
    expect([1, 2, 3, 4].map(() => ahead.take(column, ROW, 'same'))).toEqual([
      'same#1',
      'same#2',
      'same#3',
      undefined,
    ])
  })

  it('are found out of turn, and others are left alone', async () => {
    const ahead = new SealedAhead()
    const [column, other] = [columnOf(), columnOf()]
    for (const text of ['a', 'b', 'c']) void ahead.announce(column, ROW, text)
    await statement(ahead)
    expect(ahead.take(other, ROW, 'a')).toBeUndefined()
    expect(['changed', 'c', 'a', 'b'].map((text) => ahead.take(column, ROW, text))).toEqual([
      undefined,
      'c#3',
      'a#1',
      'b#2',
    ])
  })

  it('go into no other row than that they were encrypted for', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const [first, second] = [recipeOf('1'), recipeOf('2')]
    void ahead.announce(column, first, 'same')
    void ahead.announce(column, second, 'same')
    await statement(ahead)
    expect(ahead.take(column, recipeOf('3'), 'same')).toBeUndefined()
    expect(ahead.take(column, { ...second, keyId: 'alias/other' }, 'same')).toBeUndefined()
    expect(ahead.take(column, recipeOf('2'), 'same')).toBe('same#2')
    expect(ahead.take(column, second, 'same')).toBeUndefined()
    expect(ahead.take(column, first, 'same')).toBe('same#1')
  })

  it('are encrypted also where one between them was taken before', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (const text of ['a', 'b', 'c']) void ahead.announce(column, ROW, text)
    expect(ahead.take(column, ROW, 'b')).toBeUndefined()
    await statement(ahead)
    expect(['a', 'c'].map((text) => ahead.take(column, ROW, text))).toEqual(['a#1', 'c#2'])
  })

  it('are encrypted when all that were encrypted before are taken', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const now = jest.spyOn(column, 'encryptNow')
    for (const text of texts(20)) void ahead.announce(column, ROW, text)
    await statement(ahead)
    const most = now.mock.calls.length
    for (const text of texts(most)) {
      await statement(ahead)
      expect(now).toHaveBeenCalledTimes(most)
      void ahead.take(column, ROW, text)
    }
    await statement(ahead)
    expect(now).toHaveBeenCalledTimes(2 * most)
  })

  it('are looked for among the next 64', () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (const text of texts(65)) void ahead.announce(column, DIRECT, text)
    expect(ahead.take(column, DIRECT, 'v64')).toBeUndefined()
    expect(ahead.take(column, DIRECT, 'v63')).toBeInstanceOf(Promise)
  })

  it('are not taken for a Buffer that was changed since', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const value = Buffer.from('old')
    void ahead.announce(column, ROW, value)
    value.write('new')
    await statement(ahead)
    expect(ahead.take(column, ROW, value)).toBeUndefined()
    expect(ahead.take(column, ROW, Buffer.from('old'))).toBe('old#1')
  })

  it('wait for their statements without a data key at hand', async () => {
    const ahead = new SealedAhead()
    const column = columnOf(false)
    void ahead.announce(column, ROW, 'a')
    await statement(ahead)
    expect(ahead.take(column, ROW, 'a')).toBeUndefined()
  })

  it('are encrypted at once in direct mode', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const [first, second] = ['a', 'b'].map((text) => ahead.announce(column, DIRECT, text))
    expect([await first, await second]).toEqual(['a#1', 'b#2'])
    expect([await ahead.take(column, DIRECT, 'a'), await ahead.take(column, DIRECT, 'b')]).toEqual([
      'a#1',
      'b#2',
    ])
  })

  it('fail where they are waited for, and nowhere else', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const waiting = ahead.announce(column, DIRECT, 'refused')
    await turn()
    await expect(waiting).rejects.toThrow('refused')
    await expect(ahead.take(column, DIRECT, 'refused')).rejects.toThrow('refused')
  })

  it('have their data keys counted from one statement to the next', () => {
    const ahead = new SealedAhead()
    const ofContext = (tenant: string): RowRecipe => {
      const scope = new Scope({ tenant }, { column: 'secret' })
      return { mode: 'envelope', keyId: 'alias/test', scope, scopes: [scope] }
    }
    expect(['a', 'b', 'a'].map((tenant) => ahead.announceKey(ofContext(tenant)))).toEqual([1, 2, 2])
    ahead.workLater()
    expect(ahead.announceKey(ofContext('c'))).toBe(1)
  })

  it('belong to a query runner, and are dropped on demand', () => {
    const [runner, other] = [{}, {}] as [QueryRunner, QueryRunner]
    expect(SealedAhead.announcedFor(runner)).toBeUndefined()
    const ahead = SealedAhead.of(runner)
    expect(SealedAhead.announcedFor(runner)).toBe(ahead)
    void ahead.announce(columnOf(), ROW, 'a')
    expect(SealedAhead.of(runner)).toBe(ahead)
    expect([ahead.isEmpty, SealedAhead.of(other).isEmpty]).toEqual([false, true])
    ahead.clear()
    expect(ahead.isEmpty).toBe(true)
  })
})
