import {
  Column,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  type QueryResult,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { verifyColumns, type VerifyResult } from 'typeorm-kms-encrypted/migration'
import { sqlite } from '../../../src/dialects/sqlite'
import { compareMirror, type MirrorComparison } from '../../../src/migration/compare-mirror'
import { type MigrationOptions } from '../../../src/migration/options'
import { encryptedColumn } from '../../../src/migration/target'
import { mirrorOf } from '../../../src/orm/mirror'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { pagesRead } from './support'

@Entity('worker')
class Expanded {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, name: 'name_new', mirrorOf: 'name' }) nameNew?:
    string | null
  @DeleteDateColumn() deleted!: Date | null
}

@Entity('worker')
class Switched {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, name: 'name_new', mirrorTo: 'nameOld' }) name!:
    string | null
  @Column('varchar', { nullable: true, name: 'name' }) nameOld?: string | null
  @DeleteDateColumn() deleted!: Date | null
}

@Entity('pair')
class Pair {
  @PrimaryColumn('int') one!: number
  @PrimaryColumn('int') two!: number
  @Column('simple-json', { nullable: true }) data!: unknown
  @KmsEncrypted({ type: 'json', nullable: true, mirrorOf: 'data' }) secret?: unknown
}

@Entity('employer')
class Employer {
  @PrimaryColumn('int') id!: number
}

@Entity('employee')
class Employee {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'name' }) secret?: string | null
  @ManyToOne(() => Employer, { eager: true, nullable: true }) @JoinColumn() employer!: Employer | null
}

let db: TestDatabase
let app: TestApplication
let switched: TestApplication['dataSource']

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Expanded, Pair, Employer, Employee])
  switched = (await app.restart({}, { entities: [Switched] })).dataSource
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
afterEach(() => {
  jest.restoreAllMocks()
})
beforeEach(async () => {
  await db.rawQuery('DELETE FROM worker')
  await db.rawQuery('DELETE FROM pair')
})

