import { Entity, PrimaryColumn, QueryFailedError, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { INDEX_LENGTH } from '../../../src/cipher/blind-index'
import { InvalidOptionError, KmsUnavailableError } from '../../../src/errors'
import { configuredKeys } from '../../../src/migration/configured-keys'
import {
  indexesOfNothing,
  indexesToStore,
  isFilled,
  wrongIndex,
} from '../../../src/migration/indexes/row-indexes'
import { EmptyIndexes } from '../../../src/migration/indexes/empty-indexes'
import { encryptedColumn } from '../../../src/migration/target'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type BlindIndex } from '../../../src/orm/search/blind-index'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { type TestDatabase } from '../../support/databases'
import { rowOf } from './support'

const [a, b, c] = ['a', 'b', 'c'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer]

/** Indexes, each over its column and others. */
const columnOf = (...others: string[][]): BoundColumn =>
  ({
    indexes: others.map((names) => ({
      members: ['own', ...names].map((databaseName) => ({ metadata: { databaseName } })),
      stored: (bytes: Buffer) => bytes,
    })),
  }) as unknown as BoundColumn

describe('the blind indexes of a row', () => {
  it.each<
    [
      string,
      beside: (Buffer | null)[] | undefined,
      expected: (Buffer | null | undefined)[],
      at: number,
      isMissing?: boolean,
    ]
  >([
    ['all are right', [a, b], [a, b], -1],
    ['one is wrong', [a, c], [a, b], 1, false],
    ['the first is wrong, too', [c, c], [a, b], 0, false],
    ['one is missing', [a, null], [a, b], 1, true],
    ['one is there for no value', [a, b], [null, b], 0, false],
    ['none is there for no value', [null, b], [null, b], -1],
    ['nobody can tell one', [c, b], [undefined, b], -1],
    ['nobody can tell one that is missing', [null, c], [undefined, b], 1, false],
    ['none was read', undefined, [a, null], 0, true],
  ])('are compared: %s', (_, beside, expected, at, isMissing = false) => {
    const column = columnOf([], [])
    const found = wrongIndex(column, rowOf(1, '', beside && { beside }), expected)
    expect(found).toEqual(at < 0 ? undefined : { index: column.indexes[at], isMissing })
  })

  it('stay as they are where nobody can tell what they ought to be', () => {
    expect(indexesToStore(rowOf(1, '', { beside: [a, b, null] }), [c, undefined, undefined])).toEqual([
      c,
      b,
      null,
    ])
    expect(indexesToStore(rowOf(1), [null, undefined])).toEqual([null, null])
  })

  it.each<[string, beside: (Buffer | null)[], row: Record<string, unknown>, expected: boolean]>([
    ['all are there', [a, b], { other: 1 }, true],
    ['one is left out', [null, b], { other: 1 }, false],
    ['the second is left out', [a, null], { other: 1 }, false],
    ['one is left out that another column has no value for', [a, null], { other: null }, true],
    ['one is left out, and of the other column nothing is known', [a, null], {}, false],
  ])('are filled or not: %s', (_, beside, row, expected) => {
    const given = rowOf(1, '', { beside, valueOf: (name) => row[name] })
    expect(isFilled(columnOf([], ['other']), given)).toBe(expected)
  })

  it('of nothing are like those of no other row', () => {
    const { indexes } = columnOf([], [])
    const made = [...indexesOfNothing(indexes), ...indexesOfNothing(indexes)].map((each) =>
      Buffer.from(each as Buffer),
    )
    expect(new Set(made.map((each) => each.toString('hex'))).size).toBe(4)
    for (const each of made) expect(each).toHaveLength(INDEX_LENGTH)
    expect(indexesOfNothing([] as BlindIndex[])).toEqual([])
  })
})

