import {
  type Change,
  type ColumnRow,
  type ColumnRows,
  type Converted,
} from '../../../src/dialects/rows/column-rows'
import {
  ForgottenError,
  InvalidValueError,
  KmsUnavailableError,
  TamperedCiphertextError,
} from '../../../src/errors'
import { type BatchOptions, BatchWorker } from '../../../src/migration/batch'
import { type Conversion } from '../../../src/migration/conversion'
import { Failures } from '../../../src/migration/failures'
import { columnWith, dialectWith, Failed, rowOf } from './support'

/** Rows of a table, and what others do to them before each write. */
class Lane {
  readonly layout = {
    path: 'user',
    name: '"secret"',
    type: 'blob',
    place: { entity: 'User', property: 'secret' },
  }
  readonly rows = new Map<string, ColumnRow>()
  readonly sent: string[][] = []
  looks = 0
  meanwhile: (lane: Lane) => void = () => undefined
  refuse: (changes: readonly Change[]) => Error | undefined = () => undefined
  /** Rows that an UPDATE passes over. */
  ignored = new Set<string>()

  constructor(rows: readonly ColumnRow[]) {
    for (const row of rows) this.rows.set(row.id, row)
  }

  set(id: number, stored: string, version?: string): void {
    this.rows.set(`n${id}`, rowOf(id, stored, version === undefined ? {} : { version: [version] }))
  }

  write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    this.sent.push(changes.map(({ row }) => row.id))
    this.meanwhile(this)
    const error = this.refuse(changes)
    if (error) return Promise.reject(error)
    const written = new Set<string>()
    for (const { row, value } of changes) {
      const now = this.rows.get(row.id)
      if (
        this.ignored.has(row.id) ||
        now?.stored !== row.stored ||
        String(now.version) !== String(row.version)
      )
        continue
      this.rows.set(row.id, { ...row, stored: value })
      written.add(row.id)
    }
    return Promise.resolve(written)
  }

  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]> {
    this.looks++
    return Promise.resolve(rows.flatMap(({ id }) => this.rows.get(id) ?? []))
  }

  stored(): string[] {
    return Array.from(this.rows.values(), ({ stored }) => String(stored))
  }
}

const rows = (count: number): ColumnRow[] =>
  Array.from({ length: count }, (_, at) => rowOf(at + 1, `old ${at + 1}`))
const anew = ({ stored }: ColumnRow): Promise<Converted> =>
  Promise.resolve({ value: String(stored).replace('old', 'new') })

function process(
  lane: Lane,
  conversion: Partial<Conversion> = {},
  options: Partial<BatchOptions> = {},
  batch = [...lane.rows.values()],
  column = columnWith(),
) {
  const worker = new BatchWorker(
    column,
    { done: 'converted', begin: () => Promise.resolve(), convert: anew, ...conversion },
    {
      dialect: dialectWith(),
      dryRun: false,
      failures: undefined,
      ownsTransactions: true,
      triggers: () => Promise.resolve(['shorten']),
      hiddenBy: undefined,
      ...options,
    },
  )
  return worker.process(batch, lane as unknown as ColumnRows)
}

const NONE = { changed: 0, contended: 0, gone: 0, forgotten: 0 }
const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

beforeEach(() => {
  // A deadlock is waited for, at random.
  jest.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  jest.restoreAllMocks()
})

