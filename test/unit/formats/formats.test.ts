import { encryptStringSync, generateKey } from '@47ng/cloak'
import { EncryptionTransformer, JSONEncryptionTransformer } from 'typeorm-encrypted'
import { typeormEncrypted, prismaFieldEncryption } from 'typeorm-kms-encrypted/formats'
import { ForeignFormats } from '../../../src/column/foreign-format'
import { ForeignFormatError, InvalidOptionError } from '../../../src/errors'

const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
const VALUES = ['', 'a', 'träger "é%" 🔑', 'x'.repeat(5_000), 'wQEB', '0123456789abcdef']

describe('Values of typeorm-encrypted', () => {
  const algorithms = [
    { key: KEY, algorithm: 'aes-256-gcm', ivLength: 12 },
    { key: KEY, algorithm: 'aes-256-gcm', ivLength: 16, authTagLength: 12 },
    { key: KEY, algorithm: 'aes-256-cbc', ivLength: 16 },
    { key: KEY.slice(0, 32), algorithm: 'aes-128-gcm', ivLength: 12 },
    { key: KEY.slice(0, 48), algorithm: 'aes-192-cbc', ivLength: 16, iv: KEY.slice(0, 32) },
    { key: KEY, algorithm: 'aes-256-ctr', ivLength: 16 },
  ]

  test.each(algorithms.map((each) => [each.algorithm, each] as const))('%s are opened', (_, options) => {
    const format = typeormEncrypted(options)
    const rival = new EncryptionTransformer(options)
    for (const value of VALUES) {
      const stored = Buffer.from(rival.to(value) as string)
      expect(Buffer.from(format(stored)!).toString()).toBe(value)
    }
    const data = { codes: ['é', 1, null] }
    const json: unknown = new JSONEncryptionTransformer(options).to(data)
    for (const text of [JSON.stringify(json), JSON.stringify(json, undefined, 2)]) {
      expect(JSON.parse(Buffer.from(format(Buffer.from(text))!).toString())).toEqual(data)
    }
  })

  test('are told from others, and refused under another key', () => {
    const format = typeormEncrypted(algorithms[0]!)
    for (const other of ['', 'plaintext', 'YQ==', '{"encrypted":1}', 'v1.aesgcm256.x', '\u{c1}\u{1}'])
      expect(format(Buffer.from(other))).toBeUndefined()
    const rival = new EncryptionTransformer({ ...algorithms[0]!, key: KEY.replace('0', '1') })
    expect(() => format(Buffer.from(rival.to('x') as string))).toThrow()
  })

  test.each([
    [{ key: 'no hex' }, /key must be hexadecimal/],
    [{ key: '' }, /key must be hexadecimal/],
    [{ key: KEY.slice(2) }, /nothing opens with this/],
    [{ algorithm: 'aes-256-xyz' }, /nothing opens with this/],
    [{ algorithm: 'aes-256-ccm' }, /nothing opens with this/],
    [{ algorithm: 'aes-256-cbc', ivLength: 12 }, /nothing opens with this/],
    [{ ivLength: -1 }, /ivLength must be a number of bytes/],
    [{ algorithm: undefined as unknown as string }, /algorithm must be named/],
  ])('%p can open nothing, and is refused', (options, reason) => {
    const make = () => typeormEncrypted({ key: KEY, algorithm: 'aes-256-gcm', ivLength: 12, ...options })
    expect(make).toThrow(InvalidOptionError)
    expect(make).toThrow(reason)
    expect(make).not.toThrow(KEY)
  })
})

describe('Values of prisma-field-encryption', () => {
  const [first, second] = [generateKey(), generateKey()] as const

  test('are opened by the key that they name', () => {
    const format = prismaFieldEncryption({ keys: [first, second] })
    for (const key of [first, second]) {
      for (const value of VALUES) {
        const stored = Buffer.from(encryptStringSync(value, key))
        expect(Buffer.from(format(stored)!).toString()).toBe(value)
      }
    }
  })

  test('are told from others, and refused where the key is missing or they were altered', () => {
    const format = prismaFieldEncryption({ keys: [first] })
    for (const other of ['', 'v1.aesgcm256', 'plaintext', 'v1.aesgcm256.00112233.short.x'])
      expect(format(Buffer.from(other))).toBeUndefined()
    expect(() => format(Buffer.from(encryptStringSync('x', second)))).toThrow('no such key')
    const stored = encryptStringSync('some text', first)
    const altered = stored.replace(/.(?=.{6}$)/, (digit) => (digit === 'A' ? 'B' : 'A'))
    expect(() => format(Buffer.from(altered))).toThrow()
  })

  test.each([[[]], [['k1.aesgcm256.short']], [['']], [[undefined]], ['k1']])('%p are no keys', (keys) => {
    expect(() => prismaFieldEncryption({ keys: keys as string[] })).toThrow(InvalidOptionError)
  })
})

