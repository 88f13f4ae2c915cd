import 'reflect-metadata'
import { type KmsEncryptedOptions } from '../../../src/column/options'
import { Scheme } from '../../../src/column/scheme'
import { InvalidOptionError, UnknownValueTypeError } from '../../../src/errors'

const PLACE = { entity: 'User', property: 'token' }
const scheme = (options: unknown, designType: unknown = String): Scheme =>
  new Scheme(options as KmsEncryptedOptions, PLACE, designType)

/** Formats of other programs. */
const proven = (): undefined => undefined
const open = Object.assign(() => undefined, { isAuthenticated: false })

/** The options of TypeORM that would weaken or break encryption, with the start of the reason. */
const refused: [option: string, value: unknown, reason: RegExp][] = [
  ['default', 'x', /database default would be plaintext. Set the default in the class/],
  ['primary', true, /Use another primary key/],
  ['generated', 'uuid', /cannot generate a ciphertext/],
  ['array', true, /Use type: 'json'/],
  ['enum', ['a', 'b'], /check in the application/],
  ['enumName', 'kind', /check in the application/],
  ['transformer', { to: String, from: String }, /with a getter and setter/],
  ['length', 100, /Use maxLength/],
  ['width', 4, /Use maxLength/],
  ['charset', 'latin1', /storage: 'text'/],
  ['collation', 'utf8_bin', /no order/],
  ['precision', 10, /full precision/],
  ['scale', 2, /full precision/],
  ['unsigned', true, /Check the range/],
  ['zerofill', true, /ciphertext/],
  ['onUpdate', 'CURRENT_TIMESTAMP', /cannot compute/],
  ['asExpression', 'a + b', /cannot compute/],
  ['generatedType', 'STORED', /cannot compute/],
  ['generatedIdentity', 'ALWAYS', /cannot compute/],
  ['hstoreType', 'object', /Use type: 'json'/],
  ['spatialFeatureType', 'Point', /Use type: 'json'/],
  ['srid', 4326, /Use type: 'json'/],
  ['utc', true, /Use type: 'date'/],
]

describe('An option that cannot work on ciphertext', () => {
  test.each(refused)('%s is refused when the class is defined, with the reason', (option, value, reason) => {
    const define = (): Scheme => scheme({ [option]: value })
    expect(define).toThrow(InvalidOptionError)
    expect(define).toThrow(`User.token: the option ${option} cannot work on an encrypted column: `)
    expect(define).toThrow(reason)
  })

  test.each(refused)('%s is refused even if it is false, null or empty', (option) => {
    for (const value of [false, null, '', 0])
      expect(() => scheme({ [option]: value })).toThrow(InvalidOptionError)
  })

  test.each(refused)('%s may be there if it is undefined', (option) => {
    expect(() => scheme({ [option]: undefined })).not.toThrow()
  })
})

describe('An unknown option', () => {
  test.each(['lenght', 'Type', 'keyid', 'toString', 'constructor', 'hasOwnProperty', ''])(
    '%p is refused, and the known ones are named',
    (option) => {
      const define = (): Scheme => scheme({ [option]: true })
      expect(define).toThrow(InvalidOptionError)
      expect(define).toThrow(`unknown option ${option}. Known are `)
      expect(define).toThrow(/acceptPlaintext.*keyId.*maxLength/)
    },
  )
})

