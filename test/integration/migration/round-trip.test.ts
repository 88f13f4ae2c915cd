import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { describeDatabases, type Row } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { AWKWARD_BYTES, AWKWARD_TEXTS } from './awkward-values'

@Entity()
class Secret {
  @PrimaryColumn('varchar', { length: 20 }) region!: string
  @PrimaryColumn('bigint') id!: string
  @KmsEncrypted({ type: 'string', nullable: true }) body!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) raw!: Buffer | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) note!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mode: 'direct', maxLength: 4096 }) pin!: string | null
  @Column('varchar', { nullable: true }) other!: string | null
}

const COLUMNS = ['body', 'raw', 'note', 'pin']

describeDatabases('all values of a table', (db) => {
  let app: TestApplication
  let before: Row[]

  const content = async (): Promise<Row[]> => {
    const q = (name: string) => db().quote(name)
    const names = COLUMNS.map(q).join(', ')
    const rows = await db().rawQuery(`SELECT region, id, ${names} FROM ${q('secret')} ORDER BY region, id`)
    // SQLite gives back text as text where it was text, and as bytes once it has been bytes.
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          Buffer.isBuffer(value) ? value.toString('latin1') : Buffer.from(String(value)).toString('latin1'),
        ]),
      ),
    )
  }

  // TypeORM itself reads no integer above 2^53 from SQLite.
  const base = (): bigint => (db().name === 'sqlite' ? 2n ** 50n : 2n ** 60n)
  const textOf = (index: number) => AWKWARD_TEXTS[index % AWKWARD_TEXTS.length] ?? null
  const bytesOf = (index: number) => AWKWARD_BYTES[index % AWKWARD_BYTES.length] ?? null

  beforeAll(async () => {
    app = await startApplication(db(), [Secret])
    const q = (name: string) => db().quote(name)
    for (let index = 0; index < 130; index++) {
      const text = textOf(index)
      const region = ['eu', 'EU-west', 'us', "o'brien"][index % 4]
      await db().rawQuery(
        `INSERT INTO ${q('secret')} (region, id, body, raw, note, pin) VALUES (?, ?, ?, ?, ?, ?)`,
        [
          region,
          (base() + BigInt(index)).toString(),
          text === null ? null : Buffer.from(text),
          bytesOf(index),
          text,
          text === null ? null : Buffer.from(text),
        ],
      )
    }
    before = await content()
  })
  afterAll(() => app.stop())

  it('are plaintext at first', async () => {
    const { plaintext, rows, null: nulls, ciphertext } = await columnStatus(app.dataSource, Secret, 'body')
    expect({ plaintext, rows, nulls, ciphertext }).toEqual({
      plaintext: 120,
      rows: 130,
      nulls: 10,
      ciphertext: [],
    })
    for (const column of COLUMNS)
      expect(await columnStatus(app.dataSource, Secret, column)).toMatchObject({ plaintext: 120 })
  })

  it('are encrypted', async () => {
    const results = await encryptColumns(app.dataSource, Secret, COLUMNS, { batchSize: 16 })
    expect(results.map(({ changed, total, contended }) => ({ changed, total, contended }))).toEqual(
      COLUMNS.map(() => ({ changed: 120, total: 120, contended: 0 })),
    )
    for (const column of COLUMNS) {
      expect(await columnStatus(app.dataSource, Secret, column)).toMatchObject({
        plaintext: 0,
        null: 10,
        ciphertext: [{ rows: 120, version: 1, mode: column === 'pin' ? 'direct' : 'envelope' }],
      })
    }
    const verified = await verifyColumns(app.dataSource, Secret, COLUMNS)
    expect(verified.map(({ failed, unreadable }) => ({ failed, unreadable }))).toEqual(
      COLUMNS.map(() => ({ failed: 0, unreadable: [] })),
    )
  })

  it('are encrypted once, however often they are encrypted', async () => {
    const encrypted = await content()
    const results = await encryptColumns(app.dataSource, Secret, COLUMNS)
    expect(results.map(({ changed }) => changed)).toEqual([0, 0, 0, 0])
    expect(await content()).toEqual(encrypted)
  })

  it('are read by the application', async () => {
    const rows = await app.dataSource.getRepository(Secret).find({ order: { region: 'ASC', id: 'ASC' } })
    expect(rows).toHaveLength(130)
    for (const { id, body, raw, note, pin } of rows) {
      const index = Number(BigInt(id) - base())
      expect([body, note, pin]).toEqual(Array(3).fill(textOf(index)))
      const bytes = bytesOf(index)
      // Jest compares long buffers byte by byte, as objects.
      expect(raw === null || bytes === null ? raw === bytes : raw.equals(bytes)).toBe(true)
    }
  })

  it('move to another key', async () => {
    const to = await app.createKey()
    app.kms.calls.reset()
    await rotateColumns(app.dataSource, Secret, ['body', 'raw', 'note'], { to })
    expect(app.kms.calls.count('GenerateDataKey')).toBe(0)
    expect(app.kms.calls.count('ReEncrypt')).toBe(3)
    await rotateColumns(app.dataSource, Secret, ['pin'], { to })
    for (const column of COLUMNS) {
      expect(await columnStatus(app.dataSource, Secret, column, { keys: [to] })).toMatchObject({
        ciphertext: [{ rows: 120, keyArn: to }],
      })
    }
    app.kms.calls.reset()
    const again = await rotateColumns(app.dataSource, Secret, COLUMNS, { to })
    expect(again.map(({ changed }) => changed)).toEqual([0, 0, 0, 0])
  })

  it('get new data keys', async () => {
    const [result] = await rotateColumns(app.dataSource, Secret, ['body'], { newDataKeys: true })
    expect(result).toMatchObject({ changed: 120 })
    expect(await verifyColumns(app.dataSource, Secret, COLUMNS)).toMatchObject(
      COLUMNS.map(() => ({ failed: 0 })),
    )
  })

  it('are decrypted, each as it was', async () => {
    const results = await decryptColumns(app.dataSource, Secret, COLUMNS, { batchSize: 16 })
    expect(results.map(({ changed }) => changed)).toEqual([120, 120, 120, 120])
    expect(await content()).toEqual(before)
    expect((await decryptColumns(app.dataSource, Secret, COLUMNS)).map(({ changed }) => changed)).toEqual([
      0, 0, 0, 0,
    ])
  })
})
