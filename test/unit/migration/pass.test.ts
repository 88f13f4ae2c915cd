import { Column, Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { dialectOf } from '../../../src/dialects'
import { type ColumnRow, type Converted, rowId } from '../../../src/dialects/rows/column-rows'
import { InvalidValueError, KmsUnavailableError } from '../../../src/errors'
import { type Conversion, type RowsLeft } from '../../../src/migration/conversion'
import { type MigrationOptions, type MigrationProgress } from '../../../src/migration/options'
import { Pass } from '../../../src/migration/pass'
import { encryptedColumn } from '../../../src/migration/target'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { pagesRead } from './support'

@Entity()
class Letter {
  @PrimaryColumn('int') id!: number
  @Column('int', { default: 0 }) size!: number
  @KmsEncrypted({ type: 'string', nullable: true }) text!: string | null
}

const ROWS = 10

let db: TestDatabase
let app: TestApplication

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Letter])
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
beforeEach(async () => {
  await db.rawQuery('DELETE FROM letter')
  for (let id = 1; id <= ROWS; id++) await add(id)
  await db.rawQuery('INSERT INTO letter (id, text) VALUES (99, NULL)')
})
afterEach(() => {
  jest.restoreAllMocks()
})

const add = (id: number): Promise<unknown> =>
  db.rawQuery('INSERT INTO letter (id, text) VALUES (?, ?)', [id, Buffer.from(`old ${id}`)])
const stored = async (): Promise<string[]> =>
  (await db.rawQuery('SELECT text FROM letter WHERE text IS NOT NULL ORDER BY id')).map(({ text }) =>
    String(text),
  )
const idOf = (id: number): string => rowId([String(id)])
const dialect = () => dialectOf(app.dataSource.options)

const anew = ({ stored }: ColumnRow): Promise<Converted | undefined> => {
  const text = String(stored)
  return Promise.resolve(
    text.startsWith('old') ? { value: Buffer.from(text.replace('old', 'new')) } : undefined,
  )
}

/** What a pass asks of its conversion, in order. */
function conversionOf(more: Partial<Conversion> = {}): { conversion: Conversion; asked: string[] } {
  const asked: string[] = []
  const told = (what: string) => asked.push(what)
  const conversion: Conversion = {
    done: 'written anew',
    convert: anew,
    again: () => void told('again'),
    ...more,
    begin: async (layout, rows) => {
      told('begin')
      await more.begin?.(layout, rows)
    },
    end: (_, shard) => {
      told(`end ${shard ? `${shard.index}/${shard.count}` : ''}`.trim())
      return Promise.resolve()
    },
  }
  return { conversion, asked }
}

async function run(more: Partial<Conversion> = {}, options: MigrationOptions = {}, executor?: QueryRunner) {
  const { conversion, asked } = conversionOf(more)
  const column = encryptedColumn(app.dataSource, Letter, 'text')
  const result = await new Pass(column, conversion, options).run(executor ?? app.dataSource)
  return { ...result, asked }
}

