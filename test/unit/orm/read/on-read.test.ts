import { inspect } from 'node:util'
import { type DataSource, EntitySchema, type LoadEvent, type ObjectLiteral } from 'typeorm'
import { deny } from '../../../../src/access'
import { KmsUnavailableError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { openSealed } from '../../../../src/orm/read/after-load'
import { isUnread, openOnRead } from '../../../../src/orm/read/on-read'
import { openBeforeSaving, openUnread } from '../../../../src/orm/read/open-unread'
import { UnreadProperty } from '../../../../src/orm/read/unread-property'
import { UnreadValue } from '../../../../src/orm/read/unread-value'
import { ReplacedMethods } from '../../../../src/orm/replaced-methods'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { MemoryKms } from '../../cipher/memory-kms'
import { closeCiphers, columnOf, type ColumnOptions, stored } from './support'

afterAll(closeCiphers)

/** A column whose values are opened when they are read. */
function onRead(options: ColumnOptions = {}): BoundColumn {
  const column = columnOf({ options: { type: 'string', open: 'on-read' }, ...options })
  openOnRead(column)
  return column
}

/** An unread value of an entity, as TypeORM makes it. */
async function entityOf(
  column: BoundColumn,
  text: string,
  entity: ObjectLiteral = { id: 1 },
): Promise<ObjectLiteral> {
  column.metadata.setEntityValue(entity, column.from(await stored(column, text)))
  return entity
}

/** Has every data key forgotten, as when it has expired. */
const forget = (column: BoundColumn): void => {
  const { opener } = column
  const fresh = columnOf({ kms: column.cipher.kms as MemoryKms })
  Object.assign(column, { opener: fresh.opener, cipher: fresh.cipher })
  expect(column.opener).not.toBe(opener)
}

test('a statement before the first unread value looks for none', async () => {
  // In a process where no value was left unread.
  expect(UnreadValue.exists).toBe(false)
  expect(UnreadProperty.of({ secret: 'value' }, 'secret')).toBeUndefined()
  await openUnread({ secret: 'value' })
})

describe('An unread property', () => {
  test('is opened once, by who reads it, and a plain one from then on', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    expect(isUnread(column, entity)).toBe(true)
    expect(Object.keys(entity)).toEqual(['id', 'secret'])
    const before = column.cipher.counts.decrypted
    expect([entity['secret'], entity['secret']]).toEqual(['value', 'value'])
    expect(column.cipher.counts.decrypted - before).toBe(1)
    expect(Object.getOwnPropertyDescriptors(entity)).toEqual(
      Object.getOwnPropertyDescriptors({ id: 1, secret: 'value' }),
    )
    expect(Object.getOwnPropertySymbols(entity)).toEqual([])
    expect(isUnread(column, entity)).toBe(false)
  })

  test('shows nothing to whoever prints its entity', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    expect(inspect(entity, { showHidden: true })).not.toContain('value')
    expect(isUnread(column, entity)).toBe(true)
  })

  test('is replaced by what is set', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    const before = column.cipher.counts.decrypted
    entity['secret'] = 'new'
    expect([entity['secret'], column.cipher.counts.decrypted - before]).toEqual(['new', 0])
    expect(Object.getOwnPropertyDescriptor(entity, 'secret')).toEqual({
      value: 'new',
      writable: true,
      enumerable: true,
      configurable: true,
    })
    await openUnread(entity)
    expect(entity['secret']).toBe('new')
  })

  test('is read through heirs and proxies, and settled in the object that has it', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    const heir = Object.create(Object.create(entity) as object) as ObjectLiteral
    expect(heir['secret']).toBe('value')
    expect(Object.keys(heir)).toEqual([])
    expect(isUnread(column, entity)).toBe(false)
    const other = await entityOf(column, 'other')
    expect(new Proxy(other, {})['secret']).toBe('other')
    expect(isUnread(column, other)).toBe(false)
  })

  test('of an object that cannot be changed is kept beside it', async () => {
    const column = onRead({ options: { type: 'json', open: 'on-read' } })
    const entity = Object.freeze(await entityOf(column, '["value"]'))
    const before = column.cipher.counts.decrypted
    expect(entity['secret']).toEqual(['value'])
    const value: unknown = entity['secret']
    expect(value).toEqual(['value'])
    await openUnread(entity)
    expect(entity['secret']).toBe(value)
    expect(Object.getOwnPropertySymbols({ ...entity })).toEqual([])
    expect(column.cipher.counts.decrypted - before).toBe(1)
  })

  test('that was copied without its value says so', async () => {
    const entity = await entityOf(onRead(), 'value')
    const copy: ObjectLiteral = {}
    Object.defineProperty(copy, 'secret', Object.getOwnPropertyDescriptor(entity, 'secret') ?? {})
    expect(() => copy['secret'] as unknown).toThrow(
      expect.objectContaining({ code: 'NOT_DECRYPTED', property: 'secret' }) as Error,
    )
    const whole = Object.defineProperties({}, Object.getOwnPropertyDescriptors(entity)) as ObjectLiteral
    expect(whole['secret']).toBe('value')
    expect(entity['secret']).toBe('value')
  })

  test('says what to do where its data key is no longer in memory', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    forget(column)
    expect(() => entity['secret'] as unknown).toThrow(
      expect.objectContaining({
        code: 'NOT_DECRYPTED',
        primaryKey: { id: 1 },
        message: expect.stringContaining('await encryption.open(entity)') as string,
      }) as Error,
    )
    expect(isUnread(column, entity)).toBe(true)
    await openUnread(entity)
    expect(entity['secret']).toBe('value')
  })

  test('that may not be opened now may be later', async () => {
    const column = onRead({ onUndecryptable: 'marker' })
    const entity = await entityOf(column, 'value')
    expect(() => deny(() => entity['secret'] as unknown)).toThrow(
      expect.objectContaining({ code: 'DECRYPTION_DENIED' }) as Error,
    )
    expect(entity['secret']).toBe('value')
  })

  test.each(['throw', 'marker'] as const)(
    'that does not open does what the column says: %s',
    async (onUndecryptable) => {
      const column = onRead({ onUndecryptable })
      const bytes = Buffer.from(await stored(column, 'value'))
      bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
      const entity: ObjectLiteral = { id: 4 }
      column.metadata.setEntityValue(entity, column.from(bytes))
      const failure = {
        code: 'CIPHERTEXT_TAMPERED',
        entity: 'User',
        property: 'secret',
        primaryKey: { id: 4 },
      }
      if (onUndecryptable === 'throw') {
        expect(() => entity['secret'] as unknown).toThrow(expect.objectContaining(failure) as Error)
        expect(isUnread(column, entity)).toBe(true)
      } else {
        expect(SealedValue.of(entity['secret'])?.failure).toMatchObject(failure)
        expect(isUnread(column, entity)).toBe(false)
      }
    },
  )

  test('is none of a plain value, and of no column that opens at once', async () => {
    const [column, eager] = [onRead(), columnOf()]
    const entity: ObjectLiteral = { id: 1 }
    column.metadata.setEntityValue(entity, 'plain')
    expect([entity['secret'], isUnread(column, entity), isUnread(column, {})]).toEqual([
      'plain',
      false,
      false,
    ])
    expect(isUnread(eager, await entityOf(column, 'x'))).toBe(false)
    expect(
      UnreadProperty.of(
        {
          get secret() {
            return 1
          },
        },
        'secret',
      ),
    ).toBeUndefined()
  })

  test('is left alone after load', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    const event = { metadata: column.metadata.entityMetadata, queryRunner: {} }
    expect(openSealed(entity, event as unknown as LoadEvent<ObjectLiteral>)).toBeUndefined()
    expect(isUnread(column, entity)).toBe(true)
  })
})

