import Database from 'better-sqlite3'
import { type QueryRunner } from 'typeorm'
import { sqlite } from '../../../src/dialects/sqlite'
import { type ColumnRows } from '../../../src/dialects/rows/column-rows'
import { MovedStarts } from '../../../src/migration/moved-starts'
import { type ColumnLayout } from '../../../src/migration/rows/column-layout'
import { dataKeyIdOf, modeOf, type ValueStart, valueStarts } from '../../../src/migration/value-starts'
import { valueStartsTogether } from '../../../src/migration/value-starts-together'

type Value = Buffer | string | null

const layoutOf = (name: string): ColumnLayout =>
  ({
    dialect: sqlite,
    kind: 'binary',
    name,
    table: 't',
    place: { entity: 'T', property: name },
  }) as ColumnLayout

/** A table with columns of these values. */
function tableOf(columns: Record<string, readonly Value[]>): { runner: QueryRunner; sent: string[] } {
  const database = new Database(':memory:')
  const names = Object.keys(columns)
  database.exec(`CREATE TABLE t (${names.map((name) => `${name} blob`).join(', ')})`)
  const insert = database.prepare(`INSERT INTO t VALUES (${names.map(() => '?').join(', ')})`)
  const rows = Math.max(...Object.values(columns).map(({ length }) => length))
  for (let at = 0; at < rows; at++) insert.run(...names.map((name) => columns[name]?.[at] ?? null))
  const sent: string[] = []
  const query = (sql: string, parameters: unknown[] = []): Promise<unknown[]> => {
    sent.push(sql)
    return Promise.resolve(database.prepare(sql).all(...parameters))
  }
  return { runner: { query } as unknown as QueryRunner, sent }
}

const startsOf = (...values: Value[]): Promise<ValueStart[]> =>
  valueStarts(tableOf({ v: values }).runner, layoutOf('v'))

const told = ({ kind, header, text, outlined, rows }: ValueStart) => [
  kind,
  header.toString('hex'),
  text,
  outlined,
  rows,
]

/** How a value begins, by its bytes in hexadecimal; of base64, by what it stands for. */
function expected(value: Buffer | string): unknown[] {
  const isBase64 = /^wQ[E-H]/.test(value.toString('latin1'))
  const bytes = isBase64 ? Buffer.from(value.toString('latin1'), 'base64') : Buffer.from(value as string)
  const hex = bytes.toString('hex')
  if (!hex.startsWith('c1')) {
    const isBare = /^01.{4}0078/.test(hex) && bytes.length >= 100 && bytes.length <= 6_144
    return [isBare ? 'bare' : 'other', '', false, false, 1]
  }
  const isOutlined = /^c1..(01.{12}|0[23].{8})(01.{4}0078|0a20)/.test(hex)
  const length = hex.startsWith('c10104') ? 19 : 7
  return ['ciphertext', hex.slice(0, 2 * length), isBase64, isOutlined, 1]
}

const filled = (start: string, length: number): Buffer =>
  Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(length, 0x5a)]).subarray(0, length)

const TAG = 'a1b2c3d4'
/** Ciphertexts of each suite, and what comes near them. */
const STARTS = [
  `c10101${TAG}00b801020200787a`,
  `c10101${TAG}00b80a200000787a`,
  `c10102${TAG}01020200787a7a7a`,
  `c10102${TAG}0a200200797a7a7a`,
  `c10103${TAG}01020200787a7a7a`,
  `c10104${TAG}01020200787a7a7a`,
  `c10105${TAG}01020200787a7a7a`,
  `c10201${TAG}00b801020200787a`,
]

/** Bytes of magic, version, suite, and the first after the key tag. */
const TELLING = [0, 1, 2, 7, 8, 9, 10, 11, 12, 13, 14]

/** Each value with each bit of those turned over, one at a time. */
const ALTERED = STARTS.flatMap((start) => {
  const whole = filled(start, 60)
  const altered = TELLING.flatMap((at) =>
    Array.from({ length: 8 }, (_, bit) => {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      return bytes
    }),
  )
  return [whole, ...altered]
})

/** True for a value of which base64 tells as much as bytes do: it has the first bytes of a ciphertext of version 1. */
const isOurs = (bytes: Buffer): boolean => bytes[0] === 0xc1 && bytes[1] === 1 && (bytes[2] ?? 0) < 64

async function compare(values: readonly (Buffer | string)[]): Promise<void> {
  const { runner } = tableOf({ v: values })
  for (const [at, value] of values.entries()) {
    const found = await valueStarts(runner, layoutOf('v'), '(SELECT v FROM t WHERE rowid = ?)', [at + 1])
    expect({ value, found: found.map(told) }).toEqual({ value, found: [expected(value)] })
  }
}

