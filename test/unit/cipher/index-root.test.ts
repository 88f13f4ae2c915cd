import { randomBytes } from 'node:crypto'
import { blindIndexKey } from '../../../src/cipher/blind-index'
import { INDEX_KEY_CONTEXT, IndexRoot } from '../../../src/cipher/blind-index/index-root'
import { type Encrypted } from '../../../src/kms/key-service'
import { arnOf, MemoryKms } from './memory-kms'

const place = { table: 'user', column: 'email', index: 'email' }
const other = { ...place, column: 'phone' }

function setUp(bytes = 32) {
  const kms = new MemoryKms()
  const plaintext = randomBytes(bytes)
  const indexKey = kms.blobOf(plaintext, INDEX_KEY_CONTEXT).toString('base64')
  return { kms, plaintext, root: new IndexRoot(kms, indexKey), indexKey }
}

describe('The root of blind indexes in the options', () => {
  it('is opened once for all who ask at the same time, and kept', async () => {
    const { kms, plaintext, root } = setUp()
    expect(root.now(place)).toBeUndefined()
    const [first, second, ofOther] = await Promise.all([root.open(place), root.open(place), root.open(other)])
    expect(kms.calls).toEqual([{ operation: 'decrypt', context: { 'data-key': 'index' } }])
    expect(first).toBe(second)
    expect(first.export()).toEqual(blindIndexKey(plaintext, place).export())
    expect(ofOther.export()).toEqual(blindIndexKey(plaintext, other).export())
    expect(root.now(place)).toBe(first)
    expect(await root.open(place)).toBe(first)
    expect(kms.count('decrypt')).toBe(1)
  })

  it('is asked for again after a failure', async () => {
    const { kms, root } = setUp()
    const failure = new Error('unreachable')
    kms.beforeAnswer = () => Promise.reject(failure)
    await expect(root.open(place)).rejects.toBe(failure)
    expect(root.now(place)).toBeUndefined()
    kms.beforeAnswer = () => undefined
    expect(await root.open(place)).toBe(root.now(place))
  })

  it('is zero-filled and forgotten when it is closed', async () => {
    const { kms, plaintext, root } = setUp()
    const before = await root.open(place)
    root.close()
    expect(kms.handedOut).toEqual([Buffer.alloc(32)])
    expect(root.now(place)).toBeUndefined()
    const again = await root.open(place)
    expect(again).not.toBe(before)
    expect(again.export()).toEqual(blindIndexKey(plaintext, place).export())
  })

  it('may be closed before it was opened', () => {
    const { root } = setUp()
    expect(() => {
      root.close()
    }).not.toThrow()
  })

  it('tells its KMS key, and keeps nothing for it', async () => {
    const { kms, root } = setUp()
    expect(await root.kmsKey()).toBe(kms.keyArn)
    expect(kms.handedOut).toEqual([Buffer.alloc(32)])
    expect(root.now(place)).toBeUndefined()
  })

  it.each(['a service that re-encrypts', 'one that does not'])(
    'moves to another KMS key with %s',
    async (which) => {
      const { kms, plaintext, root } = setUp()
      if (which === 'a service that re-encrypts') withReEncrypt(kms)
      const moved = await root.movedTo('alias/new')
      expect(moved).toMatchObject({ from: kms.keyArn, to: arnOf('alias/new') })
      expect(kms.handedOut.length).toBeGreaterThan(1)
      expect(kms.handedOut).toEqual(kms.handedOut.map(() => Buffer.alloc(32)))
      const key = await new IndexRoot(kms, moved.indexKey).open(place)
      expect(key.export()).toEqual(blindIndexKey(plaintext, place).export())
      expect(kms.count('encrypt')).toBe(which === 'one that does not' ? 1 : 0)
    },
  )

  it('is not moved where another one comes out', async () => {
    const { kms, root } = setUp()
    withReEncrypt(kms, randomBytes(32))
    await expect(root.movedTo('alias/new')).rejects.toMatchObject({ code: 'SELF_CHECK_FAILED' })
    expect(kms.handedOut).toEqual([Buffer.alloc(32), Buffer.alloc(32)])
  })

  it.each([31, 33])('is refused with %d bytes, which are zero-filled', async (bytes) => {
    const { kms, root } = setUp(bytes)
    await expect(root.open(place)).rejects.toMatchObject({ code: 'INVALID_OPTION', message: /32 bytes/ })
    expect(kms.handedOut).toEqual([Buffer.alloc(bytes)])
  })

  it.each([
    ['nothing', undefined],
    ['bytes', randomBytes(184)],
    ['an empty text', ''],
    ['too short a text', randomBytes(31).toString('base64')],
    ['hex', randomBytes(184).toString('hex') + '='],
    ['base64 with a line break', `${randomBytes(184).toString('base64')}\n`],
  ])('is refused if it is %s', (_, indexKey) => {
    expect(() => new IndexRoot(new MemoryKms(), indexKey as string)).toThrow(/create-index-key prints/)
  })

  it('may be 32 bytes long when it is encrypted', () => {
    expect(() => new IndexRoot(new MemoryKms(), randomBytes(32).toString('base64'))).not.toThrow()
  })
})

/** As AWS does; `wrongly`: what it makes of any key. */
function withReEncrypt(kms: MemoryKms, wrongly?: Buffer): void {
  Object.assign(kms, {
    reEncrypt: (ciphertext: Uint8Array, _: object, keyId: string): Promise<Encrypted> => {
      const found = kms.blobs.find(({ blob }) => blob.equals(ciphertext))
      const blob = kms.blobOf(wrongly ?? found?.plaintext ?? Buffer.alloc(0), INDEX_KEY_CONTEXT, keyId)
      return Promise.resolve({ ciphertext: blob, keyReference: arnOf(keyId) })
    },
  })
}