describe('Several formats', () => {
  const value = (text: string) => Buffer.from(text)
  const opens = (start: string) => (stored: Buffer) =>
    stored.toString().startsWith(start) ? stored.subarray(start.length) : undefined
  const fails = (error: unknown) => () => {
    throw error
  }

  test('are tried in order, those without authentication last', () => {
    const open = Object.assign((stored: Buffer) => `opened ${stored.toString()}`, { isAuthenticated: false })
    const formats = new ForeignFormats([open, opens('a:'), opens('b:')])
    expect(formats.open(value('a:x'), false)?.toString()).toBe('x')
    expect(formats.open(value('b:y'), false)?.toString()).toBe('y')
    expect(formats.open(value('c:z'), false)?.toString()).toBe('opened c:z')
    // What looks like a ciphertext of the library must prove that it is another's.
    expect(formats.open(value('c:z'), true)).toBeUndefined()
    expect(formats.open(value('a:x'), true)?.toString()).toBe('x')
  })

  test('fail only if none opens the value, and show nothing of it', () => {
    const secret = Object.assign(new Error('the secret text'), { name: 'SyntaxError', code: 'ERR_X' })
    const formats = new ForeignFormats([fails(secret), opens('a:')])
    expect(formats.open(value('a:x'), false)?.toString()).toBe('x')
    expect(formats.open(value('b:x'), true)).toBeUndefined()
    for (const format of [
      fails(secret),
      fails('the secret text'),
      () => Promise.resolve('the secret text'),
    ]) {
      const failing = new ForeignFormats([format as never])
      const open = () => failing.open(value('the secret text'), false)
      expect(open).toThrow(ForeignFormatError)
      expect(open).not.toThrow(/secret text/)
    }
    expect(() => formats.open(value('b:x'), false)).toThrow(/does not open it: SyntaxError ERR_X/)
  })

  test('leave a value alone that is of none of them', () => {
    const formats = new ForeignFormats([opens('a:'), opens('b:')])
    for (const authenticatedOnly of [true, false])
      expect(formats.open(value('c:x'), authenticatedOnly)).toBeUndefined()
  })

  test.each<[what: string, given: unknown]>([
    ['a list of numbers', [1, 2]],
    ['an ArrayBuffer', new ArrayBuffer(2)],
    ['a number', 5],
    ['null', null],
    ['a promise', Promise.resolve('x')],
  ])('give a text or bytes: %s is an error', (_, given) => {
    const theirs = (): unknown => given
    const open = () => new ForeignFormats([theirs as never]).open(value('x'), false)
    expect(open).toThrow(ForeignFormatError)
    expect(open).toThrow(/the format theirs gave neither a text nor bytes nor undefined/)
  })

  test('give an empty value as one', () => {
    for (const empty of ['', Buffer.alloc(0)])
      expect(new ForeignFormats([() => empty]).open(value('x'), false)).toEqual(Buffer.alloc(0))
  })

  const coded = (code: unknown): Error => Object.assign(new Error('quotes the value'), { code })

  test.each<[what: string, thrown: unknown, said: string]>([
    ['an error', new RangeError('quotes the value'), 'RangeError'],
    ['an error with a code', coded('ERR_OSSL_42'), 'Error ERR_OSSL_42'],
    ['an error whose code is no name', coded('the value'), 'Error'],
    ['an error whose code begins as a name', coded('ERR: the value'), 'Error'],
    ['an error whose code ends as a name', coded('the value: ERR'), 'Error'],
    ['an error whose code is a number', coded(42), 'Error'],
    ['an error whose code is a list', coded(['ERR']), 'Error'],
    ['a text', 'the value', 'it threw something'],
    ['null', null, 'it threw something'],
    ['an object', { name: 'the value', code: 'ERR' }, 'it threw something'],
  ])('that fail with %s are named with what cannot quote a value', (_, thrown, said) => {
    const theirs = fails(thrown)
    const nameless = new ForeignFormats([theirs])
    const named = new ForeignFormats([Object.defineProperty(fails(thrown), 'name', { value: 'theirs' })])
    for (const [formats, name] of [
      [nameless, 'without a name'],
      [named, 'theirs'],
    ] as const)
      // prettier-ignore
      expect(() => formats.open(value('x'), false)).toThrow(`the format ${name} does not open it: ${said}. Is`)
  })

  test('name the first that failed', () => {
    const [first, second] = ['first', 'second'].map((name) =>
      Object.defineProperty(fails(new Error('x')), 'name', { value: name }),
    )
    expect(() => new ForeignFormats([first!, second!]).open(value('x'), false)).toThrow(
      /the format first does/,
    )
    const promises = Object.defineProperty(() => Promise.resolve('x'), 'name', { value: 'promises' })
    expect(() => new ForeignFormats([promises as never, second!]).open(value('x'), false)).toThrow(
      /the format promises gave/,
    )
  })

  test('cannot change what is stored', () => {
    const stored = value('text')
    new ForeignFormats([(bytes) => bytes.fill(0)]).open(stored, false)
    expect(stored.toString()).toBe('text')
  })
})
