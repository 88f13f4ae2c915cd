import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { fromBase64Bytes, recognise } from '../../../src/cipher/recognise'
import { envelopes, invalid, valid } from './vectors'

const bytesOf = (vector: { ciphertext: string }): Buffer => Buffer.from(vector.ciphertext, 'hex')

describe('What stored bytes are, with no key and no call to KMS', () => {
  test('is told for every ciphertext of the known answers', () => {
    for (const vector of valid) {
      const end = vector.suite === 1 ? 9 + vector.encryptedDataKey.length / 2 : 7
      expect(recognise(bytesOf(vector))).toEqual({
        kind: 'ciphertext',
        suite: vector.suite,
        end,
        certain: true,
      })
    }
  })

  test('is uncertain where the part of KMS does not look like KMS’s work', () => {
    const bytes = bytesOf(envelopes[0]!)
    bytes[9] = 0x55
    expect(recognise(bytes)).toMatchObject({ kind: 'ciphertext', certain: false })
  })

  test('is malformed for what begins like a ciphertext and is none of this version', () => {
    const names = [
      'the header alone',
      'version 2',
      'suite 4, which is reserved',
      'an encrypted data key of no bytes',
    ]
    for (const vector of invalid.filter(({ name }) => names.includes(name))) {
      expect(recognise(bytesOf(vector))).toEqual({ kind: 'malformed' })
    }
    expect(recognise(Buffer.from([0xc1]))).toEqual({ kind: 'malformed' })
  })

  test('is a bare blob for what KMS made for another program', () => {
    const blob = Buffer.concat([Buffer.from('0102030078', 'hex'), randomBytes(179)])
    expect(recognise(blob)).toEqual({ kind: 'bare' })
  })

  test('is plaintext for every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(recognise(Buffer.from(text))).toEqual({ kind: 'plaintext' })
      }),
    )
  })
})

describe('Base64 text in a binary column', () => {
  test('is read as the ciphertext that it stands for', () => {
    for (const vector of valid) {
      const text = Buffer.from(bytesOf(vector).toString('base64'))
      expect(fromBase64Bytes(text)).toEqual(bytesOf(vector))
    }
  })

  test('is left alone if it is no ciphertext, whole and in canonical form', () => {
    const text = bytesOf(envelopes[0]!).toString('base64')
    const others = [
      '',
      'w',
      'wallet',
      `${text}\n`,
      text.slice(0, -1),
      `${text.slice(0, 8)} ${text.slice(8)}`,
      text.replace(/^wQEB/, 'wQEE'),
    ]
    for (const other of others) expect(fromBase64Bytes(Buffer.from(other))).toBeUndefined()
    expect(fromBase64Bytes(bytesOf(envelopes[0]!))).toBeUndefined()
  })
})
