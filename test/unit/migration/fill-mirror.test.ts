import {
  Column,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  UpdateDateColumn,
} from 'typeorm'
import { Indexed, KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { sqlite } from '../../../src/dialects/sqlite'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Team {
  @PrimaryColumn('int') id!: number
}

@Entity()
class Person {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'name', maxLength: 5 }) secret?: string | null
  @UpdateDateColumn() changed!: Date
  @Column('varchar', { nullable: true, onUpdate: 'CURRENT_TIMESTAMP' }) touched!: string | null
  @DeleteDateColumn() deleted!: Date | null
  @ManyToOne(() => Team, { eager: true, nullable: true }) @JoinColumn() team!: Team | null
}

@Entity()
class Guest {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @Column('varchar', { nullable: true }) last!: string | null
  @Column('varchar', { nullable: true }) first!: string | null
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    mirrorOf: 'last',
    search: [true, { name: 'both', with: ['firstNew'] }],
  })
  lastNew?: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'first', search: { unique: true } })
  firstNew?: string | null
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    mirrorOf: 'first',
    keyPer: ['tenant'],
    boundTo: { row: ['id'] },
  })
  keyed?: string | null
}

let db: TestDatabase
let app: TestApplication

beforeEach(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Person, Team, Guest], withIndexKey)
})
afterEach(async () => {
  await app.stop()
  await db.drop()
})

const TOO_LONG = 'too long'
const add = (id: number, name: string | null): Promise<unknown> =>
  db.rawQuery('INSERT INTO person (id, name, changed) VALUES (?, ?, ?)', [id, name, '2020-01-01 00:00:00'])
const fill = async (options: Parameters<typeof encryptColumns>[3] = {}) =>
  (await encryptColumns(app.dataSource, Person, ['secret'], options))[0]
const unfilled = async (): Promise<unknown[]> =>
  (await db.rawQuery('SELECT id FROM person WHERE name IS NOT NULL AND secret IS NULL ORDER BY id')).map(
    ({ id }) => id,
  )

