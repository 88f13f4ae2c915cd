import { randomBytes } from 'node:crypto'
import { asBytes, bytesFromDriver, storedFromDriver } from '../../../src/column/driver-value'
import { DriverValueError } from '../../../src/errors'

const SECRET = 'canary-in-the-value'
const bytes = Buffer.from([0xc1, 1, 1, 2, 3, 4, 250, 255])

/** The outline of an envelope ciphertext as AWS's key service makes it. */
function ciphertext(): Buffer {
  const dataKey = Buffer.concat([Buffer.from('01020300780a0b', 'hex'), randomBytes(177)])
  const header = Buffer.from([0xc1, 1, 1, 9, 9, 9, 9, 0, dataKey.length])
  return Buffer.concat([header, dataKey, randomBytes(12 + 5 + 16)])
}

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return buffer
}

const FORMS: [string, unknown][] = [
  ['a Buffer', bytes],
  ['a Uint8Array', new Uint8Array(bytes)],
  ['a Uint8ClampedArray', new Uint8ClampedArray(bytes)],
  ['an Int8Array', new Int8Array(new Uint8Array(bytes).buffer)],
  ['a DataView', new DataView(new Uint8Array(bytes).buffer)],
  ['an ArrayBuffer', new Uint8Array(bytes).buffer],
  ['a SharedArrayBuffer', shared()],
]

const NO_BYTES: [what: string, value: unknown, named: string][] = [
  ['hex as pg writes it', `\\x${bytes.toString('hex')}`, 'a string of 18 characters'],
  ['hex', bytes.toString('hex'), 'a string of 16 characters'],
  ['latin1', bytes.toString('latin1'), 'a string of 8 characters'],
  ['UTF-8', bytes.toString('utf8'), 'a string of 8 characters'],
  ['base64', bytes.toString('base64'), 'a string of 12 characters'],
  ['a text', SECRET, 'a string of 19 characters'],
  ['an empty text', '', 'a string of 0 characters'],
  ['a number', 5, 'a number'],
  ['a bigint', 5n, 'a bigint'],
  ['a boolean', true, 'a boolean'],
  ['a Date', new Date(0), 'an object that is no bytes'],
  ['an object', { secret: SECRET }, 'an object that is no bytes'],
  ['an array of numbers', [...bytes], 'an array'],
  ['null', null, 'null'],
  ['undefined', undefined, 'a undefined'],
]

describe('bytes as a driver delivers them', () => {
  test.each(FORMS)('%s is bytes', (_, value) => {
    expect(asBytes(value)?.equals(bytes)).toBe(true)
    expect(bytesFromDriver(value).equals(bytes)).toBe(true)
    for (const delivery of ['bytes', 'any storage class', 'text'] as const)
      expect(bytes.equals(storedFromDriver(value, delivery) as Buffer)).toBe(true)
  })

  test('a part of a larger buffer is that part', () => {
    const large = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(3)])
    expect(
      bytesFromDriver(new Uint8Array(large.buffer, large.byteOffset + 3, bytes.length)).equals(bytes),
    ).toBe(true)
  })

  test('they are not copied', () => {
    expect(asBytes(bytes)).toBe(bytes)
    expect(asBytes(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))?.buffer).toBe(bytes.buffer)
  })

  test.each(NO_BYTES)('%s is refused with the setting that does it, and shows nothing', (_, value, named) => {
    expect(asBytes(value)).toBeUndefined()
    const place = { entity: 'User', property: 'privateKey' }
    for (const judge of [
      () => bytesFromDriver(value, place),
      () => storedFromDriver(value, 'bytes', place),
    ]) {
      expect(judge).toThrow(DriverValueError)
      expect(judge).toThrow(`got ${named}. A setting`)
      expect(judge).toThrow(/^User\.privateKey: expected the bytes.*typeCast.*bytea.*better-sqlite3/)
      expect(judge).not.toThrow(SECRET)
    }
  })
})

describe('a value of a column', () => {
  test('of the query result cache may be a Uint8Array that went through JSON, unless it may be JSON itself', () => {
    const cached: unknown = JSON.parse(JSON.stringify(new Uint8Array(bytes)))
    expect(storedFromDriver(cached, 'bytes')).toEqual(bytes)
    expect(storedFromDriver(cached, 'any storage class')).toEqual(bytes)
    expect(storedFromDriver(cached, 'text')).toBe(JSON.stringify(cached))
    for (const other of [{}, { 0: 256 }, { 0: -1 }, { 0: 1.5 }, { 0: '1' }, { 1: 1 }, { 0: 1, 2: 1 }, [1]])
      expect(() => storedFromDriver(other, 'bytes')).toThrow(DriverValueError)
  })

  test('of the query result cache is a Buffer that went through JSON', () => {
    const cached: unknown = JSON.parse(JSON.stringify(bytes))
    expect(storedFromDriver(cached, 'bytes')).toEqual(bytes)
    expect(storedFromDriver(cached, 'text')).toEqual(bytes)
    // What only begins so is plaintext of a text column.
    for (const other of [{ type: 'Buffer', data: 'text' }, { type: 'Blob', data: [1] }, { type: 'Buffer' }]) {
      expect(storedFromDriver(other, 'text')).toBe(JSON.stringify(other))
      expect(() => storedFromDriver(other, 'bytes')).toThrow(DriverValueError)
    }
  })

  test('of the query result cache may hold any byte', () => {
    const all = Buffer.from([0, 255])
    expect(storedFromDriver({ 0: 0, 1: 255 }, 'bytes')).toEqual(all)
  })

  test('in a text column may be anything that has a text', () => {
    expect(storedFromDriver('abc', 'text')).toBe('abc')
    expect(storedFromDriver(5, 'text')).toBe('5')
    expect(storedFromDriver(new Date(0), 'text')).toBe('1970-01-01T00:00:00.000Z')
    expect(storedFromDriver({ a: 1 }, 'text')).toBe('{"a":1}')
  })

  test('in a binary column of SQLite has a type of its own', () => {
    expect(storedFromDriver('abc', 'any storage class')).toBe('abc')
    expect(storedFromDriver(5, 'any storage class')).toBe('5')
    // A private key in hex that begins like a ciphertext by chance.
    const hex = `c101${'5b'.repeat(30)}`
    expect(storedFromDriver(hex, 'any storage class')).toBe(hex)
  })

  test.each(['hex', 'latin1', 'utf8'] as const)('is refused on SQLite as a ciphertext in %s', (encoding) => {
    expect(() => storedFromDriver(ciphertext().toString(encoding), 'any storage class')).toThrow(
      DriverValueError,
    )
  })

  test('is refused on SQLite as a ciphertext in hex as other programs write it, and only as that', () => {
    const hex = ciphertext().toString('hex')
    for (const text of [`\\x${hex}`, `0x${hex}`, hex.toUpperCase(), `\\X${hex}`])
      expect(() => storedFromDriver(text, 'any storage class')).toThrow(DriverValueError)
    for (const text of [`${hex}a`, `a${hex}`, `00${hex}`, `x${hex}`, `${hex}.`, `\\x0x${hex}`])
      expect(storedFromDriver(text, 'any storage class')).toBe(text)
  })

  test('is refused on SQLite as an object', () => {
    expect(() => storedFromDriver({}, 'any storage class')).toThrow(DriverValueError)
  })
})
