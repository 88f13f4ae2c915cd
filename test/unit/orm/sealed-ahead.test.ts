import { type QueryRunner } from 'typeorm'
import { type Plaintext } from '../../../src/column/types'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { SealedAhead } from '../../../src/orm/sealed-ahead'

/** A column that makes a ciphertext of its own of each value, at once or, in direct mode, later. */
function columnOf(mode: 'envelope' | 'direct' = 'envelope', hasDataKey = true): BoundColumn {
  let count = 0
  const seal = (plaintext: Plaintext): string => `${Buffer.from(plaintext).toString()}#${++count}`
  return {
    recipe: { mode },
    encryptNow: (plaintext: Plaintext) => (hasDataKey ? seal(plaintext) : undefined),
    encrypt: (plaintext: Plaintext) =>
      plaintext === 'refused' ? Promise.reject(new Error('refused')) : Promise.resolve(seal(plaintext)),
  } as unknown as BoundColumn
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
    for (const text of texts(9)) expect(ahead.announce(column, text)).toBeUndefined()
    expect(ahead.take(column, 'v0')).toBeUndefined()
    await statement(ahead)
    expect(texts(9).map((text) => ahead.take(column, text))).toEqual([
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
    expect(ahead.take(column, 'v1')).toBeUndefined()
  })

  it('go on to be encrypted where it was left off', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (const text of texts(200)) void ahead.announce(column, text)
    const taken: unknown[] = []
    for (const text of texts(200)) {
      taken.push(ahead.take(column, text))
      await statement(ahead)
    }
    expect(taken[0]).toBeUndefined()
    expect(taken.slice(1)).toEqual(texts(200).flatMap((text, at) => (at > 0 ? [`${text}#${at}`] : [])))
    expect(ahead.isEmpty).toBe(true)
  })

  it('have a ciphertext each, equal ones too', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    for (let copy = 0; copy < 3; copy++) void ahead.announce(column, 'same')
    await statement(ahead)
    expect([1, 2, 3, 4].map(() => ahead.take(column, 'same'))).toEqual([
      'same#1',
      'same#2',
      'same#3',
      undefined,
    ])
  })

  it('are found out of turn, and others are left alone', async () => {
    const ahead = new SealedAhead()
    const [column, other] = [columnOf(), columnOf()]
    for (const text of ['a', 'b', 'c']) void ahead.announce(column, text)
    await statement(ahead)
    expect(ahead.take(other, 'a')).toBeUndefined()
    expect(['changed', 'c', 'a', 'b'].map((text) => ahead.take(column, text))).toEqual([
      undefined,
      'c#3',
      'a#1',
      'b#2',
    ])
  })

  it('are not taken for a Buffer that was changed since', async () => {
    const ahead = new SealedAhead()
    const column = columnOf()
    const value = Buffer.from('old')
    void ahead.announce(column, value)
    value.write('new')
    await statement(ahead)
    expect(ahead.take(column, value)).toBeUndefined()
    expect(ahead.take(column, Buffer.from('old'))).toBe('old#1')
  })

  it('wait for their statements without a data key at hand', async () => {
    const ahead = new SealedAhead()
    const column = columnOf('envelope', false)
    void ahead.announce(column, 'a')
    await statement(ahead)
    expect(ahead.take(column, 'a')).toBeUndefined()
  })

  it('are encrypted at once in direct mode', async () => {
    const ahead = new SealedAhead()
    const column = columnOf('direct')
    const [first, second] = ['a', 'b'].map((text) => ahead.announce(column, text))
    expect([await first, await second]).toEqual(['a#1', 'b#2'])
    expect([await ahead.take(column, 'a'), await ahead.take(column, 'b')]).toEqual(['a#1', 'b#2'])
  })

  it('fail where they are waited for, and nowhere else', async () => {
    const ahead = new SealedAhead()
    const column = columnOf('direct')
    const waiting = ahead.announce(column, 'refused')
    await turn()
    await expect(waiting).rejects.toThrow('refused')
    await expect(ahead.take(column, 'refused')).rejects.toThrow('refused')
  })

  it('belong to a query runner, and are dropped on demand', () => {
    const [runner, other] = [{}, {}] as [QueryRunner, QueryRunner]
    const ahead = SealedAhead.of(runner)
    void ahead.announce(columnOf(), 'a')
    expect(SealedAhead.of(runner)).toBe(ahead)
    expect([ahead.isEmpty, SealedAhead.of(other).isEmpty]).toEqual([false, true])
    ahead.clear()
    expect(ahead.isEmpty).toBe(true)
  })
})