describe('a column that is filled from the one that it mirrors', () => {
  it('gets all values, and no other column is changed', async () => {
    for (const id of [1, 2, 3, 4]) await add(id, `n${id}`)
    await add(5, null)
    const progress: number[][] = []
    const onProgress = ({ rows, changed, total }: Record<'rows' | 'changed' | 'total', number>): unknown =>
      progress.push([rows, changed, total])
    const result = await fill({ batchSize: 3, onProgress })
    expect(result).toEqual({
      entity: 'Person',
      property: 'secret',
      total: 4,
      rows: 4,
      changed: 4,
      elapsed: expect.any(Number) as unknown,
      contended: 0,
      skipped: 0,
      forgotten: 0,
      dataKeys: 0,
      failures: [],
      notes: [],
    })
    expect(progress).toEqual([
      [3, 3, 4],
      [4, 4, 4],
    ])
    expect(await unfilled()).toEqual([])
    expect(await db.rawQuery('SELECT DISTINCT changed FROM person')).toEqual([
      { changed: '2020-01-01 00:00:00' },
    ])
    expect(await verifyColumns(app.dataSource, Person, ['secret'])).toMatchObject([
      { failed: 0, mirror: { property: 'name', compared: 4, differing: 0, notFilled: 0 } },
    ])
    expect(await fill()).toMatchObject({ total: 0, rows: 0, changed: 0 })
  })

  it('gets its blind indexes with the values', async () => {
    await db.rawQuery("INSERT INTO guest (id, tenant, last, first) VALUES (1, 1, 'L', 'F'), (2, 2, 'L', 'G')")
    const filled = await encryptColumns(app.dataSource, Guest, ['lastNew', 'firstNew'])
    expect(filled).toMatchObject([{ changed: 2 }, { changed: 2 }])
    const guests = app.dataSource.getRepository(Guest)
    const ids = async (where: object): Promise<number[]> =>
      (await guests.findBy(where)).map(({ id }) => id).sort()
    expect(await ids({ lastNew: 'L' })).toEqual([1, 2])
    expect(await ids({ firstNew: 'F' })).toEqual([1])
    expect(await ids({ lastNew: Indexed('both', { lastNew: 'L', firstNew: 'G' }) })).toEqual([2])
    expect(await verifyColumns(app.dataSource, Guest, ['lastNew', 'firstNew'])).toMatchObject([
      { failed: 0 },
      { failed: 0 },
    ])
  })

  it('gets values that are bound to their row, each under the data key of its tenant', async () => {
    await db.rawQuery("INSERT INTO guest (id, tenant, first) VALUES (1, 1, 'F'), (2, 2, 'G'), (3, 2, NULL)")
    const fillKeyed = async (options: object): Promise<unknown> =>
      (await encryptColumns(app.dataSource, Guest, ['keyed'], options))[0]
    expect(await fillKeyed({ dryRun: true })).toMatchObject({ total: 2, changed: 2 })
    app.kms.calls.reset()
    expect(await fillKeyed({ batchSize: 1 })).toMatchObject({ total: 2, changed: 2 })
    expect(app.kms.calls.map(({ operation }) => operation)).toEqual(['GenerateDataKey', 'GenerateDataKey'])
    expect(await verifyColumns(app.dataSource, Guest, ['keyed'])).toMatchObject([
      { rows: 2, failed: 0, mirror: { compared: 2, differing: 0, notFilled: 0 } },
    ])
    const guests = app.dataSource.getRepository(Guest)
    expect(await failure(guests.update({ id: 2 }, { tenant: 1 }))).toMatchObject({ code: 'ROW_UNKNOWN' })
    await guests.update({ id: 2 }, { tenant: 3, first: 'H' })
    expect(await verifyColumns(app.dataSource, Guest, ['keyed'])).toMatchObject([{ rows: 2, failed: 0 }])
    await db.rawQuery('UPDATE guest SET tenant = 1 WHERE id = 2')
    expect(await verifyColumns(app.dataSource, Guest, ['keyed'])).toMatchObject([{ failed: 1 }])
  })

  it('gets those of rows that the application deleted softly', async () => {
    for (const id of [1, 2]) await add(id, `n${id}`)
    await db.rawQuery("UPDATE person SET deleted = '2026-01-02 03:04:05'")
    expect(await fill()).toMatchObject({ total: 2, rows: 2, changed: 2 })
    await add(3, 'n3')
    await db.rawQuery("UPDATE person SET deleted = '2026-01-02 03:04:05'")
    await db.rawQuery(
      'CREATE TRIGGER kept BEFORE UPDATE ON person WHEN OLD.id = 3 BEGIN SELECT RAISE(IGNORE); END',
    )
    expect(await failure(fill())).toMatchObject({ code: 'ROWS_LEFT_OUT' })
  })

  it('gets them one after the other for as long as rows are written', async () => {
    const ids = Array.from({ length: 20 }, (_, at) => at + 1)
    for (const id of ids) await add(id, `n${id}`)
    expect(await fill({ batchSize: 1 })).toMatchObject({ rows: 20, changed: 20 })
    expect(await unfilled()).toEqual([])
  })

  it('gets them by a statement that keeps what the database would set to its time', async () => {
    await add(1, 'n1')
    const runner = app.dataSource.createQueryRunner()
    const query = jest.spyOn(runner, 'query')
    await encryptColumns(runner, Person, ['secret'])
    const sent = query.mock.calls.map(([sql]) => sql)
    query.mockRestore()
    expect(sent.filter((sql) => sql.startsWith('UPDATE'))).toEqual([
      'UPDATE "person" SET "secret" = ?, "changed" = "changed", "touched" = "touched" WHERE "id" = ? AND "secret" IS NULL AND "name" IS NOT NULL',
    ])
    // Nothing else of the entity is looked at.
    expect(sent.filter((sql) => sql.includes('"team"'))).toEqual([])
  })

  it('says how long it takes', async () => {
    for (const id of [1, 2]) await add(id, `n${id}`)
    const start = performance.now()
    const elapsed: number[] = []
    const result = await fill({ batchSize: 1, onProgress: (progress) => elapsed.push(progress.elapsed) })
    elapsed.push(result!.elapsed)
    expect(elapsed).toEqual([...elapsed].sort((a, b) => a - b))
    expect(elapsed[0]).toBeGreaterThan(0)
    expect(elapsed.at(-1)).toBeLessThanOrEqual(performance.now() - start)
  })

  it('is not left out where KMS cannot be asked', async () => {
    await add(1, 'n1')
    app.kms.misbehave({ outage: true })
    expect(await failure(fill({ skipFailed: true }))).toMatchObject({
      kind: 'service',
      entity: 'Person',
      primaryKey: { id: 1 },
    })
    app.kms.misbehave({})
    expect(await unfilled()).toEqual([1])
  })

  it('leaves to a transaction around it what stays', async () => {
    for (const id of [1, 2]) await add(id, id === 1 ? 'n1' : TOO_LONG)
    const runner = app.dataSource.createQueryRunner()
    const fillOn = (): Promise<Error> => failure(encryptColumns(runner, Person, ['secret'], { batchSize: 1 }))
    await runner.startTransaction()
    expect((await fillOn()).message).toContain('The transaction around it decides what stays')
    await runner.rollbackTransaction()
    expect((await fillOn()).message).toContain('1 of 2 rows were filled and stay so')
    await runner.startTransaction()
    // That of another connection has nothing to do with it.
    expect((await failure(fill())).message).toContain('were filled and stay so')
    await runner.rollbackTransaction()
  })

  it('ends with the first value that cannot be stored, and what was filled before stays', async () => {
    for (const id of [1, 2]) await add(id, `n${id}`)
    await add(3, TOO_LONG)
    const error = await failure(fill({ batchSize: 1 }))
    expect(error).toMatchObject({ code: 'VALUE_TOO_LARGE', entity: 'Person', primaryKey: { id: 3 } })
    expect(error.message).toContain('2 of 3 rows were filled and stay so; run the same again to go on.')
    expect(await unfilled()).toEqual([3])
  })

  it.each([1, 2, 100])(
    'leaves those out that cannot be stored, and lists each once: %d at a time',
    async (batchSize) => {
      for (const id of [1, 3, 4, 6]) await add(id, TOO_LONG)
      for (const id of [2, 5, 7]) await add(id, `n${id}`)
      const result = await fill({ skipFailed: true, batchSize })
      expect(result).toMatchObject({ total: 7, rows: 7, changed: 3, skipped: 4 })
      expect(result?.failures.map(({ primaryKey, code }) => [primaryKey['id'], code])).toEqual(
        [1, 3, 4, 6].map((id) => [id, 'VALUE_TOO_LARGE']),
      )
      expect(await unfilled()).toEqual([1, 3, 4, 6])
    },
  )

  it.each([1, 100])(
    'leaves none out that others write before those that failed: %d at a time',
    async (batchSize) => {
      await add(5, TOO_LONG)
      await add(6, 'n6')
      let isAdded = false
      const onProgress = (): void => {
        if (!isAdded) void add(1, 'n1')
        isAdded = true
      }
      const result = await fill({ skipFailed: true, batchSize, onProgress })
      expect(await unfilled()).toEqual([5])
      expect(result).toMatchObject({ rows: 3, changed: 2, skipped: 1, failures: [{ primaryKey: { id: 5 } }] })
    },
  )

  it('lists a row that failed once, where others write before it until the end', async () => {
    await add(5, TOO_LONG)
    let id = 5
    const onProgress = (): void => {
      if (id > 1) void add(--id, `n${id}`)
    }
    const result = await fill({ skipFailed: true, batchSize: 1, onProgress })
    expect(await unfilled()).toEqual([5])
    expect(result).toMatchObject({ rows: 5, changed: 4, skipped: 1, failures: [{ primaryKey: { id: 5 } }] })
  })

  it('leaves none out where another that failed is gone meanwhile', async () => {
    await add(5, TOO_LONG)
    await add(6, 'n6')
    let isDone = false
    const onProgress = (): void => {
      if (isDone) return
      isDone = true
      void db.rawQuery('DELETE FROM person WHERE id = 5')
      void add(1, 'n1')
    }
    await fill({ skipFailed: true, batchSize: 1, onProgress })
    expect(await unfilled()).toEqual([])
  })

  it.each([false, true])(
    'is an error where an UPDATE changes nothing (skipFailed: %p)',
    async (skipFailed) => {
      await add(1, 'n1')
      await add(2, skipFailed ? TOO_LONG : 'n2')
      await add(3, 'n3')
      await db.rawQuery(
        'CREATE TRIGGER kept BEFORE UPDATE ON person WHEN OLD.id = 1 BEGIN SELECT RAISE(IGNORE); END',
      )
      const error = await failure(fill({ skipFailed, batchSize: 2 }))
      expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'Person', property: 'secret' })
      expect(error.message).toContain('rows stay without the value of name')
      expect(await unfilled()).toEqual(skipFailed ? [1, 2] : [1])
    },
  )

  it('counts what it would fill on a dry run, and writes nothing', async () => {
    for (const id of [1, 2, 3]) await add(id, `n${id}`)
    await add(4, TOO_LONG)
    expect(await fill({ dryRun: true, skipFailed: true, batchSize: 2 })).toMatchObject({
      total: 4,
      rows: 4,
      changed: 3,
      skipped: 1,
    })
    expect(await failure(fill({ dryRun: true }))).toMatchObject({
      code: 'VALUE_TOO_LARGE',
      message: expect.stringContaining('Nothing was changed') as unknown,
    })
    expect(await unfilled()).toEqual([1, 2, 3, 4])
  })

  it('stops as asked, and goes on', async () => {
    for (const id of [1, 2, 3]) await add(id, `n${id}`)
    const stop = new AbortController()
    const error = await failure(
      fill({
        batchSize: 1,
        signal: stop.signal,
        onProgress: () => {
          stop.abort()
        },
      }),
    )
    expect(error).toMatchObject({ code: 'INTERRUPTED', entity: 'Person', property: 'secret' })
    expect(error.message).toContain('1 of 3 rows were filled')
    expect(await unfilled()).toHaveLength(2)
    expect(await fill()).toMatchObject({ total: 2, changed: 2 })
  })

  it('is filled by one process, in batches of at most the rate', async () => {
    for (const id of [1, 2, 3]) await add(id, `n${id}`)
    expect(await failure(fill({ shard: { index: 1, count: 2 } }))).toMatchObject({ code: 'INVALID_OPTION' })
    expect(await failure(fill({ batchSize: 0 }))).toMatchObject({ code: 'INVALID_OPTION' })
    const rows: number[] = []
    await fill({ maxRate: 200, batchSize: 2, onProgress: (progress) => rows.push(progress.rows) })
    expect(rows).toEqual([2, 3])
  })
  it('leaves a row whose text was not read whole, and says which', async () => {
    for (const id of [1, 2, 3]) await add(id, `n${id}`)
    const isWhole = jest.spyOn(sqlite, 'isWholeSql').mockReturnValue(`"name" <> 'n2'`)
    try {
      expect(await failure(fill())).toMatchObject({ code: 'INVALID_VALUE', primaryKey: { id: 2 } })
      expect(isWhole).toHaveBeenCalledWith({ kind: 'text', name: '"name"' })
      expect(await fill({ skipFailed: true })).toMatchObject({
        changed: 1,
        failures: [{ primaryKey: { id: 2 }, code: 'INVALID_VALUE' }],
      })
      expect(await unfilled()).toEqual([2])
      isWhole.mockReturnValue('1 = 1')
      expect(await fill()).toMatchObject({ changed: 1 })
    } finally {
      isWhole.mockRestore()
    }
  })

  it('gives back the connection that it took, and no other', async () => {
    await add(1, 'n1')
    const runner = app.dataSource.createQueryRunner()
    const take = jest.spyOn(app.dataSource, 'createQueryRunner')
    const giveBack = jest.spyOn(runner, 'release')
    await encryptColumns(runner, Person, ['secret'])
    expect([take.mock.calls.length, giveBack.mock.calls.length]).toEqual([0, 0])
    await add(2, TOO_LONG)
    await failure(fill())
    expect(giveBack.mock.calls.length).toBe(take.mock.calls.length)
    expect(take).toHaveBeenCalled()
  })
})