describe('a batch', () => {
  it('writes what is to be stored, and leaves rows that are as they should be', async () => {
    const lane = new Lane(rows(4))
    const convert = (row: ColumnRow) => (row.id === 'n2' ? Promise.resolve(undefined) : anew(row))
    expect(await process(lane, { convert })).toEqual({ ...NONE, changed: 3 })
    expect(lane.stored()).toEqual(['new 1', 'old 2', 'new 3', 'new 4'])
    expect(lane.sent).toEqual([['n1', 'n3', 'n4']])
    expect(lane.looks).toBe(0)
  })

  it('sends nothing where nothing is to be written', async () => {
    const lane = new Lane(rows(2))
    expect(await process(lane, { convert: () => Promise.resolve(undefined) })).toEqual(NONE)
    expect(await process(new Lane([]))).toEqual(NONE)
    expect(lane.sent).toEqual([])
  })

  it('counts what it would write on a dry run, and sends nothing', async () => {
    const lane = new Lane(rows(3))
    const convert = (row: ColumnRow) =>
      row.id === 'n2' ? Promise.reject(new ForgottenError('gone')) : anew(row)
    const result = await process(lane, { convert, leavesForgotten: true }, { dryRun: true })
    expect(result).toEqual({ ...NONE, changed: 2, forgotten: 1 })
    expect(lane.sent).toEqual([])
  })

  it('converts up to 32 values at once, and all of them once', async () => {
    let underWay = 0
    let most = 0
    const converted: string[] = []
    const convert = async (row: ColumnRow) => {
      most = Math.max(most, ++underWay)
      await later()
      underWay--
      converted.push(row.id)
      return anew(row)
    }
    expect(await process(new Lane(rows(100)), { convert })).toMatchObject({ changed: 100 })
    expect(most).toBe(32)
    expect(new Set(converted).size).toBe(100)
    expect(converted).toHaveLength(100)
  })

  it('converts no more values once one has failed', async () => {
    const begun: string[] = []
    const convert = async (row: ColumnRow) => {
      begun.push(row.id)
      await later()
      if (row.id === 'n1') throw new TamperedCiphertextError('tampered')
      return anew(row)
    }
    await expect(process(new Lane(rows(100)), { convert })).rejects.toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      primaryKey: { id: 1 },
      entity: 'User',
    })
    await later()
    await later()
    expect(begun).toHaveLength(32)
  })
})

describe('rows that others write meanwhile', () => {
  it('are read and converted once more, and what others wrote stays', async () => {
    const lane = new Lane(rows(3))
    lane.meanwhile = () => {
      if (lane.sent.length === 1) lane.set(2, 'old, of others')
    }
    expect(await process(lane)).toEqual({ ...NONE, changed: 3 })
    expect(lane.stored()).toEqual(['new 1', 'new, of others', 'new 3'])
    expect(lane.sent).toEqual([['n1', 'n2', 'n3'], ['n2']])
  })

  it('are gone where others deleted them', async () => {
    const lane = new Lane(rows(3))
    lane.meanwhile = () => {
      lane.rows.delete('n2')
      lane.rows.delete('n3')
    }
    expect(await process(lane)).toEqual({ ...NONE, changed: 1, gone: 2 })
    expect(lane.sent).toHaveLength(1)
  })

  it('are left after eight attempts, as they are then', async () => {
    const lane = new Lane(rows(2))
    lane.meanwhile = () => {
      lane.set(2, `old, ${lane.sent.length}`)
    }
    const left: ColumnRow[] = []
    const leave = (row: ColumnRow): unknown => left.push(row)
    expect(await process(lane, { leave })).toEqual({ ...NONE, changed: 1, contended: 1 })
    expect(lane.sent).toHaveLength(8)
    expect(left.map(({ stored }) => stored)).toEqual(['old, 8'])
  })

  it('are others if only their version is another', async () => {
    const lane = new Lane([rowOf(1, 'old', { version: ['1', '1'] })])
    lane.meanwhile = () => {
      lane.set(1, 'old', String(lane.sent.length + 1))
    }
    expect(await process(lane)).toEqual({ ...NONE, contended: 1 })
  })

  it('may be as they should be then', async () => {
    const lane = new Lane(rows(1))
    lane.meanwhile = () => {
      lane.set(1, 'done')
    }
    const convert = (row: ColumnRow) => (row.stored === 'done' ? Promise.resolve(undefined) : anew(row))
    expect(await process(lane, { convert })).toEqual(NONE)
  })
})

