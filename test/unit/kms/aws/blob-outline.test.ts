import { isBareCiphertextBlob, isKmsBlob, MAX_BLOB_LENGTH } from '../../../../src/kms/aws/blob-outline'

/** Bytes that begin so, and are not UTF-8. */
function blob(start: readonly number[], length = 184): Buffer {
  const bytes = Buffer.alloc(length, 0xff)
  bytes.set(start)
  return bytes
}

describe('A blob of KMS', () => {
  test.each<[string, Buffer, boolean]>([
    ['as of today', blob([0x01, 0x02, 0x02, 0x00, 0x78]), true],
    ['of another generation', blob([0x01, 0x05, 0x07, 0x00, 0x78]), true],
    ['of the first years', blob([0x0a, 0x20]), true],
    ['of the least length', blob([0x01, 0x02, 0x02, 0x00, 0x78], 100), true],
    ['too short', blob([0x01, 0x02, 0x02, 0x00, 0x78], 99), false],
    ['of the first years, too short', blob([0x0a, 0x20], 99), false],
    ['with another first byte', blob([0x02, 0x02, 0x02, 0x00, 0x78]), false],
    ['with another fourth byte', blob([0x01, 0x02, 0x02, 0x01, 0x78]), false],
    ['with another fifth byte', blob([0x01, 0x02, 0x02, 0x00, 0x79]), false],
    ['with the first byte alone', blob([0x01]), false],
    ['with the fifth byte alone', blob([0, 0, 0, 1, 0x78]), false],
    ['with the first byte of the first years alone', blob([0x0a, 0x21]), false],
    ['with the second byte of the first years alone', blob([0x0b, 0x20]), false],
    ['of nothing', Buffer.alloc(0), false],
  ])('is known by its outline: %s', (_, bytes, is) => {
    expect(isKmsBlob(bytes)).toBe(is)
    expect(isBareCiphertextBlob(bytes)).toBe(is)
  })

  test('that Decrypt would not take is no ciphertext', () => {
    const start = [0x01, 0x02, 0x02, 0x00, 0x78]
    expect(isBareCiphertextBlob(blob(start, MAX_BLOB_LENGTH))).toBe(true)
    expect(isBareCiphertextBlob(blob(start, MAX_BLOB_LENGTH + 1))).toBe(false)
  })

  test('is never text', () => {
    const text = Buffer.from(`\x01aa\x00x${'a'.repeat(200)}`)
    expect(isKmsBlob(text)).toBe(true)
    expect(isBareCiphertextBlob(text)).toBe(false)
    expect(isBareCiphertextBlob(Buffer.from(`\n ${'a'.repeat(200)}`))).toBe(false)
  })
})
