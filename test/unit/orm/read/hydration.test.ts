import { type EntityMetadata, type LoadEvent, type ObjectLiteral } from 'typeorm'
import { KmsUnavailableError, NotTriedError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { openSealed } from '../../../../src/orm/read/after-load'
import { isMarked } from '../../../../src/orm/read/marked'
import { OpenedResult, OpenedResults, UNOPENED } from '../../../../src/orm/read/opened-results'
import { failureOf, type Opening, openTogether } from '../../../../src/orm/read/opening'
import { openReturnedRow } from '../../../../src/orm/read/returned-row'
import { UnreadValue } from '../../../../src/orm/read/unread-value'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { MemoryKms } from '../../cipher/memory-kms'
import { closeCiphers, columnOf, type ColumnOptions, stored } from './support'

afterAll(closeCiphers)

/** A column, and the same in a process that has no data key yet. */
function twice(options: ColumnOptions = {}) {
  const kms = new MemoryKms()
  return { kms, writer: columnOf({ ...options, kms }), reader: columnOf({ ...options, kms }) }
}

const metadataOf = (column: BoundColumn): EntityMetadata => column.metadata.entityMetadata

/** Has the encrypted values of entities opened after load, as TypeORM does for a result. */
function afterLoad(column: BoundColumn, entities: ObjectLiteral[], queryRunner: object = {}) {
  const event = { metadata: metadataOf(column), queryRunner } as unknown as LoadEvent<ObjectLiteral>
  return entities.map((entity) => openSealed(entity, event))
}

/** The same, as TypeORM awaits it. */
async function loaded(column: BoundColumn, entities: ObjectLiteral[], queryRunner?: object): Promise<void> {
  await Promise.all(afterLoad(column, entities, queryRunner).map((each) => Promise.resolve(each)))
}

describe('Hydration', () => {
  test('leaves NULL and what is not there', () => {
    const column = columnOf()
    expect([column.from(null), column.from(undefined)]).toEqual([null, undefined])
  })

  test('gives the value where its data key is at hand, and else a placeholder that refuses to be read', async () => {
    const { writer, reader } = twice()
    const bytes = await stored(writer, 'value')
    expect(writer.from(bytes)).toBe('value')
    const sealed = SealedValue.of(reader.from(bytes))
    expect([sealed?.failure, sealed?.isCompared, sealed?.stored]).toEqual([undefined, false, bytes])
  })

  test('gives what was opened before, as a copy where it can be changed', async () => {
    const results = new OpenedResults()
    const column = columnOf({ results, options: { type: 'buffer' } })
    const bytes = await stored(column, 'value')
    const plaintext = column.opener.openNow(bytes, column.recipe.scopes)
    const opened = new OpenedResult()
    opened.set(column.cell, bytes, { scheme: column.scheme, recipe: column.recipe, opened: plaintext })
    results.add(opened)
    const [one, other] = [column.from(bytes), column.from(bytes)] as Buffer[]
    one?.fill(0)
    expect(String(other)).toBe('value')
    expect(String(plaintext)).toBe('value')
  })

  test('gives a marker for a failure, and one that is compared for what is not opened', async () => {
    const results = new OpenedResults()
    const column = columnOf({ results })
    const [one, other, third] = await Promise.all(['a', 'b', 'c'].map((text) => stored(column, text)))
    const opened = new OpenedResult()
    const { scheme } = column
    const failure = new KmsUnavailableError('down')
    if (!one || !other || !third) throw new Error('there are three')
    opened.set(column.cell, one, { scheme, recipe: undefined, opened: failure })
    opened.set(column.cell, other, { scheme, recipe: undefined, opened: UNOPENED })
    results.add(opened)
    expect(SealedValue.of(column.from(one))?.failure).toMatchObject({
      code: 'KMS_UNAVAILABLE',
      entity: 'User',
    })
    expect(SealedValue.of(column.from(other))).toMatchObject({ failure: undefined, isCompared: true })
    expect(column.from(third)).toBe('c')
  })

  test('gives a marker for what is no value of the type', async () => {
    const results = new OpenedResults()
    const column = columnOf({ results, options: { type: 'json' } })
    const bytes = await stored(column, '{')
    const plaintext = column.opener.openNow(bytes, column.recipe.scopes)
    const opened = new OpenedResult()
    opened.set(column.cell, bytes, { scheme: column.scheme, recipe: undefined, opened: plaintext })
    const before = SealedValue.of(column.from(bytes))?.failure
    results.add(opened)
    const after = SealedValue.of(column.from(bytes))?.failure
    expect([before?.code, after?.code, after?.entity]).toEqual([before?.code, before?.code, 'User'])
    expect(before).toBeDefined()
  })

  test('names entity and property of what fails', () => {
    const failure = SealedValue.of(columnOf().from('plaintext'))?.failure
    expect(failure).toMatchObject({ code: 'PLAINTEXT_FOUND', entity: 'User', property: 'secret' })
  })

  test('opens nothing that is bound to its row, which it does not know', async () => {
    const column = columnOf({ isBound: true })
    const bytes = await stored(column, 'value')
    expect(SealedValue.of(column.from(bytes))).toMatchObject({ failure: undefined, isCompared: false })
  })

  test('leaves values to be read where their data keys are at hand, and seals the others', async () => {
    const { writer, reader } = twice({ options: { type: 'string', open: 'on-read' } })
    const bytes = await stored(writer, 'value')
    const unread = writer.from(bytes)
    expect(unread).toBeInstanceOf(UnreadValue)
    expect((unread as UnreadValue).open()).toBe('value')
    expect(SealedValue.of(reader.from(bytes))?.failure).toBeUndefined()
  })
})

describe('Values that are opened together', () => {
  const openingOf = (column: BoundColumn, bytes: Buffer): Opening => ({
    column,
    recipe: column.recipe,
    stored: bytes,
    bytes,
    opened: undefined,
  })

  test('need no call where all data keys are at hand', async () => {
    const column = columnOf()
    const values = [openingOf(column, await stored(column, 'a')), openingOf(column, Buffer.from('plain'))]
    expect(openTogether(values)).toBeUndefined()
    expect(String(values[0]?.opened)).toBe('a')
    expect(values[1]?.opened).toMatchObject({ code: 'PLAINTEXT_FOUND' })
  })

  test('ask KMS for the others, each with its own outcome', async () => {
    const { kms, writer, reader } = twice({ onUndecryptable: 'marker' })
    const bytes = await Promise.all(['a', 'b'].map((text) => stored(writer, text)))
    const foreign = await stored(writer, 'x', { of: 'elsewhere' })
    const values = [...bytes, foreign].map((each) => openingOf(reader, each))
    await openTogether(values)
    expect(values.map(({ opened }) => (opened instanceof Error ? opened.name : String(opened)))).toEqual([
      'a',
      'b',
      'WrongContextError',
    ])
    expect(kms.count('decrypt')).toBe(2)
  })

  test('end at the first failure where a read fails with it', async () => {
    const { kms, writer, reader } = twice()
    const foreign = await Promise.all(
      Array.from({ length: 60 }, (_, at) => stored(writer, 'x', { of: `elsewhere ${at}` })),
    )
    const values = foreign.map((each) => openingOf(reader, each))
    await openTogether(values)
    expect(kms.count('decrypt')).toBeLessThan(60)
  })

  test('are all tried where a marker may stand for one of them', async () => {
    const { kms, writer, reader } = twice()
    const foreign = await Promise.all(
      Array.from({ length: 60 }, (_, at) => stored(writer, 'x', { of: `elsewhere ${at}` })),
    )
    const marking = columnOf({ kms, cipher: reader.cipher, onUndecryptable: 'marker' })
    await openTogether(foreign.map((each, at) => openingOf(at === 0 ? marking : reader, each)))
    expect(kms.count('decrypt')).toBe(60)
  })

  test('do not ask where it is known that KMS is in trouble', async () => {
    const { kms, writer, reader } = twice()
    const values = [openingOf(reader, await stored(writer, 'a')), openingOf(reader, Buffer.from('plain'))]
    const trouble = new KmsUnavailableError('down')
    expect(openTogether(values, trouble)).toBeUndefined()
    expect(values.map(({ opened }) => opened)).toEqual([
      trouble,
      expect.objectContaining({ code: 'PLAINTEXT_FOUND' }),
    ])
    expect(kms.count('decrypt')).toBe(0)
  })

  test('an error that is none of the library is no outcome', () => {
    const fault = new TypeError('a fault')
    expect(() => failureOf(fault)).toThrow(fault)
    expect(failureOf(new KmsUnavailableError('down'))).toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })
})

describe('After load', () => {
  test('nothing waits where nothing is sealed, and without an event', async () => {
    const column = columnOf()
    expect(
      afterLoad(column, [
        { id: 1, secret: 'value' },
        { id: 2, secret: null },
      ]),
    ).toEqual([undefined, undefined])
    const sealed = new SealedValue(column, await stored(column, 'x'), undefined).placeholder
    expect(openSealed({ id: 1, secret: sealed })).toBeUndefined()
  })

  test('what is there to be compared stays as it is', async () => {
    const column = columnOf()
    const { placeholder } = new SealedValue(column, await stored(column, 'x'), undefined, true)
    const entity = { id: 1, secret: placeholder }
    expect(afterLoad(column, [entity])).toEqual([undefined])
    expect(entity.secret).toBe(placeholder)
  })

  test('all of a result are opened together, and put into their entities', async () => {
    const { kms, writer, reader } = twice()
    const entities: ObjectLiteral[] = []
    for (const id of [1, 2, 3]) entities.push({ id, secret: reader.from(await stored(writer, `of ${id}`)) })
    const asked = jest.spyOn(reader.cipher, 'openAll')
    await loaded(reader, entities)
    expect(entities.map(({ secret }) => secret as unknown)).toEqual(['of 1', 'of 2', 'of 3'])
    expect(asked.mock.calls.map(([values]) => values.length)).toEqual([3])
    expect(kms.count('decrypt')).toBe(1)
  })

  test('each value is opened for the row of its entity', async () => {
    const { writer, reader } = twice({ isBound: true })
    const own = await stored(writer, 'own', { id: 7 })
    const entities = [7, 8].map((id): ObjectLiteral => ({ id, secret: reader.from(own) }))
    const [first, second] = afterLoad(reader, entities)
    await expect(first).resolves.toBeDefined()
    await expect(second).rejects.toMatchObject({ code: 'CIPHERTEXT_WRONG_ROW', primaryKey: { id: 8 } })
    expect(entities[0]?.secret).toBe('own')
  })

  test('a failure names entity, property and row', async () => {
    const column = columnOf()
    const entity = { id: 5, secret: column.from('plaintext') }
    await expect(loaded(column, [entity])).rejects.toMatchObject({
      code: 'PLAINTEXT_FOUND',
      entity: 'User',
      property: 'secret',
      primaryKey: { id: 5 },
    })
  })

  test('a failure of one value becomes a marker where the column says so', async () => {
    const column = columnOf({ onUndecryptable: 'marker' })
    const entity = { id: 5, secret: column.from('plaintext') }
    await loaded(column, [entity])
    expect(SealedValue.of(entity.secret)?.failure).toMatchObject({
      code: 'PLAINTEXT_FOUND',
      primaryKey: { id: 5 },
    })
  })

  test('trouble of KMS does not become a marker', async () => {
    const { kms, writer, reader } = twice({ onUndecryptable: 'marker' })
    const entity = { id: 5, secret: reader.from(await stored(writer, 'value')) }
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    await expect(loaded(reader, [entity])).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })

  test('the read fails with what could not be opened, and not with what was not tried because of it', async () => {
    const column = columnOf()
    const seal = (failure: NotTriedError | KmsUnavailableError): object =>
      new SealedValue(column, 'x', failure).placeholder
    const entities = [
      { id: 1, secret: seal(new NotTriedError('another value failed')) },
      { id: 2, secret: seal(new KmsUnavailableError('down')) },
    ]
    await expect(loaded(column, entities)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })

  test('results of several query runners are opened each for itself', async () => {
    const kms = new MemoryKms()
    const reader = columnOf({ kms })
    // Each has a data key of its own.
    const entity = async (text: string): Promise<ObjectLiteral> => ({
      id: 1,
      secret: reader.from(await stored(columnOf({ kms }), text)),
    })
    const [one, other] = [await entity('one'), await entity('other')]
    await Promise.all([loaded(reader, [one], {}), loaded(reader, [other], {})])
    expect([one['secret'], other['secret']]).toEqual(['one', 'other'])
    // One that comes later has a page of its own.
    const queryRunner = {}
    const [third, fourth] = [await entity('third'), await entity('fourth')]
    await loaded(reader, [third], queryRunner)
    await loaded(reader, [fourth], queryRunner)
    expect([third['secret'], fourth['secret']]).toEqual(['third', 'fourth'])
  })

  test('what could not wait to be read is opened as others are', async () => {
    const { writer, reader } = twice({ options: { type: 'string', open: 'on-read' } })
    const entity = { id: 1, secret: reader.from(await stored(writer, 'value')) }
    await loaded(reader, [entity])
    expect(entity.secret).toBe('value')
  })
})

describe('What a statement returned', () => {
  const make = (row: unknown): ObjectLiteral => ({ ...(row as ObjectLiteral) })

  test('has its values opened, and the raw row keeps its ciphertext', async () => {
    const column = columnOf()
    const bytes = await stored(column, 'value')
    const row = { id: 1, secret: bytes }
    const given: unknown[] = []
    const map = openReturnedRow(metadataOf(column), row, (each) => {
      given.push(each)
      return make(each)
    })
    expect(map).toEqual({ id: 1, secret: 'value' })
    // TypeORM, which would take the ciphertext for the value, is not shown it.
    expect(given).toEqual([{ id: 1 }])
    expect(row.secret).toBe(bytes)
  })

  test.each([undefined, null, 'rows'])('is left to TypeORM where it is no row: %p', (row) => {
    expect(openReturnedRow(metadataOf(columnOf()), row, (each) => ({ given: each }))).toEqual({ given: row })
  })

  test('is left to TypeORM where it has no encrypted column', () => {
    const row = { id: 1 }
    const given: unknown[] = []
    openReturnedRow(metadataOf(columnOf()), row, (each) => {
      given.push(each)
      return undefined
    })
    expect(given[0]).toBe(row)
  })

  test('has a map of its own where TypeORM makes none', async () => {
    const column = columnOf()
    expect(
      openReturnedRow(metadataOf(column), { secret: await stored(column, 'x') }, () => undefined),
    ).toEqual({
      secret: 'x',
    })
    expect(openReturnedRow(metadataOf(column), { secret: null }, () => undefined)).toEqual({ secret: null })
  })

  test('fails for a value that does not open, unless a marker may stand for it', async () => {
    const refusing = columnOf()
    expect(() => openReturnedRow(metadataOf(refusing), { secret: 'plaintext' }, make)).toThrow(
      expect.objectContaining({ code: 'PLAINTEXT_FOUND' }) as Error,
    )
    const marking = columnOf({ onUndecryptable: 'marker' })
    const map = openReturnedRow(metadataOf(marking), { secret: 'plaintext' }, make)
    expect(SealedValue.of(map?.['secret'])?.failure).toMatchObject({ code: 'PLAINTEXT_FOUND' })
    // Not tried is no failure that a marker may stand for.
    const { writer, reader } = twice({ onUndecryptable: 'marker' })
    const bytes = await stored(writer, 'x')
    expect(() => openReturnedRow(metadataOf(reader), { secret: bytes }, make)).toThrow(
      expect.objectContaining({ code: 'NOT_DECRYPTED' }) as Error,
    )
  })

  test('has no value that waits to be read: the entity is the application’s own', async () => {
    const column = columnOf({ options: { type: 'string', open: 'on-read' } })
    const map = openReturnedRow(metadataOf(column), { id: 3, secret: await stored(column, 'x') }, make)
    expect(map).toEqual({ id: 3, secret: 'x' })
  })
})

test('A marker stands for the failure of one value, and for any value that may not be opened now', () => {
  const [throwing, marking] = [columnOf(), columnOf({ onUndecryptable: 'marker' })]
  const sealed = SealedValue.of(marking.from('plaintext'))?.failure
  if (!sealed) throw new Error('it fails')
  expect([isMarked(throwing, sealed), isMarked(marking, sealed)]).toEqual([false, true])
  expect(isMarked(marking, new KmsUnavailableError('down'))).toBe(false)
})