describe('rows that an UPDATE passes over, and nobody changes', () => {
  it('are an error that names the row and the triggers', async () => {
    const lane = new Lane(rows(3))
    lane.ignored.add('n2')
    const error = (await process(lane).catch((each: unknown) => each)) as Error
    expect(error).toMatchObject({ code: 'VALUE_ALTERED', primaryKey: { id: 2 } })
    expect(error.message).toContain('the trigger shorten')
    expect(lane.sent).toHaveLength(8)
  })

  it('are an error that names the policy, where row level security hides rows', async () => {
    const lane = new Lane(rows(3))
    lane.ignored.add('n3')
    await expect(process(lane, {}, { hiddenBy: 'policy' })).rejects.toMatchObject({
      code: 'ROWS_HIDDEN',
      primaryKey: { id: 3 },
      reason: expect.stringContaining('of the table user does not let this role change') as unknown,
    })
  })
})

describe('values that cannot be converted', () => {
  const forgotten = (row: ColumnRow) =>
    row.id === 'n2' ? Promise.reject(new ForgottenError('gone')) : anew(row)
  const failing = (error: Error) => (row: ColumnRow) => (row.id === 'n2' ? Promise.reject(error) : anew(row))

  it('stay and are counted, where their data key was destroyed', async () => {
    const left: string[] = []
    const leave = ({ id }: ColumnRow): unknown => left.push(id)
    const lane = new Lane(rows(3))
    expect(await process(lane, { convert: forgotten, leavesForgotten: true, leave })).toEqual({
      ...NONE,
      changed: 2,
      forgotten: 1,
    })
    expect(left).toEqual(['n2'])
    expect(lane.stored()).toEqual(['new 1', 'old 2', 'new 3'])
  })

  it('are an error where forgotten ones are not left', async () => {
    await expect(process(new Lane(rows(3)), { convert: forgotten })).rejects.toMatchObject({
      code: 'FORGOTTEN',
      primaryKey: { id: 2 },
    })
  })

  it('are listed, left and no error, where they are to be skipped', async () => {
    const failures = new Failures()
    const left: string[] = []
    const leave = ({ id }: ColumnRow): unknown => left.push(id)
    const lane = new Lane(rows(3))
    const convert = failing(new InvalidValueError('not of the type'))
    expect(await process(lane, { convert, leave }, { failures })).toEqual({ ...NONE, changed: 2 })
    expect(failures.listed).toEqual([
      { primaryKey: { id: 2 }, code: 'INVALID_VALUE', reason: 'not of the type' },
    ])
    expect(left).toEqual(['n2'])
  })

  it('are not skipped for trouble of KMS, or what nobody knows', async () => {
    const failures = new Failures()
    const convert = failing(new KmsUnavailableError('no answer'))
    await expect(process(new Lane(rows(3)), { convert }, { failures })).rejects.toMatchObject({
      code: 'KMS_UNAVAILABLE',
    })
    const unknown = new TypeError('a fault of ours')
    await expect(process(new Lane(rows(3)), { convert: failing(unknown) }, { failures })).rejects.toBe(
      unknown,
    )
    expect(failures.count).toBe(0)
  })
})