describe('a pass', () => {
  it('takes all rows with a value through its conversion, and counts them', async () => {
    expect(await run()).toEqual({
      entity: 'Letter',
      property: 'text',
      total: ROWS,
      rows: ROWS,
      changed: ROWS,
      contended: 0,
      forgotten: 0,
      dataKeys: 0,
      skipped: 0,
      failures: [],
      notes: [],
      elapsed: expect.any(Number) as unknown,
      asked: ['begin', 'end'],
    })
    expect(await stored()).toEqual(Array.from({ length: ROWS }, (_, at) => `new ${at + 1}`))
    expect(await run()).toMatchObject({ rows: ROWS, changed: 0 })
  })

  it.each<[MigrationOptions, number[]]>([
    [{ batchSize: 4 }, [4, 8, 10]],
    [{ batchSize: 4, maxRate: 1_000 }, [4, 8, 10]],
    [{ batchSize: 1_000, maxRate: 500 }, [10]],
    [{ batchSize: 10 }, [10]],
    [{ batchSize: 3, concurrency: 1 }, [3, 6, 9, 10]],
  ])('says how far it is after each batch: %j', async (options, expected) => {
    const progress: MigrationProgress[] = []
    await run({}, { ...options, onProgress: (each) => progress.push({ ...each }) })
    expect(progress.map(({ rows }) => rows)).toEqual(expected)
    expect(progress.map(({ changed }) => changed)).toEqual(expected)
    expect(progress.at(-1)).toMatchObject({ entity: 'Letter', property: 'text', total: ROWS })
    const elapsed = progress.map((each) => each.elapsed)
    expect(elapsed).toEqual([...elapsed].sort((a, b) => a - b))
    expect(elapsed[0]).toBeGreaterThan(0)
    expect(elapsed[0]).toBeLessThan(performance.now())
  })

  it('takes no more rows at once than the rate is', async () => {
    const rows: number[] = []
    await run({}, { maxRate: 200, batchSize: 500, onProgress: (each) => rows.push(each.rows) })
    await run({}, { maxRate: 4_000, batchSize: 4, onProgress: (each) => rows.push(each.rows) })
    expect(rows).toEqual([10, 4, 8, 10])
  })

  it('writes nothing on a dry run, and asks for nothing that is left', async () => {
    const left = jest.fn(() => Promise.resolve({ counted: 5, met: 0 }))
    const samples = jest.fn(() => Promise.resolve([]))
    expect(await run({ left, samples }, { dryRun: true })).toMatchObject({
      changed: ROWS,
      rows: ROWS,
      asked: ['begin', 'end'],
    })
    expect((await stored())[0]).toBe('old 1')
    expect([left.mock.calls, samples.mock.calls]).toEqual([[], []])
  })

  it('goes through its part of the table only', async () => {
    const parts = []
    for (const index of [1, 2]) parts.push(await run({}, { shard: { index, count: 2 } }))
    expect(parts.map(({ asked }) => asked)).toEqual([
      ['begin', 'end 1/2'],
      ['begin', 'end 2/2'],
    ])
    const totals = parts.map(({ total, rows, changed }) => [total, rows, changed])
    for (const [total, rows, changed] of totals) expect([rows, changed]).toEqual([total, total])
    expect(totals.reduce((sum, [total = 0]) => sum + total, 0)).toBe(ROWS)
    expect((await stored()).every((text) => text.startsWith('new'))).toBe(true)
  })

  it('tries out the samples on a row, and takes them back, before it writes', async () => {
    const seen: string[][] = []
    const sample = Buffer.from('a sample')
    const convert = async (row: ColumnRow) => {
      seen.push(await stored())
      return anew(row)
    }
    const samples = () => Promise.resolve([sample])
    expect(await run({ samples, convert })).toMatchObject({ changed: ROWS })
    expect(seen[0]?.[0]).toBe('old 1')
    await db.rawQuery(
      "CREATE TRIGGER short BEFORE UPDATE ON letter WHEN LENGTH(NEW.text) > 7 BEGIN SELECT RAISE(ABORT, 'too long'); END",
    )
    seen.length = 0
    await expect(run({ samples, convert })).rejects.toMatchObject({ entity: 'Letter' })
    expect(seen).toEqual([])
    await db.rawQuery('DELETE FROM letter')
    expect(await run({ samples })).toMatchObject({ total: 0, rows: 0 })
    await db.rawQuery('DROP TRIGGER short')
  })

  it('waits for a lock as long as it is told to, and leaves the connection as it was', async () => {
    const before = await app.dataSource.query('PRAGMA busy_timeout')
    const during: unknown[] = []
    const begin = async (): Promise<void> => {
      during.push(await app.dataSource.query('PRAGMA busy_timeout'))
    }
    await run({ begin }, { lockTimeout: 1_234 })
    await failure(
      run({ begin, convert: () => Promise.reject(new InvalidValueError('none')) }, { lockTimeout: 99 }),
    )
    expect(during).toEqual([[{ timeout: 1_234 }], [{ timeout: 99 }]])
    expect(await app.dataSource.query('PRAGMA busy_timeout')).toEqual(before)
  })

  it.each<[concurrency: number, hasOne: boolean, connections: number]>([
    [1, false, 2],
    [3, false, 4],
    [3, true, 1],
  ])(
    'reads on one connection and writes on %d others, unless there is only one (%p)',
    async (concurrency, hasOne, connections) => {
      const only = dialect().onlyConnection
      Object.assign(dialect(), { onlyConnection: hasOne ? only : undefined })
      const released: QueryRunner[] = []
      const opened = jest.spyOn(dialect(), 'openRows')
      const createQueryRunner = app.dataSource.createQueryRunner.bind(app.dataSource)
      const create = jest.spyOn(app.dataSource, 'createQueryRunner').mockImplementation((mode) => {
        // The driver of SQLite has one for all.
        const runner = Object.create(createQueryRunner(mode)) as QueryRunner
        runner.release = () => {
          released.push(runner)
          return Promise.resolve()
        }
        return runner
      })
      try {
        expect(await run({}, { concurrency, batchSize: 2 })).toMatchObject({ rows: ROWS, changed: ROWS })
      } finally {
        Object.assign(dialect(), { onlyConnection: only })
      }
      expect(create.mock.calls).toEqual(Array.from({ length: connections }, () => ['master']))
      expect(new Set(released).size).toBe(connections)
      expect(new Set(opened.mock.calls.map(([runner]) => runner)).size).toBe(connections)
    },
  )

  it('reads no page while a batch is under way, where there is one connection', async () => {
    const pages = pagesRead(dialect())
    const read: number[] = []
    const convert = async (row: ColumnRow) => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      read.push(pages.length)
      return anew(row)
    }
    await run({ convert }, { batchSize: 4 })
    expect(read).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3])
  })

  it('does not release a connection that it was given', async () => {
    const runner = app.dataSource.createQueryRunner()
    const release = jest.spyOn(runner, 'release')
    const create = jest.spyOn(app.dataSource, 'createQueryRunner')
    expect(await run({}, { concurrency: 3 }, runner)).toMatchObject({ changed: ROWS })
    expect([release.mock.calls, create.mock.calls]).toEqual([[], []])
  })
})

