import 'reflect-metadata'
import { inspect } from 'node:util'
import { Column, getMetadataArgsStorage } from 'typeorm'
import { DeclaredColumn } from '../../../src/column/declared-column'
import { KmsEncrypted, kmsEncryptedColumn } from '../../../src/column/kms-encrypted'
import { InvalidOptionError, NotConfiguredError, UnknownValueTypeError } from '../../../src/errors'
import { formsOfMarker, newMarker } from '../../support/markers'

interface Codes {
  list: string[]
}

class User {
  @KmsEncrypted() text!: string
  @KmsEncrypted() bytes!: Buffer
  @KmsEncrypted() count!: number
  @KmsEncrypted() flag!: boolean
  @KmsEncrypted() at!: Date
  @KmsEncrypted() codes!: Codes
  @KmsEncrypted() list!: string[]
  @KmsEncrypted({ type: 'bigint' }) big!: bigint
  @KmsEncrypted({ type: 'string', nullable: true, name: 'tok', select: false, comment: 'c' }) token!:
    string | null
}

function columnOf(property: string): ReturnType<typeof getMetadataArgsStorage>['columns'][number] {
  const column = getMetadataArgsStorage().columns.find(
    ({ target, propertyName }) => target === User && propertyName === property,
  )
  return column!
}

const transformerOf = (property: string): DeclaredColumn =>
  columnOf(property).options.transformer as DeclaredColumn

describe('@KmsEncrypted()', () => {
  test.each([
    ['text', 'string'],
    ['bytes', 'buffer'],
    ['count', 'number'],
    ['flag', 'boolean'],
    ['at', 'date'],
    ['codes', 'json'],
    ['list', 'json'],
    ['big', 'bigint'],
    ['token', 'string'],
  ])('takes the value type of the property %s: %s', (property, type) => {
    expect(transformerOf(property).scheme.type.name).toBe(type)
    expect(transformerOf(property).scheme.place).toEqual({ entity: 'User', property })
  })

  test('hands TypeORM the options that are TypeORM’s, and no others', () => {
    const { options } = columnOf('token')
    expect(options).toMatchObject({ nullable: true, name: 'tok', select: false, comment: 'c' })
    expect(Object.keys(options).sort()).toEqual([
      'comment',
      'name',
      'nullable',
      'select',
      'transformer',
      'type',
    ])
  })

  test('refuses wrong options when the class is defined, and names entity and property', () => {
    const define = (): unknown => {
      class Account {
        @KmsEncrypted({ unique: true }) token!: string
      }
      return Account
    }
    expect(define).toThrow(InvalidOptionError)
    expect(define).toThrow(/^Account\.token: /)
  })

  test('asks for the type where the compiler says nothing', () => {
    class Bare {}
    const declare = (): void => {
      KmsEncrypted()(Bare.prototype, 'token')
    }
    expect(declare).toThrow(UnknownValueTypeError)
    expect(declare).toThrow(/^Bare\.token: /)
    KmsEncrypted({ type: 'string' })(Bare.prototype, 'token')
  })

  test('asks for the type where reflect-metadata was not imported', () => {
    const reflect = Reflect as { getMetadata?: unknown }
    const { getMetadata } = reflect
    delete reflect.getMetadata
    try {
      expect(() => {
        KmsEncrypted()(User.prototype, 'text')
      }).toThrow(/import 'reflect-metadata' first/)
    } finally {
      reflect.getMetadata = getMetadata
    }
  })
})

test('@KmsEncrypted() on what is no property of instances is refused: TypeORM would store nothing of it', () => {
  class Account {
    plain(): string {
      return ''
    }
  }
  const decorate = KmsEncrypted({ type: 'string' }) as PropertyDecorator
  expect(() => {
    decorate(Account.prototype, 'plain')
  }).toThrow(/^Account\.plain: a method is no column/)
  expect(() => {
    decorate(Account, 'secret')
  }).toThrow(/^Account\.secret: a static property is no column/)
  expect(() => {
    decorate(Account.prototype, Symbol('secret'))
  }).toThrow(/^Account\.Symbol\(secret\): a property whose key is a symbol is no column/)
})