describe('a write that fails', () => {
  const deadlocks = (times: number) => (lane: Lane) => () =>
    lane.sent.length <= times ? new Failed('deadlock') : undefined

  it('is repeated after a deadlock, seven times', async () => {
    const lane = new Lane(rows(2))
    lane.refuse = deadlocks(7)(lane)
    expect(await process(lane)).toEqual({ ...NONE, changed: 2 })
    expect(lane.sent).toHaveLength(8)
    const never = new Lane(rows(2))
    never.refuse = deadlocks(8)(never)
    await expect(process(never)).rejects.toMatchObject({ failure: 'deadlock' })
    expect(never.sent).toHaveLength(8)
  })

  it('is not repeated in the transaction of somebody else, which has ended, or for another reason', async () => {
    const lane = new Lane(rows(2))
    lane.refuse = deadlocks(1)(lane)
    await expect(process(lane, {}, { ownsTransactions: false })).rejects.toMatchObject({
      failure: 'deadlock',
    })
    const locked = new Lane(rows(2))
    locked.refuse = () => new Failed('locked')
    await expect(process(locked)).rejects.toMatchObject({ failure: 'locked' })
    expect([lane.sent.length, locked.sent.length]).toEqual([1, 1])
  })

  const refusing =
    (...ids: string[]) =>
    (changes: readonly Change[]) =>
      changes.some(({ row }) => ids.includes(row.id)) ? new Failed('value-refused') : undefined

  it('is done for all others, where the database refuses some values and these are to be skipped', async () => {
    const lane = new Lane(rows(8))
    lane.refuse = refusing('n3', 'n8')
    const failures = new Failures()
    const left: string[] = []
    const leave = ({ id }: ColumnRow): unknown => left.push(id)
    expect(await process(lane, { leave }, { failures })).toEqual({ ...NONE, changed: 6 })
    expect(lane.stored().filter((stored) => stored.startsWith('old'))).toEqual(['old 3', 'old 8'])
    expect(failures.listed).toMatchObject([
      { primaryKey: { id: 3 }, code: 'NOT_REPRESENTABLE' },
      { primaryKey: { id: 8 }, code: 'NOT_REPRESENTABLE' },
    ])
    expect(left).toEqual(['n3', 'n8'])
    expect(lane.looks).toBe(0)
    expect(lane.sent[1]).toHaveLength(4)
    // Those that are skipped are not tried again, as if others had written them.
    expect(lane.sent.filter((ids) => ids.length === 1 && ids[0] === 'n3')).toHaveLength(1)
  })

  it('names the row whose value is refused, and what came before it is written', async () => {
    const lane = new Lane(rows(4))
    lane.refuse = refusing('n3')
    await expect(process(lane)).rejects.toMatchObject({
      code: 'NOT_REPRESENTABLE',
      primaryKey: { id: 3 },
      entity: 'User',
    })
    expect(lane.stored()).toEqual(['new 1', 'new 2', 'old 3', 'old 4'])
  })

  it('ends it at once in the transaction of somebody else, unless refused values are to be skipped', async () => {
    const lane = new Lane(rows(4))
    lane.refuse = refusing('n3')
    await expect(process(lane, {}, { ownsTransactions: false })).rejects.toMatchObject({
      failure: 'value-refused',
    })
    expect(lane.sent).toHaveLength(1)
    const failures = new Failures()
    expect(await process(lane, {}, { ownsTransactions: false, failures })).toEqual({ ...NONE, changed: 3 })
    expect(failures.count).toBe(1)
  })

  it('tells the row whose value another row has, where its index is unique', async () => {
    const metadata = { databaseName: 'secret_index', entityMetadata: { tableName: 'user', indices: [] } }
    const column = columnWith({ indexes: [{ declared: { isUnique: true }, metadata }] })
    const lane = new Lane(rows(2))
    lane.refuse = (changes) =>
      changes.some(({ row }) => row.id === 'n2')
        ? new Failed('constraint', 'UNIQUE constraint failed: user.secret_index')
        : undefined
    await expect(process(lane, {}, {}, [...lane.rows.values()], column)).rejects.toMatchObject({
      code: 'VALUE_NOT_UNIQUE',
      primaryKey: { id: 2 },
    })
    expect(lane.stored()).toEqual(['new 1', 'old 2'])
    // Any other constraint says nothing of one value.
    const others = new Lane(rows(2))
    others.refuse = () => new Failed('constraint', 'CHECK constraint failed: starts_well')
    await expect(process(others, {}, {}, [...others.rows.values()], column)).rejects.toMatchObject({
      failure: 'constraint',
    })
    expect(others.sent).toHaveLength(1)
  })
})