describe('the KMS keys that a column is encrypted with', () => {
  const sent: string[] = []
  const runnerOf = (rows: object[] | Error): QueryRunner => {
    const query = (sql: string) => {
      sent.push(sql)
      return rows instanceof Error ? Promise.reject(rows) : Promise.resolve(rows)
    }
    const dataSource = { driver: { escape: (name: string) => `"${name}"` } }
    return { query, dataSource, startTransaction: undefined } as unknown as QueryRunner
  }
  const textOf = (value: unknown): string => String(value)
  const keyed = (names: string[], keyIdFor: (context: Record<string, string>) => string): BoundColumn =>
    ({
      metadata: { entityMetadata: { tablePath: 's.user' } },
      recipes: {
        contexts: [
          {
            fixed: { app: 'a' },
            perRow: names.map((name) => ({ name, column: { name: `${name}_id`, textOf } })),
          },
          { fixed: { app: 'before' }, perRow: [] },
        ],
        keyIdFor,
      },
    }) as unknown as BoundColumn
  const byTenant = ({ app = '', tenant = '' }: Record<string, string>): string => `alias/${app}-${tenant}`

  beforeEach(() => {
    sent.length = 0
  })

  it('is the one of its options', async () => {
    const column = { recipes: { keyId: 'alias/one' } } as BoundColumn
    expect(await configuredKeys(runnerOf([]), column)).toEqual(['alias/one'])
    expect(sent).toEqual([])
  })

  it('are those that the function names for the contexts of the rows, each once', async () => {
    const rows = [{ tenant_id: 1 }, { tenant_id: 2 }, { tenant_id: 3 }]
    const keyIdFor = ({ app = '', tenant = '' }: Record<string, string>): string =>
      `alias/${app}-${Number(tenant) % 2}`
    expect(await configuredKeys(runnerOf(rows), keyed(['tenant'], keyIdFor))).toEqual([
      'alias/a-1',
      'alias/a-0',
    ])
    expect(sent).toEqual(['SELECT DISTINCT "tenant_id" FROM "s"."user" LIMIT 10001'])
  })

  it('is one where the context does not depend on the row', async () => {
    expect(await configuredKeys(runnerOf([]), keyed([], byTenant))).toEqual(['alias/a-'])
    expect(sent).toEqual([])
  })

  it('are not known of too many contexts, or of none', async () => {
    const rows = (count: number) => Array.from({ length: count }, (_, id) => ({ tenant_id: id }))
    expect(await configuredKeys(runnerOf(rows(10_000)), keyed(['tenant'], byTenant))).toHaveLength(10_000)
    expect(await configuredKeys(runnerOf(rows(10_001)), keyed(['tenant'], byTenant))).toBeUndefined()
    const none = { recipes: { contexts: [] } } as unknown as BoundColumn
    expect(await configuredKeys(runnerOf([]), none)).toBeUndefined()
  })

  it('are not known where the function or the database refuses, and a fault is none of these', async () => {
    const refusing = keyed(['tenant'], () => {
      throw new InvalidOptionError('no such tenant')
    })
    expect(await configuredKeys(runnerOf([{ tenant_id: 1 }]), refusing)).toBeUndefined()
    const failed = new QueryFailedError('SELECT', [], new Error('no such table'))
    expect(await configuredKeys(runnerOf(failed), keyed(['tenant'], byTenant))).toBeUndefined()
    const fault = new TypeError('a fault')
    await expect(configuredKeys(runnerOf(fault), keyed(['tenant'], byTenant))).rejects.toBe(fault)
  })
})

@Entity()
class House {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', search: { name: 'both', with: ['door'] } }) street!: string
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['id'] } }) door!: string | null
}

describe('the index over several columns', () => {
  let db: TestDatabase
  let app: TestApplication

  beforeAll(async () => {
    db = await createSqliteDatabase()
    app = await startApplication(db, [House], withIndexKey)
  })
  afterAll(async () => {
    await app.stop()
    await db.drop()
  })
  beforeEach(async () => {
    await db.rawQuery('DELETE FROM house')
    await app.dataSource.getRepository(House).insert([
      { id: 1, street: 'a', door: 'x' },
      { id: 2, street: 'a', door: 'y' },
      { id: 3, street: 'a', door: null },
    ])
  })

  const street = () => encryptedColumn(app.dataSource, House, 'street')
  const indexName = () => street().indexes[0]!.metadata.databaseName
  const indexes = async (): Promise<unknown[]> =>
    (await db.rawQuery(`SELECT "${indexName()}" AS i FROM house ORDER BY id`)).map(({ i }) => i)
  const verify = async () => (await verifyColumns(app.dataSource, House, ['street']))[0]

  it('is compared with the values of its row, opened as those of that row, and filled from them', async () => {
    expect(await verify()).toMatchObject({ rows: 3, failed: 0 })
    const before = await indexes()
    expect(before[2]).toBeNull()
    await db.rawQuery(`UPDATE house SET "${indexName()}" = ? WHERE id = 1`, [before[1]])
    expect(await verify()).toMatchObject({
      failed: 1,
      unreadable: [{ code: 'INDEX_WRONG', primaryKey: { id: '1' } }],
    })
    await db.rawQuery(`UPDATE house SET "${indexName()}" = NULL`)
    expect(await encryptColumns(app.dataSource, House, ['street'])).toMatchObject([{ changed: 2 }])
    expect(await indexes()).toEqual(before)
  })

  it('is not told where another value does not open, and an error where KMS cannot be asked', async () => {
    await db.rawQuery('UPDATE house SET door = (SELECT door FROM house WHERE id = 2) WHERE id = 1')
    await db.rawQuery(`UPDATE house SET "${indexName()}" = x'00' WHERE id = 1`)
    expect(await verify()).toMatchObject({ rows: 3, failed: 0 })
    const { opener } = encryptedColumn(app.dataSource, House, 'door')
    const open = jest.spyOn(opener, 'open').mockRejectedValue(new KmsUnavailableError('gone', {}))
    await expect(verify()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    open.mockRejectedValue(new TypeError('a fault'))
    await expect(verify()).rejects.toThrow('a fault')
    open.mockRestore()
  })

  it('is emptied only where a value names one of the data keys', async () => {
    const [row] = await db.rawQuery('SELECT street FROM house WHERE id = 1')
    const stored = Buffer.from(row?.['street'] as Buffer)
    const named = Buffer.concat([Buffer.from('c10104', 'hex'), Buffer.alloc(16, 7), Buffer.alloc(40)])
    const emptying = new EmptyIndexes(street(), [Buffer.alloc(16, 7), Buffer.alloc(16, 8)])
    for (const value of [stored, Buffer.from('plaintext'), named.fill(9, 3, 19)])
      expect(await emptying.convert(rowOf(1, Buffer.from(value)))).toBeUndefined()
    const value = named.fill(8, 3, 19)
    expect(await emptying.convert(rowOf(1, value))).toEqual({ value, beside: [expect.any(Buffer)] })
  })
})
