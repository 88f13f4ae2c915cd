import { inspect } from 'node:util'
import { basename } from 'node:path'
import { borrowedFrom, declaredColumn, DeclaredColumn } from '../../../src/column/declared-column'
import { type KmsEncryptedOptions } from '../../../src/column/options'
import { Scheme } from '../../../src/column/scheme'
import { NotConfiguredError } from '../../../src/errors'

/** By which copies of the package know the declarations of each other. */
const DECLARATION = Symbol.for('typeorm-kms-encrypted/declaration')
const PLACE = { entity: 'User', property: 'token' }

const declared = (options: KmsEncryptedOptions): DeclaredColumn =>
  new DeclaredColumn(new Scheme(options, PLACE, String))

/** As another copy of the package has it: an object of classes that this one does not know. */
const ofAnother = (options: object, type = 'string'): object => ({
  [DECLARATION]: { options, place: PLACE, type, folder: '/elsewhere/typeorm-kms-encrypted' },
})

describe('What a transformer declares', () => {
  test('is itself if this copy of the package made it', () => {
    const column = declared({})
    expect(DeclaredColumn.of(column)).toBe(column)
  })

  test.each([
    [undefined],
    [null],
    ['text'],
    [5],
    [{}],
    [[]],
    [() => undefined],
    [{ to: String, from: String }],
  ])('is nothing if the application made it: %p', (transformer) => {
    expect(DeclaredColumn.of(transformer)).toBeUndefined()
  })

  test('is the same for another copy of the package, with the type that it concluded', () => {
    const other = ofAnother({ nullable: true, search: true }, 'json')
    const column = DeclaredColumn.of(other)
    expect(column).toBeInstanceOf(DeclaredColumn)
    expect(column?.scheme.type.name).toBe('json')
    expect(column?.scheme.place).toEqual(PLACE)
    expect(column?.scheme.options.nullable).toBe(true)
    expect(column?.scheme.indexes).toHaveLength(1)
    // One declaration is one column, however often it is looked at.
    expect(DeclaredColumn.of(other)).toBe(column)
    expect(DeclaredColumn.of(ofAnother({}))).not.toBe(column)
  })

  test('can be told to another copy', () => {
    const column = declared({ nullable: true })
    const told: unknown = Reflect.get(column, DECLARATION)
    expect(told).toEqual({
      options: { nullable: true },
      place: PLACE,
      type: 'string',
      folder: expect.any(String),
    })
    expect(basename((told as { folder: string }).folder)).toBe('src')
    expect(DeclaredColumn.of({ [DECLARATION]: told })?.scheme.type).toBe(column.scheme.type)
  })

  test('by a copy that knows more is an error with both folders and the reason', () => {
    for (const other of [ofAnother({ compress: true }), ofAnother({}, 'decimal')]) {
      const adopt = (): unknown => DeclaredColumn.of(other)
      expect(adopt).toThrow(NotConfiguredError)
      expect(adopt).toThrow(
        /^User\.token: two copies.*in \/elsewhere\/typeorm-kms-encrypted;.*src\. Install one/,
      )
      expect(adopt).toThrow(/The reason: .*(?:unknown option compress|"decimal" is not a value type)/)
    }
  })

  test('is not said to be of two copies where something else fails', () => {
    const failing = { get keyId(): string { throw new RangeError('the application’s') } } // prettier-ignore
    const adopt = (): unknown => DeclaredColumn.of(ofAnother(failing))
    expect(adopt).toThrow(RangeError)
    expect(adopt).toThrow('the application’s')
  })
})

describe('The type of a column that no DataSource has bound', () => {
  const { type } = declaredColumn(new Scheme({}, PLACE, String))

  test('tells whoever finds it elsewhere where it was declared', () => {
    expect(borrowedFrom({ type })).toEqual(PLACE)
    for (const other of ['varchar', String, undefined, null, {}, () => undefined])
      expect(borrowedFrom({ type: other })).toBeUndefined()
  })

  test('can be printed', () => {
    expect(inspect({ type })).toBe('{ type: [encrypted] }')
  })
})