test('without its parentheses, or as a decorator of ECMAScript, it is refused: it would declare nothing', () => {
  class Account {}
  // As a compiler calls them that checks no types.
  const bare = KmsEncrypted as (...given: unknown[]) => unknown
  for (const target of [Account.prototype, Account]) {
    expect(() => bare(target, 'secret')).toThrow(/^Account: write @KmsEncrypted\(\) with its parentheses/)
  }
  const decorate = KmsEncrypted({ type: 'string' }) as (...given: unknown[]) => unknown
  expect(() => decorate(undefined, { kind: 'field', name: 'secret' })).toThrow(
    /^secret: .*set experimentalDecorators/,
  )
  for (const field of [{ kind: 'field', name: Symbol('secret') }, {}, undefined])
    expect(() => decorate(undefined, field)).toThrow(/^the compiler emits.*set experimentalDecorators/)
  expect(getMetadataArgsStorage().columns.some(({ target }) => target === Account)).toBe(false)
})

test('options that are none are refused as that', () => {
  class Account {}
  for (const options of [null, 'string', 5]) {
    const define = (): void => {
      ;(KmsEncrypted as (options: unknown) => PropertyDecorator)(options)(Account.prototype, 'secret')
    }
    expect(define).toThrow(InvalidOptionError)
    expect(define).toThrow(/^Account\.secret: the options must be an object/)
  }
})

test('an object prints as ever unless redact is said', () => {
  class Account {
    @KmsEncrypted({ type: 'string' }) secret = 'shown'
  }
  expect(inspect(new Account())).toBe("Account { secret: 'shown' }")
  expect(inspect.custom in new Account()).toBe(false)
})

describe('Declared twice, TypeORM keeps the first', () => {
  const kept = (...classes: unknown[]) =>
    getMetadataArgsStorage()
      .filterColumns(classes as never)
      .map(({ propertyName, options }) => [propertyName, options.transformer instanceof DeclaredColumn])

  test('which is the encrypted one, where another decorator stands below', () => {
    class Account {
      @Column() id!: number
      @KmsEncrypted() @Column() secret!: string
      @Column() last!: string
    }
    expect(kept(Account)).toEqual([['id', false], ['secret', true], ['last', false]]) // prettier-ignore
  })

  test('which is the encrypted one, where a class above has a plain one', () => {
    class Base {
      @Column() id!: number
      @Column() secret!: string
      @Column() last!: string
    }
    class Between extends Base {}
    class Account extends Between {
      @KmsEncrypted() declare secret: string
    }
    expect(kept(Account, Between, Base)).toEqual([['id', false], ['secret', true], ['last', false]]) // prettier-ignore
    expect(kept(Base)).toEqual([['id', false], ['secret', false], ['last', false]]) // prettier-ignore
  })

  test('and the columns of other classes stay in their order, whatever their names', () => {
    class Other {
      @Column() secret!: string
    }
    class Account {
      @Column() id!: number
      @KmsEncrypted() secret!: string
    }
    class Derived extends Account {
      @Column() own!: string
    }
    expect(kept(Account)).toEqual([['id', false], ['secret', true]]) // prettier-ignore
    expect(kept(Derived, Account)).toEqual([['id', false], ['secret', true], ['own', false]]) // prettier-ignore
    expect(kept(Other)).toEqual([['secret', false]])
  })
})

describe('kmsEncryptedColumn()', () => {
  test('declares the same for EntitySchema', () => {
    const column = kmsEncryptedColumn({ type: 'json', nullable: true, name: 'codes' })
    expect(column).toMatchObject({ nullable: true, name: 'codes' })
    expect((column.transformer as DeclaredColumn).scheme.type.name).toBe('json')
  })

  test('needs the type', () => {
    expect(() => kmsEncryptedColumn({} as { type: 'json' })).toThrow(UnknownValueTypeError)
  })
})

describe('A column that no DataSource was told about', () => {
  const marker = newMarker()

  test('lets no value through in either direction, and does not show it', () => {
    for (const pass of [
      (column: DeclaredColumn) => column.to(marker),
      (column: DeclaredColumn) => column.from(marker),
      (column: DeclaredColumn) => column.to(''),
      (column: DeclaredColumn) => column.to(0),
      (column: DeclaredColumn) => column.from(Buffer.alloc(0)),
    ]) {
      let error: unknown
      try {
        pass(transformerOf('text'))
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(NotConfiguredError)
      expect((error as Error).message).toMatch(/^User\.text: .*encryption\.configure/)
      expect(formsOfMarker(inspect(error), marker)).toEqual([])
    }
  })

  test('lets null and undefined through', () => {
    for (const value of [null, undefined]) {
      expect(transformerOf('text').to(value)).toBe(value)
      expect(transformerOf('text').from(value)).toBe(value)
    }
  })

  test('has a column type that says what is missing when a driver asks for its name', () => {
    const type = columnOf('text').options.type as { name: string }
    expect(() => type.name).toThrow(NotConfiguredError)
  })
})