describe('In what is embedded', () => {
  const embedded = (parentPropertyNames: string[]): BoundColumn => {
    const column = columnOf({ options: { type: 'string', open: 'on-read' } })
    Object.assign(column.metadata, {
      embeddedMetadata: { parentPropertyNames, type: class {} },
      setEntityValue(entity: ObjectLiteral, value: unknown) {
        let owner = entity
        for (const name of parentPropertyNames) owner = (owner[name] ??= {}) as ObjectLiteral
        owner['secret'] = value
      },
    })
    openOnRead(column)
    return column
  }

  test('the property is that of the object inside', async () => {
    const column = embedded(['contact', 'private'])
    const entity = await entityOf(column, 'value')
    expect(isUnread(column, entity)).toBe(true)
    const { contact } = entity as { contact: { private: { secret: string } } }
    expect(contact.private.secret).toBe('value')
    expect(isUnread(column, entity)).toBe(false)
  })

  test.each([{}, { contact: null }, { contact: 'text' }, { contact: {} }])(
    'there is none in %j',
    (entity) => {
      const column = embedded(['contact', 'private'])
      expect(isUnread(column, entity)).toBe(false)
    },
  )
})

describe("open: 'on-read'", () => {
  const options = { type: 'string', open: 'on-read' } as const

  test.each<[string, ColumnOptions, RegExp]>([
    ['in mode direct', { options, mode: 'direct' }, /mode: 'direct'/],
    ['with values that are bound to their rows', { options, isBound: true }, /boundTo\.row and keyPer/],
  ])('is refused %s', (_, column, message) => {
    expect(() => {
      openOnRead(columnOf(column))
    }).toThrow(message)
  })

  test('is refused for a property with an accessor', () => {
    const column = columnOf({ options })
    class User {
      get secret(): string {
        return ''
      }
    }
    Object.assign(column.metadata.entityMetadata, { target: User })
    expect(() => {
      openOnRead(column)
    }).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        property: 'secret',
        message: expect.stringContaining('accessor') as string,
      }) as Error,
    )
  })
})

