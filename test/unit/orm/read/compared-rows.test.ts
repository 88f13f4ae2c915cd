import { type DataSource, type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { areRowsSeen, ComparedRows, isComparing, watchIds } from '../../../../src/orm/read/compared-rows'
import { hasAccessor } from '../../../../src/orm/read/has-accessor'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { type ColumnMetadata } from '../../../../src/orm/typeorm-types'
import { closeCiphers, columnOf } from './support'

afterAll(closeCiphers)

/** How TypeORM makes the maps of ids of entities. */
function watched() {
  const metadata = {
    getEntityIdMap: (entity: ObjectLiteral | undefined) =>
      entity?.['id'] === undefined ? undefined : { id: entity['id'] as unknown },
  }
  watchIds(metadata as unknown as EntityMetadata)
  return (entity: ObjectLiteral | undefined) => metadata.getEntityIdMap(entity)
}

describe('Rows that are loaded to be compared', () => {
  test('are those of entities whose ids were made in this turn', async () => {
    const idOf = watched()
    const [one, other] = [{ id: 1 }, { id: 2 }]
    const ids = [idOf(one), idOf(other)]
    expect(ids).toEqual([{ id: 1 }, { id: 2 }])
    expect(ComparedRows.of(ids, false)?.entities).toEqual([one, other])
    expect(ComparedRows.of([ids[1], ids[0]], false)?.entities).toEqual([other, one])
    expect(ComparedRows.of([ids[1]], true)).toMatchObject({ entities: [other], isSeen: true })
    expect(ComparedRows.of([], false)?.entities).toEqual([])
    await new Promise(setImmediate)
    expect(ComparedRows.of(ids, false)).toBeUndefined()
    // The next turn has its own.
    const later = idOf(one)
    expect(ComparedRows.of([later], false)?.entities).toEqual([one])
    await new Promise(setImmediate)
    expect(ComparedRows.of([later], false)).toBeUndefined()
  })

  test('are none where one of the ids is no entity’s', () => {
    const idOf = watched()
    const id = idOf({ id: 1 })
    expect(ComparedRows.of([id, { id: 2 }], false)).toBeUndefined()
    expect(ComparedRows.of([{ id: 1 }], false)).toBeUndefined()
    expect(ComparedRows.of(id, false)).toBeUndefined()
    expect(ComparedRows.of('id', false)).toBeUndefined()
  })

  test('an entity without an id has none to be found by', () => {
    const idOf = watched()
    expect([idOf({}), idOf(undefined)]).toEqual([undefined, undefined])
    expect(ComparedRows.of([undefined], false)).toBeUndefined()
  })

  test('the last map of an entity that is there twice is found, too', () => {
    const idOf = watched()
    const entity = { id: 1 }
    const [first, second] = [idOf(entity), idOf(entity)]
    expect(ComparedRows.of([second], false)?.entities).toEqual([entity])
    expect(ComparedRows.of([first, second], false)?.entities).toEqual([entity, entity])
  })

  test('need a column opened if an entity has a value in it, which is no marker', () => {
    const column = columnOf()
    const idOf = watched()
    const marker = new SealedValue(column, 'x', undefined).placeholder
    const needs = (...secrets: unknown[]): boolean | undefined =>
      ComparedRows.of(
        secrets.map((secret, id) => idOf({ id, secret })),
        false,
      )?.needs(column)
    expect(needs(undefined, null, marker)).toBe(false)
    expect(needs(undefined, '')).toBe(true)
    expect(needs('value', undefined)).toBe(true)
    const id = idOf({ id: 1 })
    expect(ComparedRows.of([id], true)?.needs(column)).toBe(true)
  })

  test.each<[object, boolean]>([
    [{ loadEagerRelations: false, withDeleted: true, loadRelationIds: { disableMixedMap: true } }, true],
    [{ loadEagerRelations: true, withDeleted: true, loadRelationIds: { disableMixedMap: true } }, false],
    [{ withDeleted: true, loadRelationIds: { disableMixedMap: true } }, false],
    [{ loadEagerRelations: false, withDeleted: false, loadRelationIds: { disableMixedMap: true } }, false],
    [{ loadEagerRelations: false, withDeleted: true, loadRelationIds: { disableMixedMap: false } }, false],
    [{ loadEagerRelations: false, withDeleted: true, loadRelationIds: true }, false],
    [{ loadEagerRelations: false, withDeleted: true }, false],
    [{}, false],
  ])('are found with the options of TypeORM: %j', (options, expected) => {
    expect(isComparing(options)).toBe(expected)
  })
})

describe('Who may look at them', () => {
  class Plain {
    id = 1
    secret = ''
  }
  class WithSetter extends Plain {
    get other(): string {
      return 'other'
    }
  }
  const columnsOf = (names: string[], type: unknown): object[] =>
    names.map((propertyName) => ({ propertyName, entityMetadata: { target: type } }))

  function dataSourceOf({
    subscribers = [],
    isEncrypted = true,
    names = ['id'],
    type = Plain,
    listeners = [],
  }: {
    subscribers?: object[]
    isEncrypted?: boolean
    names?: string[]
    type?: unknown
    listeners?: string[]
  }): DataSource {
    const encrypted = isEncrypted ? columnOf().metadata.entityMetadata.columns : []
    const columns = [...encrypted, ...columnsOf(names, type)]
    return {
      subscribers,
      entityMetadatas: [{ listeners: listeners.map((kind) => ({ type: kind })), columns }],
    } as unknown as DataSource
  }
  const isOurs = (subscriber: object): boolean => 'isOurs' in subscriber
  const seen = (options: Parameters<typeof dataSourceOf>[0]): boolean =>
    areRowsSeen(dataSourceOf(options), isOurs)

  test('is nobody without subscribers, listeners and accessors', () => {
    expect(seen({})).toBe(false)
    expect(seen({ listeners: ['before-insert'] })).toBe(false)
    expect(seen({ names: ['id', 'other'], type: 'of an EntitySchema' })).toBe(false)
  })

  class Inherited {
    afterLoad(): void {
      // It looks.
    }
  }
  test.each<[string, object, boolean]>([
    ['afterLoad', { afterLoad: () => undefined }, true],
    ['beforeUpdate', { beforeUpdate: () => undefined }, true],
    ['afterUpdate', { afterUpdate: () => undefined }, true],
    ['beforeRemove', { beforeRemove: () => undefined }, true],
    ['afterSoftRemove', { afterSoftRemove: () => undefined }, true],
    ['beforeRecover', { beforeRecover: () => undefined }, true],
    ['afterLoad of its class', new (class extends Inherited {})(), true],
    ['beforeInsert', { beforeInsert: () => undefined }, false],
    ['afterLoadAll', { afterLoadAll: () => undefined }, false],
    ['beforeLoad', { beforeLoad: () => undefined }, false],
    ['notAfterUpdate', { xafterUpdate: () => undefined }, false],
    ['nothing', {}, false],
    ['nothing at all', Object.create(null) as object, false],
    ['afterLoad, of ours', { afterLoad: () => undefined, isOurs: true }, false],
  ])('is a subscriber with %s: %#', (_, subscriber, expected) => {
    expect(seen({ subscribers: [subscriber] })).toBe(expected)
    expect(seen({ subscribers: [{}, subscriber] })).toBe(expected)
  })

  test('is a listener of loading, of any entity', () => {
    expect(seen({ listeners: ['after-load'] })).toBe(true)
    expect(seen({ listeners: ['before-update', 'after-load'], isEncrypted: false })).toBe(true)
  })

  test('is an accessor of an entity with encrypted columns', () => {
    expect(seen({ names: ['id', 'other'], type: WithSetter })).toBe(true)
    expect(seen({ names: ['id', 'other'], type: WithSetter, isEncrypted: false })).toBe(false)
    expect(seen({ names: ['id'], type: WithSetter })).toBe(false)
  })

  test('is asked once for the entities of a DataSource, and each time for its subscribers', () => {
    const dataSource = dataSourceOf({})
    expect(areRowsSeen(dataSource, isOurs)).toBe(false)
    expect(areRowsSeen(dataSource, isOurs)).toBe(false)
    dataSource.subscribers.push({ afterLoad: () => undefined })
    expect(areRowsSeen(dataSource, isOurs)).toBe(true)
  })
})

describe('A property with code of its own', () => {
  class Base {
    declare plain: string
    get read(): string {
      return ''
    }
    method(): void {
      // No accessor.
    }
  }
  class Heir extends Base {
    set written(_: string) {
      // Nothing is kept.
    }
  }
  class Hiding extends Base {}
  Object.defineProperty(Hiding.prototype, 'read', { value: 'plain' })
  const of = (propertyName: string, target: unknown, embedded?: unknown): boolean =>
    hasAccessor({
      propertyName,
      entityMetadata: { target },
      embeddedMetadata: embedded === undefined ? undefined : { type: embedded },
    } as unknown as ColumnMetadata)

  test.each<[string, unknown, boolean]>([
    ['read', Base, true],
    ['read', Heir, true],
    ['written', Heir, true],
    ['written', Base, false],
    ['plain', Base, false],
    ['method', Base, false],
    ['read', Hiding, false],
    ['read', 'of an EntitySchema', false],
    ['read', undefined, false],
  ])('%s of %p: %p', (name, target, expected) => {
    expect(of(name, target)).toBe(expected)
  })

  test('is that of what it is embedded in', () => {
    expect(of('written', Base, Heir)).toBe(true)
    expect(of('written', Heir, Base)).toBe(false)
  })
})
