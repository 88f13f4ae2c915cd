import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { type ColumnStatus, columnStatus } from 'typeorm-kms-encrypted/migration'
import { CountedTogether } from '../../../src/migration/counted-together'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { type ColumnLayout, readLayout } from '../../../src/migration/rows/column-layout'
import { readStatus } from '../../../src/migration/status'
import { type ValueStart, valueStarts } from '../../../src/migration/value-starts'
import { valueStartsTogether } from '../../../src/migration/value-starts-together'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity({ name: 'counted' })
class Counted {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'buffer', nullable: true }) oneKey!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) threeDataKeys!: Buffer | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true }) asText!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true }) storedAsText!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) nothing!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) manyDataKeys!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) otherAtTheEnd!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) plaintextAtTheEnd!: Buffer | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) plaintextOnly!: Buffer | null
}

/** More than are looked at beforehand. */
const ROWS = 1_010

const envelope = (tag: string): Buffer => Buffer.from(`c10101${tag}00b80102020078${'ab'.repeat(40)}`, 'hex')
const stored = (key: number): Buffer =>
  Buffer.from(`c10104${'0f'.repeat(15)}0${key % 10}${'cd'.repeat(40)}`, 'hex')
const direct = Buffer.from(`c1010211223344010202007800${'ef'.repeat(40)}`, 'hex')

function row(id: number): unknown[] {
  const isLast = id === ROWS - 1
  return [
    id,
    id % 7 === 0 ? null : envelope('11223344'),
    stored(id % 3),
    id % 5 === 0 ? null : direct.toString('base64'),
    stored(id % 2).toString('base64'),
    null,
    stored(id % 10),
    envelope(isLast ? '55667788' : '11223344'),
    isLast ? Buffer.from('a secret') : envelope('11223344'),
    Buffer.from('a secret'),
  ]
}

/** Counts that can be compared, whatever their order. */
function told(starts: readonly ValueStart[]): string[] {
  return starts
    .map(({ kind, header, text, outlined, rows }) =>
      [kind, header.toString('hex'), text, outlined, rows].join(' '),
    )
    .sort()
}

describeDatabases('Columns that are counted together', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Counted])
  })
  afterAll(() => app.stop())

  async function count(): Promise<Map<string, { together: string[] | undefined; alone: string[] }>> {
    const queryRunner = app.dataSource.createQueryRunner()
    try {
      const layouts: ColumnLayout[] = []
      for (const column of encryptedColumns(app.dataSource))
        layouts.push(await readLayout(queryRunner, column))
      const [first, ...others] = layouts
      const together = await valueStartsTogether(queryRunner, [first!, ...others])
      const counts = new Map<string, { together: string[] | undefined; alone: string[] }>()
      for (const layout of layouts) {
        const found = together.get(layout)
        counts.set(layout.place.property, {
          together: found && told(found),
          alone: told(await valueStarts(queryRunner, layout)),
        })
      }
      return counts
    } finally {
      await queryRunner.release()
    }
  }

  it('have the counts that each has alone, or none', async () => {
    for (const { together, alone } of (await count()).values()) expect(together).toEqual(alone)

    const rows = Array.from({ length: ROWS }, (_, id) => row(id))
    for (let from = 0; from < ROWS; from += 101) {
      const some = rows.slice(from, from + 101)
      const places = some.map((values) => `(${values.map(() => '?').join(', ')})`).join(', ')
      await db().rawQuery(`INSERT INTO counted VALUES ${places}`, some.flat())
    }
    const counts = await count()
    for (const { together, alone } of counts.values()) expect(together ?? alone).toEqual(alone)
    const counted = Array.from(counts).filter(([, { together }]) => together !== undefined)
    expect(counted.map(([property]) => property)).toEqual([
      'oneKey',
      'threeDataKeys',
      'asText',
      'storedAsText',
      'nothing',
    ])
  })

  it('make the status of each that it has by itself, with one pass for all of them', async () => {
    const columns = encryptedColumns(app.dataSource)
    const alone: ColumnStatus[] = []
    for (const { metadata } of columns)
      alone.push(await columnStatus(app.dataSource, Counted, metadata.propertyName))
    const queryRunner = app.dataSource.createQueryRunner()
    const passes = jest.spyOn(queryRunner, 'query')
    try {
      const together = new CountedTogether(columns)
      for (const [index, column] of columns.entries()) {
        const counted = await together.of(queryRunner, column)
        expect(await readStatus(queryRunner, column, [], counted)).toEqual(alone[index])
      }
      const counting = passes.mock.calls.filter(([sql]) => /COUNT\(/.test(sql))
      expect(counting).toHaveLength(1 + columns.length - 5)
    } finally {
      passes.mockRestore()
      await queryRunner.release()
    }
  })
})
