import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { deny } from '../../../../src/access'
import { AccessDeniedError, KmsUnavailableError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { carry, type Carried, carryUnopened, isToOpen, valueOf } from '../../../../src/orm/read/carried'
import { ComparedRows, watchIds } from '../../../../src/orm/read/compared-rows'
import { canBeLeft, LeftRows } from '../../../../src/orm/read/left-rows'
import { leaveUnread, unreadColumns } from '../../../../src/orm/read/left-unread'
import { OpenedResults, UNOPENED } from '../../../../src/orm/read/opened-results'
import { fetchPageKeys } from '../../../../src/orm/read/page-keys'
import { RawQueries } from '../../../../src/orm/read/raw-queries'
import { type EncryptedResult, type Row } from '../../../../src/orm/read/result-columns'
import { type Inspector, ResultOpener } from '../../../../src/orm/read/result-opener'
import { type Connection } from '../../../../src/orm/row/located-update'
import {
  type CatalogueColumn,
  type ResultColumn,
  type Statement,
} from '../../../../src/orm/statement/statement'
import { type Statements } from '../../../../src/orm/statement/statements'
import { MemoryKms } from '../../cipher/memory-kms'
import { closeCiphers, columnOf, type ColumnOptions, freshCipher, resultOf, scopeOf, stored } from './support'

const watch = (): void => undefined
afterEach(() => {
  unsubscribe('typeorm-kms-encrypted:value', watch)
})
afterAll(closeCiphers)

/** A column, and the same in a process that has no data key yet. */
function twice(options: ColumnOptions = {}) {
  const kms = new MemoryKms()
  return { kms, writer: columnOf({ ...options, kms }), reader: columnOf({ ...options, kms }) }
}

/** Rows with `u_id` from 1 and a value each, of the contexts that are given or the current one. */
async function rowsOf(column: BoundColumn, texts: string[], ofs: string[] = []): Promise<Row[]> {
  return Promise.all(
    texts.map(async (text, at) => ({
      u_id: at + 1,
      [`u_${column.metadata.databaseName}`]: await stored(column, text, { id: at + 1, of: ofs[at] ?? '' }),
    })),
  )
}

const told = (values: readonly Carried[]): unknown[] =>
  values.map(({ opened }) =>
    opened instanceof Error ? opened.name : opened === UNOPENED ? 'unopened' : opened && String(opened),
  )

describe('The values of a column in a result', () => {
  test('have each the recipe of their row', async () => {
    const column = columnOf({ isBound: true })
    const rows = await rowsOf(column, ['a', 'b'])
    const carried = carry(resultOf(column), rows)
    expect(
      carried.map(
        (each) =>
          isToOpen(each) &&
          each.recipe.scope.aad.equals(column.recipeOfStored(() => each.inRow['u_id']).scope.aad),
      ),
    ).toEqual([true, true])
    expect(carried.map(({ name, key, inRow }) => key === inRow[name])).toEqual([true, true])
  })

  test('are none for NULL, nothing, and what can be no ciphertext', () => {
    const rows: Row[] = [{ u_secret: null }, {}, { u_secret: 5 }, { u_secret: true }]
    expect(carry(resultOf(columnOf()), rows)).toEqual([])
    expect(carryUnopened(resultOf(columnOf()), rows)).toEqual([])
  })

  test('have a failure where their row does not tell what they are bound to, unless it was fetched', async () => {
    const column = columnOf({ isBound: true })
    const rows = await rowsOf(column, ['a'])
    const result = resultOf(column, [])
    const [unknown] = carry(result, rows)
    expect(unknown).toMatchObject({ recipe: undefined, opened: { code: 'ROW_UNKNOWN' } })
    const [fetched] = carry(result, rows, (_, row, name) => (name === 'id' ? row['u_id'] : undefined))
    expect(fetched && isToOpen(fetched)).toBe(true)
  })

  test('have no failure of their own for what is a fault', async () => {
    const column = columnOf({ isBound: true })
    const rows = await rowsOf(column, ['a'])
    Object.assign(column.recipes, {
      of: () => {
        throw new TypeError('a fault')
      },
    })
    expect(() => carry(resultOf(column), rows)).toThrow('a fault')
  })

  test('that stay as they are count as not opened', async () => {
    const column = columnOf()
    const rows = await rowsOf(column, ['a'])
    expect(carryUnopened(resultOf(column), rows)).toMatchObject([
      { name: 'u_secret', recipe: undefined, opened: UNOPENED },
    ])
  })

  test('name their row for whoever watches, if the result has its key', async () => {
    const column = columnOf()
    const rows = await rowsOf(column, ['a'])
    const rowOf = (result: EncryptedResult) => {
      const [value] = carry(result, rows)
      return value && isToOpen(value) ? (value.row as (() => unknown) | undefined)?.() : 'nothing'
    }
    expect(rowOf(resultOf(column))).toBeUndefined()
    subscribe('typeorm-kms-encrypted:value', watch)
    expect(rowOf(resultOf(column))).toEqual({ id: 1 })
    expect(rowOf(resultOf(column, []))).toBeUndefined()
  })

  test('a name that a result does not have is no value', () => {
    expect([valueOf({ a: 1 }, 'a'), valueOf({ undefined: 1 }, undefined)]).toEqual([1, undefined])
  })
})

describe('A column can be left to hydration', () => {
  test('while each data key is at hand', async () => {
    const { writer, reader } = twice()
    const rows = await rowsOf(writer, ['a', 'b'])
    expect(canBeLeft(resultOf(writer), rows)).toBe(true)
    expect(canBeLeft(resultOf(reader), rows)).toBe(false)
    expect(canBeLeft(resultOf(reader), [])).toBe(true)
    expect(canBeLeft(resultOf(reader), [{ u_secret: null }, {}])).toBe(true)
    await reader.opener.open(rows[0]?.['u_secret'] as Buffer, reader.recipe.scopes)
    expect(canBeLeft(resultOf(reader), rows)).toBe(true)
    // The last of many is looked at as well.
    const foreign = await stored(columnOf({ kms: writer.cipher.kms as MemoryKms }), 'c')
    expect(canBeLeft(resultOf(reader), [...rows, { u_secret: foreign }])).toBe(false)
  })

  test('where it is bound to its row only if no two values can be taken for each other', async () => {
    const column = columnOf({ isBound: true })
    const rows = await rowsOf(column, ['a', 'b'])
    const texts = rows.map((row) => ({ ...row, u_secret: (row['u_secret'] as Buffer).toString('base64') }))
    column.cipher.dataKeys.forSealing('alias/one', scopeOf())
    expect(canBeLeft(resultOf(column), rows)).toBe(true)
    expect(canBeLeft(resultOf(column), texts)).toBe(false)
    const constant = columnOf({ cipher: column.cipher })
    const [own] = await rowsOf(constant, ['a'])
    const text = { u_secret: (own?.['u_secret'] as Buffer).toString('base64') }
    expect(canBeLeft(resultOf(constant), [text])).toBe(true)
  })

  test('where it is bound to its row only under one setting, whose data key is that of all rows', () => {
    const column = columnOf({ isBound: true })
    Object.assign(column.recipes, { contexts: [{}, {}] })
    expect(canBeLeft(resultOf(column), [])).toBe(false)
    const keyed = columnOf({ isBound: true })
    Object.assign(keyed.recipes, { keyed: undefined })
    expect(canBeLeft(resultOf(keyed), [])).toBe(false)
  })

  test('what cannot be opened is a failure there', async () => {
    const column = columnOf({ isBound: true })
    const rows = await rowsOf(column, ['a'])
    const left = LeftRows.of([resultOf(column)], [{ ...rows[0], u_id: 2 }])
    const value = rows[0]?.['u_secret'] as Buffer
    expect(left?.get(column.cell, value)).toMatchObject({
      opened: { code: 'CIPHERTEXT_TAMPERED' },
      recipe: undefined,
    })
    const open = (): never => {
      throw new TypeError('a fault')
    }
    Object.assign(column.opener, { openNow: open })
    expect(() => left?.get(column.cell, value)).toThrow('a fault')
  })
})

describe('Data keys of a page', () => {
  test('are fetched, each once, before anything is opened', async () => {
    const { kms, writer, reader } = twice()
    const other = columnOf({ kms })
    const rows = [...(await rowsOf(writer, ['a', 'b', 'c'])), ...(await rowsOf(other, ['d']))]
    expect(await fetchPageKeys([resultOf(reader)], rows)).toBeUndefined()
    expect(kms.count('decrypt')).toBe(2)
    expect(rows.map((row) => reader.from(row['u_secret']))).toEqual(['a', 'b', 'c', 'd'])
    expect(kms.count('decrypt')).toBe(2)
    // One call has one caller, whose turn is fair to others.
    expect(new Set(kms.callers.slice(-2)).size).toBe(1)
  })

  test('are not fetched where they are at hand, or where nothing is to be opened', async () => {
    const { kms, writer, reader } = twice()
    const rows = await rowsOf(writer, ['a'])
    expect(fetchPageKeys([resultOf(writer)], rows)).toBeUndefined()
    expect(fetchPageKeys([resultOf(reader)], [])).toBeUndefined()
    expect(fetchPageKeys([resultOf(reader)], [{ u_secret: null }])).toBeUndefined()
    expect(fetchPageKeys([], rows)).toBeUndefined()
    expect(kms.count('decrypt')).toBe(0)
  })

  test.each<[string, ColumnOptions]>([
    ['values may be of an earlier setting', { previous: ['before'] }],
    ['values are bound to their rows', { isBound: true }],
  ])('are not fetched where %s', async (_, options) => {
    const { writer, reader } = twice(options)
    expect(fetchPageKeys([resultOf(reader)], await rowsOf(writer, ['a']))).toBeUndefined()
  })

  test.each([Buffer.from('plaintext'), Buffer.from([0xc1, 1, 1]), Buffer.alloc(200, 1)])(
    'are not fetched where a value is no envelope: %#',
    async (value) => {
      const { kms, writer, reader } = twice()
      const rows = [...(await rowsOf(writer, ['a'])), { u_secret: value }]
      expect(fetchPageKeys([resultOf(reader)], rows)).toBeUndefined()
      expect(kms.count('decrypt')).toBe(0)
    },
  )

  test('are not fetched where KMS opens each value itself', async () => {
    const { writer, reader } = twice({ mode: 'direct' })
    expect(fetchPageKeys([resultOf(reader)], await rowsOf(writer, ['a']))).toBeUndefined()
  })

  test('are not fetched where there are more than stay in memory', async () => {
    const { kms, reader } = twice()
    const rows: Row[] = []
    for (let at = 0; at < 65; at++) rows.push(...(await rowsOf(columnOf({ kms }), ['x'])))
    expect(fetchPageKeys([resultOf(reader)], rows)).toBeUndefined()
    expect(kms.count('decrypt')).toBe(0)
    expect(await fetchPageKeys([resultOf(reader)], rows.slice(1))).toBeUndefined()
    expect(kms.count('decrypt')).toBe(64)
  })

  test('are not fetched where they are more than half of what stays in memory', async () => {
    const kms = new MemoryKms()
    const cipher = freshCipher(kms, 10)
    const reader = columnOf({ kms, cipher })
    const rows: Row[] = []
    for (let at = 0; at < 6; at++) rows.push(...(await rowsOf(columnOf({ kms }), ['x'])))
    expect(fetchPageKeys([resultOf(reader)], rows)).toBeUndefined()
    expect(fetchPageKeys([resultOf(reader)], rows.slice(1))).toBeInstanceOf(Promise)
  })

  test('are not asked for any more once KMS is in trouble', async () => {
    const { kms, reader } = twice()
    const rows: Row[] = []
    for (let at = 0; at < 60; at++) rows.push(...(await rowsOf(columnOf({ kms }), ['x'])))
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    expect(await fetchPageKeys([resultOf(reader)], rows)).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(kms.count('decrypt')).toBeLessThan(60)
  })

  test('tell of trouble of KMS, and not of what is one value’s own', async () => {
    const { kms, writer, reader } = twice()
    const rows = await rowsOf(writer, ['a'])
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    expect(await fetchPageKeys([resultOf(reader)], rows)).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    const [foreign] = await Promise.all([stored(twice().writer, 'x')])
    const elsewhere = columnOf()
    expect(await fetchPageKeys([resultOf(elsewhere)], [{ u_secret: foreign }])).toBeUndefined()
    kms.beforeAnswer = () => {
      throw new TypeError('a fault')
    }
    const third = columnOf({ kms })
    await expect(fetchPageKeys([resultOf(third)], rows)).rejects.toThrow('a fault')
  })
})

describe('Values that may stay unread', () => {
  const options: ColumnOptions = { options: { type: 'string', open: 'on-read' } }
  const looksAt = (name: string) => ({ concerns: (asked: string) => asked === name })
  const names = (columns: readonly EncryptedResult[]): string[] => columns.map(({ name }) => name)

  test('are those that nobody looks at before', () => {
    const columns = [resultOf(columnOf(options)), resultOf(columnOf())]
    expect(names(unreadColumns(columns, undefined))).toEqual(['u_secret'])
    expect(unreadColumns(columns, undefined)[0]?.column.opensOnRead).toBe(true)
    expect(names(unreadColumns(columns, looksAt('u_secret')))).toEqual([])
    expect(names(unreadColumns(columns, looksAt('other')))).toEqual(['u_secret'])
  })

  test('are left, and all others opened', async () => {
    const unread = columnOf({ ...options, name: 'unread' })
    const eager = columnOf({ name: 'eager' })
    const columns = [resultOf(unread), resultOf(eager)]
    const rows = await rowsOf(unread, ['a'])
    const opened: string[][] = []
    const open = (each: readonly EncryptedResult[]): undefined => void opened.push(names(each))
    expect(leaveUnread(columns, rows, undefined, open)).toBeUndefined()
    await leaveUnread(columns, rows, looksAt('u_unread'), open)
    expect(opened).toEqual([['u_eager'], ['u_unread', 'u_eager']])
  })

  test('are left once their data keys are fetched', async () => {
    const { kms, writer, reader } = twice(options)
    const opened: string[][] = []
    const open = (each: readonly EncryptedResult[]): undefined => void opened.push(names(each))
    await leaveUnread([resultOf(reader)], await rowsOf(writer, ['a']), undefined, open)
    expect([opened, kms.count('decrypt')]).toEqual([[[]], 1])
  })

  test('are opened with the others where their data keys cannot be had', async () => {
    const { kms, writer, reader } = twice(options)
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    const opened: string[][] = []
    const open = (each: readonly EncryptedResult[]): undefined => void opened.push(names(each))
    await leaveUnread([resultOf(reader)], await rowsOf(writer, ['a']).catch(() => []), undefined, open)
    expect(opened).toEqual([[]])
    kms.beforeAnswer = () => undefined
    const rows = await rowsOf(writer, ['a'])
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    await leaveUnread([resultOf(reader)], rows, undefined, open)
    expect(opened[1]).toEqual(['u_secret'])
  })
})

/** A statement that gives these columns of `user u`, named as in `resultOf`. */
function statementOf(...columns: BoundColumn[]): Statement {
  const all = [...columns.map(({ metadata }) => metadata.databaseName), 'id'].map((name) => ({
    name,
    isEncrypted: name !== 'id',
    isPrimary: name === 'id',
    bound: columns.filter(({ metadata }) => metadata.databaseName === name),
  }))
  const table = { path: ['user'], columns: all as CatalogueColumn[] }
  const results = all.map((column): ResultColumn => ({
    name: `u_${column.name}`,
    sources: [{ table, column, row: 'u' }],
  }))
  return { results } as unknown as Statement
}

describe('A result', () => {
  const SQL = 'SELECT …'
  const OTHER = 'SELECT 1'

  function openerOf(...columns: BoundColumn[]) {
    const results = new OpenedResults()
    const readings = [statementOf(...columns)] as const
    const statements = { readings: (sql: string) => (sql === SQL ? readings : undefined) }
    const opener = new ResultOpener(statements as unknown as Statements, results, new RawQueries())
    const find = (row: Row | undefined, column = columns[0]): unknown => {
      const value = column && row?.[`u_${column.metadata.databaseName}`]
      const found = column && results.find(column.cell, value as object, column.scheme)
      return found instanceof Error ? found.name : found === UNOPENED ? 'unopened' : found && String(found)
    }
    return { results, opener, find }
  }
  const noConnection = (): undefined => undefined
  const inspectorOf = (name: string, seen: unknown[]): Inspector => ({
    concerns: (asked) => asked === name,
    inspect: (values) => {
      seen.push(...told(values))
      return undefined
    },
  })

  test('holds values if its statement gives encrypted columns', () => {
    const { opener } = openerOf(columnOf())
    expect([opener.holdsValues(SQL), opener.holdsValues(OTHER)]).toEqual([true, false])
    expect(openerOf().opener.holdsValues(SQL)).toBe(false)
    expect(opener.takeUse()).toBe('entities')
  })

  test('is left to hydration where its data keys are at hand', async () => {
    const column = columnOf()
    const { opener, results } = openerOf(column)
    const rows = await rowsOf(column, ['a'])
    expect(opener.open(SQL, rows, noConnection)).toBeUndefined()
    expect(opener.open(OTHER, rows, noConnection)).toBeUndefined()
    expect(opener.open(SQL, [], noConnection)).toBeUndefined()
    expect(results.isEmpty).toBe(true)
    const bound = openerOf(columnOf({ isBound: true }))
    expect(bound.opener.open(SQL, [], noConnection)).toBeUndefined()
    expect(bound.results.isEmpty).toBe(true)
  })

  test('has its data keys fetched, and is left to hydration then', async () => {
    const { kms, writer, reader } = twice()
    const { opener, results } = openerOf(reader)
    const rows = await rowsOf(writer, ['a'])
    await opener.open(SQL, rows, noConnection)
    expect([results.isEmpty, kms.count('decrypt')]).toEqual([true, 1])
    expect(reader.from(rows[0]?.['u_secret'])).toBe('a')
  })

  test('is opened before hydration where that must know the row', async () => {
    const { writer, reader } = twice({ isBound: true })
    const { opener, find } = openerOf(reader)
    const rows = await rowsOf(writer, ['a', 'b'])
    await opener.open(SQL, rows, noConnection)
    expect(rows.map((row) => find(row))).toEqual(['a', 'b'])
  })

  test('with data keys at hand keeps only in which rows its values stand', async () => {
    const column = columnOf({ isBound: true })
    const { opener, find } = openerOf(column)
    const rows = await rowsOf(column, ['a', 'b'])
    column.opener.openNow(rows[0]?.['u_secret'] as Buffer, column.recipeOfStored(() => 1).scopes)
    const before = column.cipher.counts.decrypted
    expect(opener.open(SQL, rows, noConnection)).toBeUndefined()
    expect(column.cipher.counts.decrypted).toBe(before)
    expect(rows.map((row) => find(row))).toEqual(['a', 'b'])
  })

  test('tells why a value did not open, after trouble of KMS too', async () => {
    const { kms, writer, reader } = twice()
    const { opener, find } = openerOf(reader)
    const rows = await rowsOf(writer, ['a'])
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    await opener.open(SQL, rows, noConnection)
    expect([find(rows[0]), kms.count('decrypt')]).toEqual(['KmsUnavailableError', 1])
  })

  test('lacks what its values are bound to: that is asked for', async () => {
    const { writer, reader } = twice({ isBound: true })
    const rows = await rowsOf(writer, ['a'])
    Object.assign(reader.recipes, {
      opensBy: [{ name: 'tenant' }],
      of: (row: (name: string) => unknown) => writer.recipes.of(() => row('tenant')),
    })
    const plain = columnOf({ name: 'plain' })
    const { opener, find } = openerOf(reader, plain)
    const sent: unknown[] = []
    const connection = {
      escape: (name: string) => `"${name}"`,
      dialect: { placeholder: () => '?' },
      query: (sql: string, parameters: unknown[]) => {
        sent.push(sql, parameters)
        return Promise.resolve([{ id: 1, tenant: 1 }])
      },
    } as unknown as Connection
    await opener.open(SQL, rows, () => connection)
    expect(sent).toEqual(['SELECT "id", "tenant" FROM "user" WHERE ("id" = ?)', [1]])
    expect(find(rows[0])).toBe('a')
  })

  test('with no connection to ask has failures', async () => {
    const { writer, reader } = twice({ isBound: true })
    const rows = await rowsOf(writer, ['a'])
    Object.assign(reader.recipes, {
      opensBy: [{ name: 'tenant' }],
      of: (row: (name: string) => unknown) => writer.recipes.of(() => row('tenant')),
    })
    const { opener, find } = openerOf(reader)
    await opener.open(SQL, rows, noConnection)
    expect(find(rows[0])).toBe('RowUnknownError')
  })

  test('is shown to an inspector, as far as that is concerned, before hydration', async () => {
    const [one, other] = [columnOf({ name: 'one' }), columnOf({ name: 'other' })]
    const { opener, find } = openerOf(one, other)
    const rows: Row[] = [{ u_one: await stored(one, 'a'), u_other: await stored(other, 'b') }]
    const seen: unknown[] = []
    await opener.open(SQL, rows, noConnection, 'entities', inspectorOf('u_one', seen))
    expect(seen).toEqual(['a'])
    expect([find(rows[0], one), find(rows[0], other)]).toEqual(['a', undefined])
    await opener.open(SQL, rows, noConnection, 'entities', inspectorOf('nothing', seen))
    expect(seen).toEqual(['a'])
  })

  test('keeps in which rows the others stand, of which an inspector sees nothing', async () => {
    const [one, other] = [columnOf({ name: 'one' }), columnOf({ name: 'other', isBound: true })]
    const { opener, find } = openerOf(one, other)
    const rows: Row[] = [{ u_id: 1, u_one: await stored(one, 'a'), u_other: await stored(other, 'b') }]
    const seen: unknown[] = []
    await opener.open(SQL, rows, noConnection, 'entities', inspectorOf('u_one', seen))
    expect([seen, find(rows[0], one), find(rows[0], other)]).toEqual([['a'], 'a', 'b'])
    const all: unknown[] = []
    await opener.open(SQL, rows, noConnection, 'entities', inspectorOf('u_other', all))
    expect(all).toEqual(['b'])
  })

  test('is opened where one of its columns has no data key at hand', async () => {
    const kms = new MemoryKms()
    const one = columnOf({ name: 'one', kms, isBound: true })
    const [writer, other] = [1, 2].map(() => columnOf({ name: 'other', kms, isBound: true }))
    if (!writer || !other) throw new Error('there are two')
    const { opener, find } = openerOf(one, other)
    const rows: Row[] = [{ u_id: 1, u_one: await stored(one, 'a'), u_other: await stored(writer, 'b') }]
    await opener.open(SQL, rows, noConnection)
    expect([find(rows[0], one), find(rows[0], other)]).toEqual(['a', 'b'])
  })

  test('waits for an inspector that takes its time, and fails with it', async () => {
    const column = columnOf()
    const { opener, results } = openerOf(column)
    const rows = await rowsOf(column, ['a'])
    const inspector: Inspector = {
      concerns: () => true,
      inspect: () => Promise.reject(new Error('a wrong row')),
    }
    await expect(opener.open(SQL, rows, noConnection, 'entities', inspector)).rejects.toThrow('a wrong row')
    expect(results.isEmpty).toBe(true)
    await opener.open(SQL, rows, noConnection, 'entities', { ...inspector, inspect: () => Promise.resolve() })
    expect(results.isEmpty).toBe(false)
  })

  test('is opened for whoever watches, who wants to know the rows', async () => {
    const column = columnOf()
    const { opener, find } = openerOf(column)
    const rows = await rowsOf(column, ['a'])
    subscribe('typeorm-kms-encrypted:value', watch)
    await opener.open(SQL, rows, noConnection)
    expect(find(rows[0])).toBe('a')
  })

  test('is not opened where nothing may be', async () => {
    const { kms, writer, reader } = twice({ isBound: true })
    const { opener, results } = openerOf(reader)
    const rows = await rowsOf(writer, ['a'])
    expect(deny(() => opener.open(SQL, rows, noConnection))).toBeUndefined()
    expect([results.isEmpty, kms.count('decrypt')]).toEqual([true, 0])
  })

  test('of equal texts of several rows makes each known by itself', async () => {
    const { writer, reader } = twice({ isBound: true })
    const { opener, find } = openerOf(reader)
    const [first] = await rowsOf(writer, ['a'])
    const text = (first?.['u_secret'] as Buffer).toString('base64')
    const rows: Row[] = [
      { u_id: 1, u_secret: text },
      { u_id: 2, u_secret: text },
      { u_id: 1, u_secret: text },
    ]
    await opener.open(SQL, rows, noConnection)
    expect(rows.map(({ u_secret }) => typeof u_secret)).toEqual(['string', 'object', 'string'])
    expect(String(rows[1]?.['u_secret'])).toBe(text)
    expect(rows.map((row) => find(row))).toEqual(['a', 'TamperedCiphertextError', 'a'])
    // Those of another result, while these wait.
    const others: Row[] = [
      { u_id: 1, u_secret: text },
      { u_id: 3, u_secret: text },
    ]
    await opener.open(SQL, others, noConnection)
    expect(others.map(({ u_secret }) => typeof u_secret)).toEqual(['string', 'object'])
  })

  describe('that is loaded to be compared', () => {
    const metadata = { getEntityIdMap: ({ id }: { id: number }) => ({ id }) }
    watchIds(metadata as never)
    const comparedWith = (...entities: { id: number; secret?: unknown }[]): ComparedRows => {
      const rows = ComparedRows.of(
        entities.map((entity) => metadata.getEntityIdMap(entity)),
        false,
      )
      if (!rows) throw new Error('these are ids')
      return rows
    }

    test('is opened where an entity has a value to compare', async () => {
      const { kms, writer, reader } = twice()
      const { opener, find } = openerOf(reader)
      const rows = await rowsOf(writer, ['a'])
      await opener.open(SQL, rows, noConnection, comparedWith({ id: 1, secret: 'b' }))
      expect([find(rows[0]), kms.count('decrypt')]).toEqual(['a', 1])
    })

    test('is not opened where none has', async () => {
      const { kms, writer, reader } = twice()
      const { opener, find } = openerOf(reader)
      const rows = await rowsOf(writer, ['a'])
      await opener.open(SQL, rows, noConnection, comparedWith({ id: 1 }, { id: 2, secret: null }))
      expect([find(rows[0]), kms.count('decrypt')]).toEqual(['unopened', 0])
      // What is not opened for this query may be for another, with an equal text.
      const text: Row[] = [{ u_id: 1, u_secret: (rows[0]?.['u_secret'] as Buffer).toString('base64') }]
      await opener.open(SQL, text, noConnection, comparedWith({ id: 1 }))
      expect(typeof text[0]?.['u_secret']).toBe('object')
    })

    test('is opened where it is looked at', async () => {
      const { writer, reader } = twice()
      const { opener, find } = openerOf(reader)
      const rows = await rowsOf(writer, ['a'])
      const seen: unknown[] = []
      await opener.open(SQL, rows, noConnection, comparedWith({ id: 1 }), inspectorOf('u_secret', seen))
      expect([find(rows[0]), seen]).toEqual(['a', ['a']])
    })

    test('counts as different where it may not be opened', async () => {
      const { kms, writer, reader } = twice()
      const { opener, find } = openerOf(reader)
      const other = await rowsOf(columnOf({ kms }), ['c'])
      const rows = [...(await rowsOf(writer, ['a', 'b'])), ...other]
      kms.beforeAnswer = () => {
        throw new AccessDeniedError('not allowed')
      }
      await opener.open(SQL, rows, noConnection, comparedWith({ id: 1, secret: 'x' }))
      expect(rows.map((row) => find(row))).toEqual(['unopened', 'unopened', 'unopened'])
      // What is at hand is compared.
      kms.beforeAnswer = () => undefined
      const own = await rowsOf(reader, ['own'])
      kms.beforeAnswer = () => {
        throw new AccessDeniedError('not allowed')
      }
      const both = [...own, ...(await rowsOf(writer, ['d']))]
      await opener.open(SQL, both, noConnection, comparedWith({ id: 1, secret: 'x' }))
      expect(both.map((row) => find(row))).toEqual(['own', 'unopened'])
    })

    test('fails where the trouble is another', async () => {
      const { kms, writer, reader } = twice()
      const { opener, find } = openerOf(reader)
      const others = await Promise.all([1, 2, 3].map(() => rowsOf(columnOf({ kms }), ['c'])))
      const rows = [...(await rowsOf(writer, ['a'])), ...others.flat()]
      kms.beforeAnswer = () => {
        throw new KmsUnavailableError('down')
      }
      await opener.open(SQL, rows, noConnection, comparedWith({ id: 1, secret: 'x' }))
      const found = rows.map((row) => find(row))
      expect(found).toContain('KmsUnavailableError')
      expect(found).not.toContain('unopened')
    })
  })

  describe('of the query result cache', () => {
    test('is opened by its bytes, of which TypeORM hydrates a copy', async () => {
      const { writer, reader } = twice()
      const { opener } = openerOf(reader)
      const rows = await rowsOf(writer, ['a'])
      const cached = JSON.parse(JSON.stringify(rows)) as Row[]
      expect(await opener.openCached(SQL, cached)).toBe(true)
      expect(reader.from((JSON.parse(JSON.stringify(rows)) as Row[])[0]?.['u_secret'])).toBe('a')
    })

    test('is left to hydration with data keys at hand, but for what is looked at', async () => {
      const column = columnOf()
      const { opener, results } = openerOf(column)
      const rows = await rowsOf(column, ['a'])
      const seen: unknown[] = []
      expect(await opener.openCached(SQL, rows)).toBe(true)
      expect(await opener.openCached(SQL, rows, inspectorOf('nothing', seen))).toBe(true)
      expect([results.isEmpty, seen]).toEqual([true, []])
      expect(await opener.openCached(SQL, rows, inspectorOf('u_secret', seen))).toBe(true)
      expect([results.isEmpty, seen]).toEqual([false, ['a']])
    })

    test('is of no use where equal ciphertexts of several rows cannot be told apart', async () => {
      const { writer, reader } = twice({ isBound: true })
      const { opener } = openerOf(reader)
      const [first] = await rowsOf(writer, ['a'])
      const text = (first?.['u_secret'] as Buffer).toString('base64')
      const rows: Row[] = [{ u_id: 1, u_secret: text }]
      expect(await opener.openCached(SQL, rows)).toBe(true)
      expect(await opener.openCached(SQL, [...rows, { u_id: 2, u_secret: text }])).toBe(false)
      expect(rows[0]?.['u_secret']).toBe(text)
    })

    test('keeps why a value cannot be opened', async () => {
      const { writer, reader } = twice({ isBound: true })
      const { opener, find } = openerOf(reader)
      const [row] = await rowsOf(writer, ['a'])
      const rows: Row[] = [{ u_secret: row?.['u_secret'] }]
      expect(await opener.openCached(SQL, rows)).toBe(true)
      expect(find(rows[0])).toBe('RowUnknownError')
    })

    test('of other statements, and without rows, is not looked at', async () => {
      const { opener } = openerOf(columnOf())
      expect(await opener.openCached(OTHER, [{ u_secret: 'x' }])).toBe(true)
      expect(await opener.openCached(SQL, [])).toBe(true)
    })

    test('is opened where one column is bound to its row, and where a value cannot wait', async () => {
      const [one, other] = [columnOf({ name: 'one' }), columnOf({ name: 'other', isBound: true })]
      const { opener, find } = openerOf(one, other)
      const rows: Row[] = [{ u_id: 1, u_one: await stored(one, 'a'), u_other: await stored(other, 'b') }]
      expect(await opener.openCached(SQL, rows)).toBe(true)
      expect(find(rows[0], other)).toBe('b')
      const { writer, reader } = twice({ options: { type: 'string', open: 'on-read' } })
      const unread = openerOf(reader)
      const [row] = await rowsOf(writer, ['c'])
      expect(await unread.opener.openCached(SQL, row ? [row] : [])).toBe(true)
      expect(unread.find(row)).toBe('c')
    })

    test('leaves unread what can wait', async () => {
      const column = columnOf({ options: { type: 'string', open: 'on-read' } })
      const { opener, results } = openerOf(column)
      const before = column.cipher.counts.decrypted
      expect(await opener.openCached(SQL, await rowsOf(column, ['a']))).toBe(true)
      expect([results.isEmpty, column.cipher.counts.decrypted]).toEqual([true, before])
    })
  })
})