describe('a pass that leaves rows', () => {
  const leaving = (...counts: RowsLeft[]) => {
    const all = [...counts]
    return () => Promise.resolve(all.shift() ?? { counted: 0, met: 0 })
  }

  it('goes through them once more where the database counts more than were met', async () => {
    const result = await run({ left: leaving({ counted: 1, met: 0 }), again: undefined })
    expect(result).toMatchObject({ total: ROWS, rows: ROWS, changed: ROWS })
    const twice = await run({
      left: leaving({ counted: 2, met: 1 }, { counted: 2, met: 1 }, { counted: 2, met: 2 }),
    })
    expect(twice).toMatchObject({ rows: ROWS, asked: ['begin', 'again', 'again', 'end'] })
  })

  it('ends after one time where all that are left were met', async () => {
    expect((await run({ left: leaving({ counted: 3, met: 3 }) })).asked).toEqual(['begin', 'end'])
    expect((await run({ left: leaving({ counted: 3, met: 4 }) })).asked).toEqual(['begin', 'end'])
  })

  it.each<[string, RowsLeft, RegExp]>([
    [
      'none was met',
      { counted: 4, met: 0 },
      /the database counts 4 rows that are not written anew: others wrote them/,
    ],
    [
      'some were met',
      { counted: 4, met: 3 },
      /not written anew\. 3 of them were met; as to the rest, others wrote them/,
    ],
  ])('ends with an error after three times, where %s', async (_, left, message) => {
    let begun = 0
    const error = await failure(run({ left: () => Promise.resolve(left), again: () => begun++ }))
    expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'Letter', property: 'text' })
    expect(error.message).toMatch(message)
    expect(begun).toBe(2)
  })

  it('says how many failed', async () => {
    const convert = (row: ColumnRow) =>
      row.id === idOf(2) ? Promise.reject(new InvalidValueError('none')) : anew(row)
    const left = () => Promise.resolve({ counted: 4, met: 3 })
    const error = await failure(run({ left, convert }, { skipFailed: true }))
    expect(error.message).toContain('3 of them were met, and 1 rows failed; as to the rest')
  })

  it('does not begin again where it would begin anew', async () => {
    const left = jest.fn(() => Promise.resolve({ counted: 1, met: 0 }))
    const again = jest.fn()
    await expect(run({ left, again, startsOver: 'because' })).rejects.toMatchObject({ code: 'ROWS_LEFT_OUT' })
    expect([left.mock.calls.length, again.mock.calls.length]).toEqual([1, 0])
  })

  it('is believed inside of a transaction, which may see an earlier state', async () => {
    const runner = app.dataSource.createQueryRunner()
    await runner.startTransaction()
    const left = () => Promise.resolve({ counted: 1, met: 0 })
    expect(await run({ left }, {}, runner)).toMatchObject({
      rows: ROWS,
      asked: ['begin', 'again', 'again', 'end'],
    })
    await runner.rollbackTransaction()
    await runner.release()
    expect((await stored())[0]).toBe('old 1')
  })

  it('counts failures, forgotten and seen rows of the last time only, and what was changed of all', async () => {
    const convert = (row: ColumnRow) =>
      row.id === idOf(2) ? Promise.reject(new InvalidValueError('none')) : anew(row)
    const left = leaving({ counted: 1, met: 0 })
    expect(await run({ convert, left }, { skipFailed: true })).toMatchObject({
      rows: ROWS,
      total: ROWS,
      changed: ROWS - 1,
      skipped: 1,
      failures: [{ primaryKey: { id: '2' } }],
      asked: ['begin', 'again', 'end'],
    })
  })

  it('ends after three times where others move rows until then, and none is left', async () => {
    let last = ROWS
    const onProgress = ({ rows }: MigrationProgress): void => {
      if (rows === 3) void db.rawQuery('UPDATE letter SET id = ? WHERE id = ?', [last - 100, last--])
    }
    const result = await run(
      { left: () => Promise.resolve({ counted: 2, met: 2 }) },
      { batchSize: 3, concurrency: 1, onProgress },
    )
    expect(result.asked).toEqual(['begin', 'again', 'again', 'end'])
  })

  it('meets a row that others move behind the page that is read', async () => {
    const onProgress = ({ rows }: MigrationProgress): void => {
      if (rows === 3) void db.rawQuery('UPDATE letter SET id = 0 WHERE id = 10')
    }
    const result = await run({}, { batchSize: 3, concurrency: 1, onProgress })
    expect(result.asked).toEqual(['begin', 'again', 'end'])
    expect(result).toMatchObject({ rows: ROWS, changed: ROWS })
    expect((await stored()).every((text) => text.startsWith('new'))).toBe(true)
  })
})