describe('A known option of a wrong kind', () => {
  const wrong: [option: string, value: unknown, reason: RegExp][] = [
    ['type', 'varchar', /type "varchar" is not a value type. Choose one of string, buffer, json/],
    ['type', 'constructor', /not a value type/],
    ['type', null, /not a value type/],
    ['mode', 'Envelope', /mode must be 'envelope' or 'direct'/],
    ['mode', null, /mode must be/],
    ['storage', 'base64', /storage must be 'binary' or 'text'/],
    ['maxLength', 0, /maxLength must be a positive whole number/],
    ['maxLength', -1, /maxLength must be/],
    ['maxLength', 1.5, /maxLength must be/],
    ['maxLength', Infinity, /maxLength must be/],
    ['maxLength', '100', /maxLength must be/],
    ['keyId', '', /keyId must be a non-empty string/],
    ['keyId', 42, /keyId must be/],
    ['name', '', /name must be/],
    ['comment', 1, /comment must be/],
    ['name', 1, /name must be/],
    ['nullable', 'true', /nullable must be true or false/],
    ['select', 1, /select must be/],
    ['insert', null, /insert must be/],
    ['update', 0, /update must be/],
    ['acceptPlaintext', 'yes', /acceptPlaintext must be/],
    ['writes', 'both', /writes must be 'ciphertext' or 'plaintext'/],
    ['writes', () => 'plaintext', /writes must be/],
    ['writes', 'plaintext', /writes: 'plaintext' needs acceptPlaintext: true/],
    ['acceptFormats', 'typeorm-encrypted', /acceptFormats must be a list of formats/],
    ['acceptFormats', [], /acceptFormats must be a list/],
    ['acceptFormats', [{}], /acceptFormats must be a list/],
    ['acceptFormats', [proven, {}], /acceptFormats must be a list/],
    ['acceptFormats', proven, /acceptFormats must be a list/],
    ['acceptFormats', [open, proven, open], /several formats without authentication/],
    ['mirrorOf', '', /mirrorOf must be a non-empty string/],
    ['mirrorTo', 1, /mirrorTo must be/],
    ['redact', 'json', /redact must be true, false, or \{ json: true \}/],
    ['redact', { json: 'yes' }, /redact must be/],
    ['redact', { inspect: true }, /redact must be/],
    ['redact', { json: true, inspect: true }, /redact must be/],
    ['redact', null, /redact must be/],
    ['redact', 1, /redact must be/],
    ['redact', () => true, /redact must be/],
    ['onUndecryptable', 'null', /onUndecryptable must be 'throw' or 'marker'/],
    ['onUndecryptable', null, /onUndecryptable must be/],
    ['open', 'lazily', /open must be 'on-load' or 'on-read'/],
    ['open', true, /open must be/],
    ['boundTo', null, /boundTo takes table, column and row/],
    ...(['keyPer', 'boundTo.row'] as const).flatMap((option): [string, unknown, RegExp][] => {
      const [name, of] = option.split('.')
      const given = (value: unknown): unknown => (of === undefined ? value : { [of]: value })
      return [
        [name!, given('tenantId'), /must be a list of properties of the entity, or an object/],
        [name!, given(null), /must be a list of properties of the entity, or an object/],
        [name!, given([1]), /must name properties of the entity, as non-empty strings/],
        [name!, given(['id', 1]), /must name properties of the entity, as non-empty strings/],
        [name!, given(['']), /must name properties of the entity, as non-empty strings/],
        [name!, given({ tenant: '' }), /must name properties of the entity, as non-empty strings/],
        [name!, given([]), /is empty\. Name at least one property/],
        [name!, given({}), /is empty\. Name at least one property/],
        [name!, given(['id', 'id']), /names a property twice/],
        [name!, given({ a: 'id', b: 'id' }), /names a property twice/],
      ]
    }),
    ['boundTo', { schema: 'x' }, /boundTo takes table and column/],
    ['boundTo', { table: '' }, /boundTo takes/],
    ['boundTo', { column: 1 }, /boundTo takes/],
    ['boundTo', 'user', /boundTo takes/],
    ['boundTo', true, /boundTo takes/],
    ['context', { column: 'x' }, /must not use "column"/],
    ['context', { tenant: 1 }, /must hold strings only/],
    ['context', 'x', /must be an object of strings/],
    ['context', {}, /at least one pair/],
  ]

  test.each(wrong)('%s: %p is refused', (option, value, reason) => {
    const define = (): Scheme => scheme({ [option]: value })
    expect(define).toThrow(InvalidOptionError)
    expect(define).toThrow(reason)
    expect(define).toThrow(/^User\.token: /)
  })

  test.each([[null], ['string'], [5]])('options that are %p are refused', (options) => {
    expect(() => scheme(options)).toThrow(/the options must be an object/)
  })
})

describe('Options that do not go together', () => {
  test.each<[options: KmsEncryptedOptions, reason: RegExp]>([
    [{ mirrorOf: 'a', mirrorTo: 'b' }, /a column has mirrorOf or mirrorTo, not both/],
    [{ writes: 'plaintext', acceptPlaintext: false }, /writes: 'plaintext' needs acceptPlaintext: true/],
    [{ keyPer: ['tenantId'], search: true, unique: true }, /unique: true cannot be held with keyPer/],
    [
      { keyPer: { of: 'tenantId' }, search: { unique: true } },
      /search.unique: true cannot be held with keyPer/,
    ],
    [{ search: true, unique: 'perKey' }, /unique: 'perKey' needs keyPer/],
    [{ unique: true }, /unique needs search/],
  ])('%j are refused', (options, reason) => {
    expect(() => scheme(options)).toThrow(InvalidOptionError)
    expect(() => scheme(options)).toThrow(reason)
    expect(() => scheme(options)).toThrow(/^User\.token: /)
  })
})