describe('how values begin', () => {
  it('is told of bytes', async () => {
    await compare(ALTERED)
  })

  it('is told of base64 as of the bytes that it stands for, in a text and as bytes', async () => {
    const texts = ALTERED.filter(isOurs).map((bytes) => bytes.toString('base64'))
    expect(texts.length).toBeGreaterThan(400)
    await compare(texts)
    await compare(texts.slice(0, 20).map((text) => Buffer.from(text)))
  })

  it('is told of values that are cut off', async () => {
    const lengths = Array.from({ length: 24 }, (_, length) => length)
    await compare(lengths.flatMap((length) => STARTS.map((start) => filled(start, length))))
  })

  it.each<[string, Value, ValueStart['kind']]>([
    ['the shortest blob of KMS', filled('0102020078', 100), 'bare'],
    ['one byte less', filled('0102020078', 99), 'other'],
    ['the longest blob', filled('0102020078', 6_144), 'bare'],
    ['one byte more', filled('0102020078', 6_145), 'other'],
    ['another first byte', filled('0202020078', 200), 'other'],
    ['another fourth byte', filled('0102020178', 200), 'other'],
    ['the shortest in base64', filled('0102020078', 102).toString('base64'), 'bare'],
    ['three bytes less', filled('0102020078', 99).toString('base64'), 'other'],
    ['the longest in base64', filled('0102020078', 6_144).toString('base64'), 'bare'],
    ['three bytes more', filled('0102020078', 6_147).toString('base64'), 'other'],
    ['base64 that is cut off', filled('0102020078', 150).toString('base64').slice(0, -1), 'other'],
    ['base64 in bytes', Buffer.from(filled('0102020078', 150).toString('base64')), 'other'],
    ['base64 of another outline', filled('0102020178', 150).toString('base64'), 'other'],
    ['base64 of another first byte', filled('1102020078', 150).toString('base64'), 'other'],
    ['base64 of another fifth byte', filled('0102020088', 150).toString('base64'), 'other'],
    ['nothing', Buffer.alloc(0), 'other'],
    ['an empty text', '', 'other'],
    ['a text', 'plaintext', 'other'],
    ['a text like base64', 'wQ', 'other'],
    ['a text like base64 of another version', 'wQIB', 'other'],
    ['NULL', null, 'null'],
  ])('is told of %s', async (_, value, kind) => {
    expect(await startsOf(value)).toMatchObject([{ kind, outlined: false, text: false, rows: 1 }])
  })

  it('is counted', async () => {
    const one = filled(`c10104${'07'.repeat(16)}`, 60)
    const other = filled(`c10104${'08'.repeat(16)}`, 60)
    const starts = await startsOf(null, one, other, one, 'a', null, one.toString('base64'), 'b', null)
    expect(starts.map(({ kind, rows }) => `${kind} ${rows}`).sort()).toEqual([
      'ciphertext 1',
      'ciphertext 1',
      'ciphertext 2',
      'null 3',
      'other 2',
    ])
  })
})

describe('what a header says', () => {
  it.each<[string, ReturnType<typeof modeOf>]>([
    [`c10101${TAG}`, 'envelope'],
    [`c10102${TAG}`, 'direct'],
    [`c10103${TAG}`, 'direct'],
    [`c10104${TAG}`, undefined],
    [`c10105${TAG}`, undefined],
    [`c10201${TAG}`, undefined],
    [`c10101${TAG.slice(2)}`, undefined],
  ])('of the mode: %s', (header, expected) => {
    expect(modeOf(Buffer.from(header, 'hex'))).toBe(expected)
  })

  const id = '0123456789abcdef0123456789abcdef'
  it.each<[string, ValueStart['kind'], string, string | undefined]>([
    ['of suite 4', 'ciphertext', `c10104${id}`, id],
    ['that is cut off', 'ciphertext', `c10104${id.slice(2)}`, undefined],
    ['of another suite', 'ciphertext', `c10101${id}`, undefined],
    ['of another version', 'ciphertext', `c10204${id}`, undefined],
    ['of what is no ciphertext', 'other', `c10104${id}`, undefined],
  ])('of the data key: one %s', (_, kind, header, expected) => {
    expect(dataKeyIdOf({ kind, header: Buffer.from(header, 'hex') })?.toString('hex')).toBe(expected)
  })
})