describe('a pass that is ended', () => {
  it('stops where it is asked to, and says what stays', async () => {
    const stop = new AbortController()
    const options = {
      batchSize: 3,
      concurrency: 1,
      signal: stop.signal,
      onProgress: () => {
        stop.abort()
      },
    }
    const error = await failure(run({}, options))
    expect(error).toMatchObject({ code: 'INTERRUPTED', entity: 'Letter', property: 'text' })
    const done = (await stored()).filter((text) => text.startsWith('new')).length
    expect(done).toBeLessThan(ROWS)
    expect(done).toBeGreaterThan(0)
    expect(error.message).toContain(
      `stopped as asked. ${done} of ${ROWS} rows were written anew and stay so;`,
    )
  })

  it('says what failed, where, and what stays', async () => {
    const convert = (row: ColumnRow) =>
      row.id === idOf(6) ? Promise.reject(new KmsUnavailableError('no answer')) : anew(row)
    const error = await failure(run({ convert }, { batchSize: 5, concurrency: 1, skipFailed: true }))
    expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE', entity: 'Letter', primaryKey: { id: '6' } })
    expect(error.message).toContain('5 of 10 rows were written anew and stay so')
    const dry = await failure(
      run({ convert: () => Promise.reject(new KmsUnavailableError('no answer')) }, { dryRun: true }),
    )
    expect(dry.message).toContain('Nothing was changed')
  })

  it('leaves to the transaction around it what stays', async () => {
    const runner = app.dataSource.createQueryRunner()
    await runner.startTransaction()
    const convert = () => Promise.reject(new KmsUnavailableError('no answer'))
    const error = await failure(run({ convert }, {}, runner))
    expect(error.message).toContain('The transaction around it decides what stays')
    await runner.rollbackTransaction()
    const outside = await failure(run({ convert }, {}, runner))
    expect(outside.message).toContain('0 of 10 rows were written anew')
    await runner.release()
  })
})

