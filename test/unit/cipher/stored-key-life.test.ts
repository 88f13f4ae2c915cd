import { createSecretKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { now } from '../../../src/cipher/data-keys/moment'
import {
  contextText,
  type DataKeyPurpose,
  storedContext,
  type StoredDataKey,
} from '../../../src/cipher/data-keys/store'
import { StoredKey } from '../../../src/cipher/data-keys/stored-key'
import { Scope } from '../../../src/cipher/scope'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { ClosedError, TamperedCiphertextError } from '../../../src/errors'
import { asEncryptedDataKey } from '../../../src/kms/bytes'
import { storedKeyOf } from './parsed'

const scope = new Scope({ table: 'user' }, { column: 'token' })
const LIMITS = { maxAge: 100, maxKeys: 10, renewAfter: 1_000, lease: 50 }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Both clocks, which the test moves. */
const clocks = { monotonic: 1_000, wall: 1_800_000_000_000 }
function pass(milliseconds: number): void {
  clocks.monotonic += milliseconds
  clocks.wall += milliseconds
}

function rowOf(root: Buffer, purpose: DataKeyPurpose = 'value'): StoredDataKey {
  return {
    id: storedKeyId(createSecretKey(root)),
    purpose,
    contextHash: Buffer.alloc(32),
    context: undefined,
    keyReference: 'arn',
    encrypted: asEncryptedDataKey(Buffer.alloc(184)),
    createdAt: new Date(clocks.wall),
    retiredAt: undefined,
    destroyAt: undefined,
    destroyedAt: undefined,
  }
}

function keyOf(root = randomBytes(32), purpose?: DataKeyPurpose): StoredKey {
  return new StoredKey(Buffer.from(root), rowOf(root, purpose), scope, now())
}

beforeEach(() => {
  jest.spyOn(performance, 'now').mockImplementation(() => clocks.monotonic)
  jest.spyOn(Date, 'now').mockImplementation(() => clocks.wall)
})
afterEach(() => {
  jest.restoreAllMocks()
})

describe('A stored data key in memory', () => {
  test('is made of the bytes that its id was derived from, and of no others; they are zero-filled', () => {
    const root = randomBytes(32)
    const row = rowOf(root)
    const right = Buffer.from(root)
    const key = new StoredKey(right, row, scope, now())
    expect(key.name).toBe(row.id.toString('latin1'))
    for (const other of [randomBytes(32), root.subarray(1), Buffer.concat([root, root])]) {
      const bytes = Buffer.from(other)
      expect(() => new StoredKey(bytes, row, scope, now())).toThrow(TamperedCiphertextError)
      expect(bytes).toEqual(Buffer.alloc(bytes.length))
    }
    expect(right).toEqual(Buffer.alloc(32))
    expect(inspect(key)).toBe(`StoredKey { id: '${row.id.toString('hex')}' }`)
  })

  test('knows its bytes', () => {
    const root = randomBytes(32)
    const key = keyOf(root)
    expect(key.is(root)).toBe(true)
    for (const other of [randomBytes(32), root.subarray(1), Buffer.alloc(0)])
      expect(key.is(other)).toBe(false)
  })

  test('opens values of several processes in any order, and none of another data key', () => {
    const root = randomBytes(32)
    const [one, two, reader] = [keyOf(root), keyOf(root), keyOf(root)]
    const sealed = [one.seal('1', scope), two.seal('2', scope)].map(storedKeyOf)
    const foreign = storedKeyOf(keyOf().seal('3', scope))
    expect(reader.isNamedAgain(sealed[0]!)).toBe(false)
    for (const at of [0, 1, 1, 0]) {
      expect(reader.open(sealed[at]!, scope).toString()).toBe(String(at + 1))
      for (const each of sealed) expect(reader.isNamedAgain(each)).toBe(true)
      expect(reader.isNamedAgain(foreign)).toBe(false)
    }
    expect(() => reader.open(foreign, scope)).toThrow(TamperedCiphertextError)
    expect(reader.open(sealed[0]!, scope).toString()).toBe('1')
  })

  test('is gone at the end of the turn in which it was destroyed, for whatever it is used', async () => {
    const root = randomBytes(32)
    const key = keyOf(root)
    const sealed = storedKeyOf(key.seal('x', scope))
    const place = { table: 't', column: 'c', index: 'i' }
    key.indexKey(place)
    expect(key.isDestroyed).toBe(false)
    key.destroy()
    key.destroy()
    expect(key.isDestroyed).toBe(true)
    expect([key.isFresh(100), key.opensStill(100), key.sealsStill(LIMITS)]).toEqual([false, false, false])
    expect(key.open(sealed, scope).toString()).toBe('x')
    await turn()
    for (const use of [
      () => key.open(sealed, scope),
      () => key.seal('y', scope),
      () => key.indexKey(place),
      () => key.is(root),
    ]) {
      expect(use).toThrow(ClosedError)
    }
  })
})

describe('A stored data key seals', () => {
  test('for the lease, after its row was last seen alive', () => {
    const key = keyOf()
    pass(50)
    expect(key.sealsStill(LIMITS)).toBe(true)
    expect(key.sealedAt).toBe(clocks.monotonic)
    pass(1)
    expect(key.sealsStill(LIMITS)).toBe(false)
    // It was asked, and sealed nothing.
    expect(key.sealedAt).toBe(clocks.monotonic - 1)
    key.seen(key.row, now())
    pass(49)
    expect(key.sealsStill(LIMITS)).toBe(true)
  })

  test.each([
    ['the monotonic clock', { monotonic: 51, wall: 0 }],
    ['the other clock', { monotonic: 0, wall: 51 }],
  ])('no longer than that by %s alone', (_, { monotonic, wall }) => {
    const key = keyOf()
    clocks.monotonic += monotonic
    clocks.wall += wall
    expect(key.sealsStill(LIMITS)).toBe(false)
  })

  test('and opens for maxAge after KMS has opened it, unless this process may not ask for that', () => {
    const [key, own] = [keyOf(), keyOf()]
    own.isOwn = true
    const seals = (): boolean[] =>
      [key, own].map((each) => {
        each.seen(each.row, now())
        return each.sealsStill(LIMITS)
      })
    pass(100)
    expect(seals()).toEqual([true, true])
    expect([key.isFresh(100), key.opensStill(100)]).toEqual([true, true])
    expect(key.openedAt).toBe(clocks.monotonic)
    pass(1)
    expect(seals()).toEqual([false, true])
    expect([key.isFresh(100), key.opensStill(100)]).toEqual([false, false])
    expect(own.isFresh(100)).toBe(true)
    key.renew()
    expect(seals()).toEqual([true, true])
    expect([key.isFresh(100), key.opensStill(100)]).toEqual([true, true])
  })

  test('until it is renewAfter old, by the clock of whoever made it; that of a blind index for ever', () => {
    const [value, index] = [keyOf(), keyOf(randomBytes(32), 'index')]
    const seals = (): boolean[] =>
      [value, index].map((each) => {
        each.renew()
        each.seen(each.row, now())
        return each.sealsStill(LIMITS)
      })
    pass(1_000)
    expect(seals()).toEqual([true, true])
    pass(1)
    expect(seals()).toEqual([false, true])
  })

  test('a blind index under one key for each place, which counts as use', () => {
    const key = keyOf()
    const places = [1, 2].map((n) => ({ table: 't', column: `c${n}`, index: 'i' }))
    const keys = places.map((place) => key.indexKey(place))
    expect(keys[0]!.equals(keys[1]!)).toBe(false)
    pass(7)
    expect(places.map((place) => key.indexKey(place))).toEqual(keys)
    expect([key.openedAt, key.sealedAt]).toEqual([clocks.monotonic, clocks.monotonic])
  })
})

describe('The context of a stored data key', () => {
  test('says for KMS what it is for', () => {
    expect(storedContext({ table: 'user' }, 'index')).toEqual({ table: 'user', 'data-key': 'index' })
  })

  test('is the same text for people in whatever order its names come', () => {
    const text = '{"a":"1","b":"2","c":"3"}'
    for (const context of [
      { a: '1', b: '2', c: '3' },
      { c: '3', b: '2', a: '1' },
      { b: '2', c: '3', a: '1' },
    ]) {
      expect(contextText(context)).toBe(text)
    }
  })
})