describe('values that a pass has moved', () => {
  const rowsOf = (
    values: readonly Value[],
    where = 'v IS NOT NULL',
    { runner } = tableOf({ v: values }),
  ): ColumnRows =>
    ({
      layout: layoutOf('v'),
      countBy: (expression: string) =>
        runner.query(`SELECT ${expression} AS value, COUNT(*) AS rows FROM t WHERE ${where} GROUP BY 1`),
    }) as unknown as ColumnRows
  const keyed = (id: string): Buffer => filled(`c10104${id.repeat(16)}`, 60)
  const envelope = (tag: string): Buffer => filled(`c10101${tag}00b8`, 60)

  it('are known by how they begin, as the database tells it', async () => {
    const some = ALTERED.filter((_, at) => at % 5 === 0)
    const values = [...some, ...some.filter(isOurs).map((bytes) => bytes.toString('base64'))]
    const table = tableOf({ v: values })
    for (const [at, value] of values.entries()) {
      const starts = new MovedStarts(true)
      starts.done(value)
      const left = await starts.count(rowsOf(values, `rowid = ${at + 1}`, table), undefined)
      expect({ value, left }).toEqual({ value, left: { counted: 0, met: 0 } })
    }
  })

  it('are all that begin like one of them, and no others', async () => {
    const starts = new MovedStarts(false)
    starts.done(envelope('00000001'))
    const rows = rowsOf([
      envelope('00000001'),
      envelope('00000002'),
      envelope('00000001').toString('base64'),
      'text',
    ])
    expect(await starts.count(rows, undefined)).toEqual({ counted: 3, met: 0 })
    starts.done(envelope('00000001').toString('base64'))
    expect(await starts.count(rows, undefined)).toEqual({ counted: 2, met: 0 })
  })

  it('are counted beside those that were met and stay', async () => {
    const starts = new MovedStarts(false)
    const values = [envelope('00000001'), envelope('00000002'), envelope('00000002'), 'a', 'b', null]
    const rows = rowsOf(values)
    starts.done(envelope('00000001'))
    starts.leave(envelope('00000002'))
    starts.leave('a')
    starts.leave('b')
    expect(await starts.count(rows, undefined)).toEqual({ counted: 4, met: 3 })
    // Of rows that were met, others may have been changed since.
    starts.leave('c')
    expect(await starts.count(rows, undefined)).toEqual({ counted: 4, met: 3 })
    starts.again()
    expect(await starts.count(rows, undefined)).toEqual({ counted: 4, met: 0 })
  })

  it('under stored data keys are told apart by the data key only where that matters', async () => {
    const rows = rowsOf([keyed('01'), keyed('02'), keyed('02').toString('base64')])
    const left = async (tellsDataKeys: boolean): Promise<number> => {
      const starts = new MovedStarts(tellsDataKeys)
      starts.done(keyed('01'))
      return (await starts.count(rows, undefined)).counted
    }
    expect([await left(false), await left(true)]).toEqual([1, 2])
  })

  it('under other KMS keys are told apart in any case', async () => {
    for (const tellsDataKeys of [true, false]) {
      const starts = new MovedStarts(tellsDataKeys)
      starts.done(envelope('00000001'))
      const rows = rowsOf([envelope('00000001'), envelope('00000003')])
      expect(await starts.count(rows, undefined)).toEqual({ counted: 1, met: 0 })
    }
  })
})

describe('columns that are counted together', () => {
  const keyed = (id: number): Buffer => filled(`c10104${Buffer.alloc(16, id).toString('hex')}`, 60)
  const envelope = filled(`c10101${TAG}00b80102020078`, 60)
  const direct = filled(`c10102${TAG}0102020078`, 60)
  const plain = filled(`c10102${TAG}99`, 60)

  async function together(columns: Record<string, readonly Value[]>) {
    const { runner, sent } = tableOf(columns)
    const [first, ...others] = Object.keys(columns).map(layoutOf)
    if (!first) throw new Error('no column')
    const found = await valueStartsTogether(runner, [first, ...others])
    const alone = new Map<string, unknown[][]>()
    for (const name of Object.keys(columns)) {
      alone.set(name, (await valueStarts(runner, layoutOf(name))).map(told).sort())
    }
    const starts = new Map(Array.from(found, ([{ name }, each]) => [name, each.map(told).sort()]))
    return { starts, alone, sent }
  }

  it('have the counts that each has by itself', async () => {
    const { starts, alone, sent } = await together({
      a: [envelope, direct, plain, direct, null, null],
      b: [keyed(1), keyed(2), keyed(1).toString('base64'), keyed(1), envelope, envelope.toString('base64')],
      c: [null, null, null, null, null, null],
      d: [envelope, envelope, envelope, envelope, envelope, envelope],
    })
    expect(starts).toEqual(alone)
    // One look at the first rows of each column, and one pass over the table.
    expect(sent.filter((sql) => !sql.includes('GROUP BY'))).toHaveLength(5)
  })

  it('are those of a table without rows, too', async () => {
    const { starts } = await together({ a: [], b: [] })
    expect(starts).toEqual(
      new Map([
        ['a', []],
        ['b', []],
      ]),
    )
  })

  it('leave one out that has plaintext, or many data keys', async () => {
    const many = (count: number): Buffer[] => Array.from({ length: count }, (_, id) => keyed(id + 1))
    const { starts } = await together({
      plaintext: [envelope, 'text'],
      bare: [filled('0102020078', 100)],
      eight: many(8),
      nine: many(9),
    })
    expect([...starts.keys()]).toEqual(['eight'])
  })

  it('leave one out that has other values further down', async () => {
    const first = Array.from({ length: 1_000 }, () => envelope)
    const { starts } = await together({ a: [...first, direct], b: [...first, envelope], c: [...first, null] })
    expect([...starts.keys()]).toEqual(['b', 'c'])
    expect(starts.get('c')).toEqual([
      ['ciphertext', `c10101${TAG}`, false, true, 1_000],
      ['null', '', false, false, 1],
    ])
  })
})