describe('what a pass says of the table', () => {
  const withTrigger = async <T>(work: () => Promise<T>): Promise<T> => {
    await db.rawQuery(
      'CREATE TRIGGER resize AFTER UPDATE ON letter BEGIN UPDATE letter SET size = 1 WHERE id = NEW.id; END',
    )
    try {
      return await work()
    } finally {
      await db.rawQuery('DROP TRIGGER resize')
    }
  }

  it('is what an UPDATE fires, unless it writes nothing', async () => {
    const notes: string[] = []
    const onNote = (note: string): unknown => notes.push(note)
    const note = expect.stringMatching(/^an UPDATE of the table "letter" fires resize\./) as unknown
    await withTrigger(async () => {
      expect(await run({}, { onNote })).toMatchObject({ notes: [note] })
      expect(notes).toEqual([expect.stringMatching(/^Letter\.text: an UPDATE of the table/)])
      expect(await run({ certifies: true }, { onNote })).toMatchObject({ notes: [] })
    })
    expect(notes).toHaveLength(1)
  })

  it('is what hides rows, and an error where the result is about all rows', async () => {
    jest.spyOn(dialect(), 'hiddenBy').mockResolvedValue('policy')
    expect(await run()).toMatchObject({
      changed: ROWS,
      notes: [expect.stringContaining('row level security') as unknown],
    })
    await expect(run({ certifies: true })).rejects.toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Letter' })
    jest.spyOn(dialect(), 'hiddenBy').mockResolvedValue('view')
    await expect(run()).rejects.toMatchObject({ code: 'ROWS_HIDDEN' })
  })

  it('is refused where an UPDATE would do something else, unless it writes nothing', async () => {
    jest.spyOn(dialect(), 'replacedUpdates').mockResolvedValue(['keep'])
    await expect(run()).rejects.toMatchObject({ code: 'COLUMN_TYPE' })
    expect(await run({ certifies: true, convert: () => Promise.resolve(undefined) })).toMatchObject({
      rows: ROWS,
    })
    jest.restoreAllMocks()
    jest.spyOn(dialect(), 'foreignKeys').mockResolvedValue(['FK_1'])
    await expect(run()).rejects.toMatchObject({
      code: 'COLUMN_TYPE',
      message: expect.stringContaining('FK_1') as unknown,
    })
    expect(await run({ certifies: true, convert: () => Promise.resolve(undefined) })).toMatchObject({
      rows: ROWS,
    })
  })
})