const ROWS = 230
const names = Array.from({ length: ROWS }, (_, at) => ({ id: at + 1, name: `n${at + 1}` }))
const fill = async (): Promise<unknown> => app.dataSource.getRepository(Expanded).insert(names)
const verify = async (options: object = {}): Promise<VerifyResult> => {
  const [result] = await verifyColumns(app.dataSource, Expanded, ['nameNew'], options)
  return result!
}
/** The comparison alone, on a connection of its own. `around`: stands around each of its statements. */
async function compare(
  options: MigrationOptions = {},
  dataSource = app.dataSource,
  [entity, property] = ['Expanded', 'nameNew'],
  around: (sql: string, send: () => Promise<unknown>) => Promise<unknown> = (_, send) => send(),
): Promise<MirrorComparison> {
  const column = encryptedColumn(dataSource, entity, property)
  const runner = dataSource.createQueryRunner()
  const query = runner.query.bind(runner)
  const spy = jest
    .spyOn(runner, 'query')
    .mockImplementation((...sent) => around(sent[0], () => query(...sent)))
  try {
    return await compareMirror(runner, column, mirrorOf(column)!, options)
  } finally {
    spy.mockRestore()
    await runner.release()
  }
}
const isOfValues = (sql: string): boolean => / FROM "worker" .* IN \(/s.test(sql)
const verifyLeader = async (): Promise<VerifyResult> =>
  (await verifyColumns(switched, Switched, ['name']))[0]!

describe('a column that is compared with the one that it mirrors', () => {
  it.each([{}, { batchSize: 1 }, { batchSize: 100 }, { batchSize: 150 }])(
    'agrees in each row, read with %j',
    async (options) => {
      await fill()
      await db.rawQuery('INSERT INTO worker (id) VALUES (999)')
      expect((await verify(options)).mirror).toEqual({
        property: 'name',
        compared: ROWS,
        differing: 0,
        rows: [],
        notFilled: 0,
      })
      expect((await verifyLeader()).mirror).toEqual({
        property: 'nameOld',
        compared: ROWS,
        differing: 0,
        rows: [],
        notFilled: 0,
      })
    },
  )

  it('differs in rows that were changed around the library', async () => {
    await fill()
    await db.rawQuery("UPDATE worker SET name = 'x' WHERE id IN (7, 150)")
    await db.rawQuery('UPDATE worker SET name = NULL WHERE id = 9')
    expect((await verify()).mirror).toMatchObject({
      compared: ROWS,
      differing: 3,
      rows: [{ id: 7 }, { id: 9 }, { id: 150 }],
      notFilled: 0,
    })
    // Seen from the other side, the one that follows has no value.
    expect((await verifyLeader()).mirror).toMatchObject({
      differing: 2,
      rows: [{ id: 7 }, { id: 150 }],
      notFilled: 1,
    })
  })

  it('is told which rows it has no value for', async () => {
    await fill()
    await db.rawQuery('UPDATE worker SET name_new = NULL WHERE id < 4')
    expect((await verify()).mirror).toMatchObject({
      compared: ROWS - 3,
      differing: 0,
      rows: [],
      notFilled: 3,
    })
    expect((await verifyLeader()).mirror).toMatchObject({
      compared: ROWS - 3,
      differing: 3,
      rows: [{ id: 1 }, { id: 2 }, { id: 3 }],
      notFilled: 0,
    })
  })

  it('leaves values that do not open to the verification, and compares all others', async () => {
    await fill()
    const [row] = await db.rawQuery('SELECT name_new FROM worker WHERE id = 50')
    const bytes = Buffer.from(row?.['name_new'] as Buffer)
    bytes[bytes.length - 1] = 255 - (bytes.at(-1) ?? 0)
    await db.rawQuery('UPDATE worker SET name_new = ? WHERE id IN (50, 101)', [bytes])
    await db.rawQuery("UPDATE worker SET name = 'x' WHERE id = 51")
    const result = await verify()
    expect(result).toMatchObject({ failed: 2, rows: ROWS })
    expect(result.unreadable.map(({ primaryKey }) => Number(primaryKey['id']))).toEqual([50, 101])
    expect(result.mirror).toMatchObject({ compared: ROWS - 2, differing: 1, rows: [{ id: 51 }] })
    // Of the one that leads, the application gets an error for the page.
    expect((await verifyLeader()).mirror).toMatchObject({
      compared: ROWS - 2,
      differing: 1,
      rows: [{ id: 51 }],
    })
  })

  it('lists the first 1,000 rows that differ, and counts all', async () => {
    await db.rawQuery(
      "INSERT INTO worker (id, name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) SELECT i, 'x' FROM n",
    )
    const { mirror } = await verifyLeader()
    expect(mirror).toMatchObject({ compared: 0, differing: 1_001, notFilled: 0 })
    expect(mirror?.rows).toHaveLength(1_000)
  })

  it('stops as asked', async () => {
    await fill()
    const stop = new AbortController()
    const onProgress = ({ rows }: { rows: number }): void => {
      if (rows === ROWS) stop.abort()
    }
    const error = await failure(verify({ onProgress, signal: stop.signal }))
    expect(error).toMatchObject({ code: 'INTERRUPTED', entity: 'Expanded', property: 'nameNew' })
    const compared = await failure(compare({ signal: stop.signal }))
    expect(compared).toMatchObject({ code: 'INTERRUPTED', entity: 'Expanded', property: 'nameNew' })
    expect(compared.message).toContain('while it was compared with its mirror')
  })

  it('has rows that the application deleted softly', async () => {
    await fill()
    await db.rawQuery("UPDATE worker SET deleted = '2026-01-02 03:04:05' WHERE id < 9")
    await db.rawQuery('UPDATE worker SET name_new = NULL WHERE id < 3')
    await db.rawQuery("UPDATE worker SET name = 'x' WHERE id = 8")
    expect(await compare()).toMatchObject({ compared: ROWS - 2, rows: [{ id: 8 }], notFilled: 2 })
  })

  it('is compared by several processes, which count each row once between them', async () => {
    await fill()
    await db.rawQuery('UPDATE worker SET name_new = NULL WHERE id < 4')
    const shards = [1, 2, 3].map((index) => ({ index, count: 3 }))
    const all: MirrorComparison[] = []
    for (const shard of shards) all.push(await compare({ shard }))
    const sum = (of: 'compared' | 'notFilled'): number => all.reduce((total, each) => total + each[of], 0)
    expect([sum('compared'), sum('notFilled')]).toEqual([ROWS - 3, 3])
    let differing = 0
    for (const shard of shards)
      differing += (await verifyColumns(switched, Switched, ['name'], { shard }))[0]!.mirror!.differing
    expect(differing).toBe(3)
  })

  it('is not said to agree where KMS could not be asked', async () => {
    await fill()
    const { dataSource } = await app.restart()
    const { dataSource: other } = await app.restart({}, { entities: [Switched] })
    app.kms.misbehave({ outage: true })
    try {
      await expect(compare({}, dataSource)).rejects.toMatchObject({ kind: 'service' })
      await expect(compare({}, other, ['Switched', 'name'])).rejects.toMatchObject({ kind: 'service' })
    } finally {
      app.kms.misbehave({})
    }
  })

  it.each([100, 230, 500])('is read once, %d rows of it at a time', async (batchSize) => {
    await fill()
    const pages = pagesRead(sqlite)
    const values: unknown[] = []
    const around = async (sql: string, send: () => Promise<unknown>): Promise<unknown> => {
      const result = await send()
      if (isOfValues(sql)) values.push((result as QueryResult).records.length)
      return result
    }
    expect(await compare({ batchSize }, undefined, undefined, around)).toMatchObject({ compared: ROWS })
    expect(values).toEqual([100, 100, 30])
    for (const page of pages) expect(page).toMatchObject({ limit: batchSize, keysOnly: true })
  })

  it('agrees where others take both values away meanwhile', async () => {
    await fill()
    const around = async (sql: string, send: () => Promise<unknown>): Promise<unknown> => {
      if (isOfValues(sql)) await db.rawQuery('UPDATE worker SET name = NULL, name_new = NULL WHERE id = 5')
      return send()
    }
    expect(await compare({}, switched, ['Switched', 'name'], around)).toMatchObject({
      compared: ROWS,
      differing: 0,
      notFilled: 0,
    })
  })

  it('is compared without what else belongs to its entity', async () => {
    await app.dataSource.getRepository(Employee).insert({ id: 1, name: 'a' })
    await db.rawQuery("INSERT INTO employee (id, name) VALUES (2, 'b')")
    const tables: string[] = []
    const around = (sql: string, send: () => Promise<unknown>): Promise<unknown> => {
      tables.push(...(sql.match(/"employe[er]"/g) ?? []))
      return send()
    }
    expect(await compare({}, undefined, ['Employee', 'secret'], around)).toMatchObject({
      compared: 1,
      notFilled: 1,
    })
    expect(new Set(tables)).toEqual(new Set(['"employee"']))
  })

  it.each([false, true])(
    'is read on a connection that is put back as it was (stopped: %p)',
    async (stopped) => {
      await fill()
      const restore = jest.fn(() => Promise.resolve())
      const fix = jest.spyOn(sqlite, 'fixFormats').mockResolvedValue(restore)
      const compared = compare(stopped ? { signal: AbortSignal.abort() } : {})
      await (stopped ? failure(compared) : compared)
      fix.mockRestore()
      expect(restore).toHaveBeenCalledTimes(1)
    },
  )

  it('may have a key of several columns, and values of members in another order', async () => {
    const pairs = app.dataSource.getRepository(Pair)
    for (const one of [1, 2])
      for (const two of [1, 2]) await pairs.insert({ one, two, data: { a: 1, b: [one, two] } })
    await db.rawQuery(`UPDATE pair SET data = '{"b":[1,2],"a":1}' WHERE one = 1 AND two = 2`)
    await db.rawQuery(`UPDATE pair SET data = '{"a":1,"b":[2,9]}' WHERE one = 2 AND two = 2`)
    for (const batchSize of [1, 100]) {
      const [result] = await verifyColumns(app.dataSource, Pair, ['secret'], { batchSize })
      expect(result?.mirror).toMatchObject({ compared: 4, differing: 1, rows: [{ one: 2, two: 2 }] })
    }
  })
})
