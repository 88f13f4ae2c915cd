import { randomBytes } from 'node:crypto'
import { type Delivery } from '../../../../src/column/driver-value'
import { type KmsEncryptedOptions, type Writes, type WritesOption } from '../../../../src/column/options'
import { type Plaintext } from '../../../../src/column/types'
import { HiddenParameter } from '../../../../src/dialects/rows/hidden-parameter'
import { InvalidOptionError, InvalidValueError } from '../../../../src/errors'
import { type ValueOpener } from '../../../../src/orm/read/value-opener'
import { PlaintextWrites } from '../../../../src/orm/write/plaintext-writes'
import { PendingPlaintext } from '../../../../src/orm/write/tokens'
import { closeColumns, columnOf } from './support'

afterEach(closeColumns)

const PLACE = { entity: 'User', property: 'secret' }

function plaintextWrites(
  writes: WritesOption = 'plaintext',
  delivery: Delivery = 'bytes',
  hidesParameters = false,
): PlaintextWrites {
  const all = PlaintextWrites.of({ acceptPlaintext: true }, writes, PLACE, { hidesParameters }, delivery)
  if (!all) throw new Error('Plaintext was expected to be possible')
  return all
}

const openerOf = (type: 'string' | 'buffer' = 'string'): ValueOpener =>
  columnOf({ type, acceptPlaintext: true }).opener

describe('What writes says', () => {
  it.each<[string, KmsEncryptedOptions, WritesOption | undefined, on: boolean | undefined]>([
    ['nothing', { acceptPlaintext: true }, undefined, undefined],
    ['ciphertext', { acceptPlaintext: true, writes: 'ciphertext' }, undefined, undefined],
    ['plaintext', { acceptPlaintext: true, writes: 'plaintext' }, undefined, true],
    ['of all columns', { acceptPlaintext: true }, 'plaintext', true],
    ['of the column before all', { acceptPlaintext: true, writes: 'ciphertext' }, 'plaintext', undefined],
    [
      'of the column before a function',
      { acceptPlaintext: true, writes: 'plaintext' },
      () => 'ciphertext',
      true,
    ],
    ['a function, plaintext', { acceptPlaintext: true }, () => 'plaintext', true],
    ['a function, ciphertext', { acceptPlaintext: true }, () => 'ciphertext', false],
    // Of all columns, those that do not read plaintext are left out.
    ['where plaintext is not read', {}, 'plaintext', undefined],
    ['where plaintext is refused', { acceptPlaintext: false }, () => 'plaintext', undefined],
  ])('%s', (_, options, ofAll, on) => {
    const writes = PlaintextWrites.of(options, ofAll, PLACE, { hidesParameters: false }, 'bytes')
    expect(writes?.areOn).toBe(on)
  })

  it('may change with each write, and differ from column to column', () => {
    const ask = jest.fn<Writes, [column: typeof PLACE]>().mockReturnValue('plaintext')
    ask.mockReturnValueOnce('plaintext').mockReturnValueOnce('ciphertext')
    const writes = plaintextWrites(ask)
    expect([writes.areOn, writes.areOn, writes.areOn]).toEqual([true, false, true])
    expect(ask.mock.calls).toEqual([[PLACE], [PLACE], [PLACE]])
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a promise', Promise.resolve('plaintext')],
    ['another text', 'Plaintext'],
    ['true', true],
  ])('must be one of two: %s is refused', (_, answer) => {
    const writes = plaintextWrites((() => answer) as unknown as WritesOption)
    expect(() => writes.areOn).toThrow(InvalidOptionError)
    expect(() => writes.areOn).toThrow(/^User\.secret: the function writes /)
  })
})

describe('A value as the column holds it', () => {
  it.each<[Delivery, Plaintext, stored: Buffer | string]>([
    ['bytes', 'ü', Buffer.from('ü')],
    ['bytes', new Uint8Array([0, 255]), Buffer.from([0, 255])],
    ['any storage class', 'ü', 'ü'],
    ['any storage class', Buffer.from([0, 255]), Buffer.from([0, 255])],
    ['text', 'ü', 'ü'],
    ['text', Buffer.from('ü'), 'ü'],
  ])('%s: %p', (delivery, plaintext, stored) => {
    const type = typeof plaintext === 'string' ? 'string' : 'buffer'
    const made = plaintextWrites('plaintext', delivery).stored(plaintext, openerOf(type))
    expect(made).toEqual(stored)
    expect(Buffer.isBuffer(made)).toBe(Buffer.isBuffer(stored))
  })

  it('of text are no bytes that are none', () => {
    const store = (): unknown => plaintextWrites('plaintext', 'text').stored(Buffer.from([0xff]), openerOf())
    expect(store).toThrow(InvalidValueError)
    expect(store).toThrow(/^User\.secret: .*storage: 'text'/)
  })

  it.each<[string, Plaintext]>([
    ['a ciphertext', Buffer.concat([Buffer.from('c10104', 'hex'), randomBytes(61)])],
    ['base64 of one', Buffer.concat([Buffer.from('c10104', 'hex'), randomBytes(61)]).toString('base64')],
  ])('is none that would be read as something else: %s', (_, plaintext) => {
    const store = (): unknown => plaintextWrites().stored(plaintext, openerOf())
    expect(store).toThrow(InvalidValueError)
    expect(store).toThrow(/^User\.secret: the value looks like a ciphertext/)
  })
})

describe('The parameter of a statement', () => {
  it('is the value where the driver cannot be told to hide it', () => {
    expect(plaintextWrites('plaintext', 'text').parameter('a', openerOf())).toBe('a')
  })

  it('is hidden where it can', () => {
    const parameter = plaintextWrites('plaintext', 'text', true).parameter('a', openerOf())
    expect(parameter).toBeInstanceOf(HiddenParameter)
    expect((parameter as HiddenParameter).toPostgres()).toBe('a')
  })

  it('is that of a value on its way', () => {
    const column = columnOf({ type: 'string', acceptPlaintext: true }, 'secret', {
      plaintextWrites: plaintextWrites(),
    })
    expect(new PendingPlaintext(column, 'a').parameter).toEqual(Buffer.from('a'))
  })
})