describe('Formats of other programs', () => {
  test.each<[what: string, options: KmsEncryptedOptions]>([
    ['that prove themselves', { acceptFormats: [proven, proven], acceptPlaintext: true }],
    ['of which one does not', { acceptFormats: [proven, open] }],
    ['of which one does not, without plaintext', { acceptFormats: [open], acceptPlaintext: false }],
  ])('%s are accepted', (_, options) => {
    expect(scheme(options).foreign).toBeDefined()
  })

  test('without authentication do not stand beside plaintext, which they may open', () => {
    const define = (): Scheme => scheme({ acceptFormats: [proven, open], acceptPlaintext: true })
    expect(define).toThrow(InvalidOptionError)
    expect(define).toThrow(/it cannot stand beside acceptPlaintext/)
  })

  test('are none where none are named', () => {
    expect(scheme({ acceptPlaintext: true }).foreign).toBeUndefined()
  })
})

describe('Earlier settings of a column', () => {
  const wrong: [previous: unknown, reason: RegExp][] = [
    [{ keyId: 'x' }, /previous must be a list/],
    [['alias/old'], /previous must be a list/],
    [[null], /previous must be a list/],
    [[{ storage: 'text' }], /previous takes context, boundTo, keyPer, keyId, mode, not storage/],
    [[{ keyId: '' }], /in previous, keyId must be a non-empty string/],
    [[{ mode: 'both' }], /in previous, mode must be/],
    [[{ boundTo: { table: 1 } }], /in previous, boundTo takes/],
    [[{ context: { column: 'x' } }], /must not use "column"/],
    [[{ keyPer: [''] }], /in previous, keyPer must name properties/],
    [[{ keyId: 'alias/old' }, { boundTo: { row: 'id' } }], /in previous, boundTo.row must be a list/],
  ]

  test.each(wrong)('are refused when they are %p', (previous, reason) => {
    expect(() => scheme({ previous })).toThrow(InvalidOptionError)
    expect(() => scheme({ previous })).toThrow(reason)
  })

  test('are taken as a list', () => {
    const previous = [
      { keyId: 'alias/old' },
      { context: { table: 'x' }, boundTo: { column: 'y' }, mode: 'direct' },
    ]
    expect(scheme({ previous }).options.previous).toEqual(previous)
    expect(() => scheme({ previous: [] })).not.toThrow()
  })
})

describe('The options that make sense', () => {
  test('are all taken together', () => {
    const options: KmsEncryptedOptions = {
      type: 'json',
      mode: 'direct',
      keyId: 'alias/x',
      context: { tenant: 'a' },
      boundTo: { table: 'users', column: 'token' },
      storage: 'text',
      maxLength: 100,
      acceptPlaintext: true,
      writes: 'plaintext',
      name: 'tok',
      nullable: true,
      select: false,
      insert: true,
      update: true,
      comment: 'secret',
    }
    expect(scheme(options).options).toEqual(options)
    expect(scheme(options).type.name).toBe('json')
  })

  test.each<[KmsEncryptedOptions]>([
    [{ comment: '' }],
    [{ writes: 'ciphertext' }],
    [{ writes: 'ciphertext', acceptPlaintext: false }],
    [{ mirrorOf: 'plain' }],
    [{ mirrorTo: 'plain' }],
    [{ onUndecryptable: 'throw' }],
    [{ onUndecryptable: 'marker' }],
    [{ open: 'on-load' }],
    [{ open: 'on-read' }],
    [{ redact: true }],
    [{ redact: false }],
    [{ redact: {} }],
    [{ redact: { json: false } }],
    [{ keyId: () => 'alias/x' }],
    [{ keyPer: ['tenantId'], boundTo: { row: { of: 'id' } } }],
    [{ keyPer: { tenant: 'tenantId' }, search: true, unique: 'perKey' }],
    [{ search: { unique: true }, maxLength: 1 }],
    // Values that were bound to no row, or keyed by nothing.
    [
      {
        previous: [
          { boundTo: { row: [] }, keyPer: [] },
          { boundTo: { row: {} }, keyPer: {} },
        ],
      },
    ],
  ])('are taken alone: %j', (options) => {
    expect(scheme(options).options).toEqual(options)
  })

  test('are none at all', () => {
    expect(scheme({}).type.name).toBe('string')
  })
})

describe('The value type', () => {
  test('that is given wins over what the compiler says', () => {
    expect(scheme({ type: 'buffer' }, String).type.name).toBe('buffer')
  })

  test('that neither the options nor the compiler gives is an error that says how to give it', () => {
    const define = (): Scheme => new Scheme({}, PLACE, undefined)
    expect(define).toThrow(UnknownValueTypeError)
    expect(define).toThrow(
      /^User\.token: .*@KmsEncrypted\(\{ type: 'string' \}\).*emitDecoratorMetadata.*reflect-metadata/,
    )
  })
})