describe('open()', () => {
  test('opens what entities lead to, with one call for each data key', async () => {
    const column = onRead()
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map((id) => entityOf(column, `of ${id}`, { id })),
    )
    if (!first || !second || !third) throw new Error('there are three')
    const kms = column.cipher.kms as MemoryKms
    first['pets'] = [second, 'no object', null]
    first['self'] = first
    second['owner'] = { keeper: third }
    forget(column)
    const calls = kms.count('decrypt')
    await openUnread([first])
    expect(kms.count('decrypt') - calls).toBe(1)
    const values = [first, second, third].map(
      (each) => Object.getOwnPropertyDescriptor(each, 'secret')?.value as unknown,
    )
    expect(values).toEqual(['of 1', 'of 2', 'of 3'])
  })

  test('reads no accessor of anybody else, no bytes, and no marker', async () => {
    const column = onRead()
    const entity = await entityOf(column, 'value')
    const read: string[] = []
    Object.defineProperty(entity, 'lazy', {
      enumerable: true,
      get: () => {
        read.push('lazy')
        return {}
      },
    })
    entity['bytes'] = Buffer.from('bytes')
    entity['marker'] = new SealedValue(column, 'x', new KmsUnavailableError('down')).placeholder
    await openUnread(entity)
    expect(read).toEqual([])
    expect(entity['secret']).toBe('value')
    for (const nothing of [undefined, null, 'text', 5]) await openUnread(nothing)
  })

  test('fails with what does not open, or puts a marker in its place', async () => {
    for (const onUndecryptable of ['throw', 'marker'] as const) {
      const column = onRead({ onUndecryptable })
      const entity = await entityOf(column, 'value', { id: 9 })
      const foreign = columnOf({ kms: new MemoryKms() })
      Object.assign(column, { opener: foreign.opener, cipher: foreign.cipher })
      const failure = { code: 'CIPHERTEXT_WRONG_CONTEXT', primaryKey: { id: 9 } }
      if (onUndecryptable === 'throw') await expect(openUnread(entity)).rejects.toMatchObject(failure)
      else {
        await openUnread(entity)
        expect(SealedValue.of(entity['secret'])?.failure).toMatchObject(failure)
      }
    }
  })

  test('keeps what it opens beside an object that cannot be changed', async () => {
    const column = onRead()
    const entity = Object.freeze(await entityOf(column, 'value'))
    await openUnread(entity)
    forget(column)
    expect(entity['secret']).toBe('value')
    await openUnread(entity)
    expect(entity['secret']).toBe('value')
  })
})

describe('What TypeORM saves or removes', () => {
  class Manager {
    saved: unknown[] = []
    #keep(name: string, args: unknown[]): Promise<unknown> {
      const entity = args.find(
        (each): each is ObjectLiteral => typeof each === 'object' && !(each instanceof EntitySchema),
      )
      const descriptor = entity && Object.getOwnPropertyDescriptor(entity, 'secret')
      this.saved.push([name, args.length, descriptor?.get ? 'unread' : descriptor?.value])
      return Promise.resolve(name)
    }
    save(...args: unknown[]): Promise<unknown> {
      return this.#keep('save', args)
    }
    remove(...args: unknown[]): Promise<unknown> {
      return this.#keep('remove', args)
    }
    softRemove(...args: unknown[]): Promise<unknown> {
      return this.#keep('softRemove', args)
    }
    recover(...args: unknown[]): Promise<unknown> {
      return this.#keep('recover', args)
    }
  }

  function managers() {
    const dataSource = { manager: new Manager(), createEntityManager: () => new Manager() }
    openBeforeSaving(dataSource as unknown as DataSource, new ReplacedMethods())
    return [dataSource.manager, dataSource.createEntityManager()]
  }

  test.each(['save', 'remove', 'softRemove', 'recover'] as const)(
    '%s opens what must ask KMS before',
    async (name) => {
      for (const manager of managers()) {
        const column = onRead()
        const entity = await entityOf(column, 'value')
        forget(column)
        await expect(manager[name](class {}, entity, {})).resolves.toBe(name)
        expect(manager.saved).toEqual([[name, 3, 'value']])
      }
    },
  )

  test('is left as it is where the data keys are at hand', async () => {
    const [manager] = managers()
    const entity = await entityOf(onRead(), 'value')
    await manager?.save(entity)
    expect(manager?.saved).toEqual([['save', 1, 'unread']])
  })

  test('is not taken for the schema that it is saved by', async () => {
    const [manager] = managers()
    const column = onRead()
    const entity = await entityOf(column, 'value')
    forget(column)
    await manager?.save(new EntitySchema({ name: 'User', columns: {} }), entity)
    expect(manager?.saved).toEqual([['save', 2, 'value']])
    await manager?.save('User')
    expect(manager?.saved[1]).toEqual(['save', 1, undefined])
  })

  test('is not saved where a value does not open', async () => {
    const [manager] = managers()
    const column = onRead()
    const entity = await entityOf(column, 'value')
    forget(column)
    const kms = column.cipher.kms as MemoryKms
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    await expect(manager?.save(entity)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(manager?.saved).toEqual([])
  })
})
