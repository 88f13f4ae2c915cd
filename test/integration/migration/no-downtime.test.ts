import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { testKms } from '../../support/encryption'
import { Fleet, type Token, type Version } from './fleet'

@Entity('token')
class PlaintextToken implements Token {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 100 }) secret!: string
}

@Entity('token')
class AcceptingToken implements Token {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text', acceptPlaintext: true }) secret!: string
}

@Entity('token')
class TextToken implements Token {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text' }) secret!: string
}

@Entity('token')
class BinaryToken implements Token {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

const OLD: Version = { entity: PlaintextToken, writes: 'entity' }
const READING: Version = { entity: AcceptingToken, writes: 'sql' }
const NOT_WRITING: Version = { entity: AcceptingToken, writes: 'nothing' }
const ACCEPTING: Version = { entity: AcceptingToken, writes: 'entity' }
const TEXT: Version = { entity: TextToken, writes: 'entity' }
const BINARY: Version = { entity: BinaryToken, writes: 'entity' }

const ROWS = 160

describeDatabases('the documented order for no downtime', (db) => {
  /** Runs statements with nothing of this process in between: SQLite's connections would wait for each other. */
  const run = (statements: Record<'mariadb' | 'postgres' | 'sqlite', readonly string[]>) =>
    Promise.all(statements[db().name].map((sql) => db().rawQuery(sql)))

  const widen = async (): Promise<void> => {
    await run({
      mariadb: ['ALTER TABLE token MODIFY secret text NOT NULL'],
      postgres: ['ALTER TABLE token ALTER COLUMN secret TYPE text'],
      sqlite: [],
    })
    await fleet.work()
  }

  let fleet: Fleet

  const start = async (): Promise<void> => {
    fleet = new Fleet(db(), (await testKms()).client, ROWS)
    await fleet.deploy(OLD, { synchronize: true, dropSchema: true })
    await fleet.start()
    await fleet.work()
  }

  afterEach(() => fleet.end())

  it('shows the application no error and no wrong value, to text and on to binary', async () => {
    await start()
    // 1. Widen the type.
    await widen()
    // 2. Deploy what reads both and writes plaintext, beside old instances.
    await fleet.roll(READING)
    // 3. Deploy what reads both and writes ciphertext, beside the former.
    const accepting = await fleet.roll(ACCEPTING)
    // 4. Encrypt in place, and verify.
    const [encrypted] = await encryptColumns(accepting, AcceptingToken, ['secret'], { batchSize: 20 })
    expect(encrypted!.changed).toBeGreaterThan(0)
    expect(await columnStatus(accepting, AcceptingToken, 'secret')).toMatchObject({
      plaintext: 0,
      rows: ROWS,
    })
    expect(await verifyColumns(accepting, AcceptingToken, ['secret'])).toMatchObject([{ failed: 0 }])
    // 5. Deploy strict.
    await fleet.roll(TEXT)
    expect(fleet.wrong).toEqual([])

    // 6. Change the type, with the bytes kept.
    await run({
      mariadb: ['ALTER TABLE token MODIFY secret blob NOT NULL'],
      postgres: [`ALTER TABLE token ALTER COLUMN secret TYPE bytea USING convert_to(secret, 'UTF8')`],
      sqlite: [
        'BEGIN IMMEDIATE',
        'CREATE TABLE token_new (id integer PRIMARY KEY NOT NULL, secret blob NOT NULL)',
        'INSERT INTO token_new SELECT id, secret FROM token',
        'DROP TABLE token',
        'ALTER TABLE token_new RENAME TO token',
        'COMMIT',
      ],
    })
    await fleet.work()
    // 7. Deploy the binary storage, beside the former.
    const binary = await fleet.roll(BINARY)
    // 8. Turn base64 into bytes.
    const left = async () => (await columnStatus(binary, BinaryToken, 'secret')).otherStorage
    expect(await left()).toBeGreaterThan(0)
    const [rotated] = await rotateColumns(binary, BinaryToken, ['secret'], { batchSize: 20 })
    expect(rotated!.changed).toBeGreaterThan(0)
    await fleet.work()
    expect(await left()).toBe(0)
    expect(await rotateColumns(binary, BinaryToken, ['secret'])).toMatchObject([{ changed: 0 }])
    expect(await verifyColumns(binary, BinaryToken, ['secret'])).toMatchObject([{ failed: 0, rows: ROWS }])

    await fleet.stop()
    expect(fleet.wrong).toEqual([])
    const rows = await binary.getRepository(BinaryToken).find()
    expect(new Map(rows.map(({ id, secret }) => [id, secret]))).toEqual(fleet.expected)
    const stored = await db().rawQuery('SELECT secret FROM token')
    for (const { secret } of stored) expect((secret as Buffer)[0]).toBe(0xc1)
  })
  it('may instead have new instances not write until the last old one is gone', async () => {
    await start()
    await widen()
    await fleet.roll(NOT_WRITING)
    await fleet.roll(ACCEPTING)
    await fleet.stop()
    expect(fleet.wrong).toEqual([])
  })

  it('is needed: an old instance takes the ciphertext of a new one for text', async () => {
    await start()
    await widen()
    await fleet.deploy(ACCEPTING)
    await fleet.work(1_000)
    await fleet.stop()
    expect(fleet.wrong[0]).toMatch(/^row \d+ was read as wQE/)
  })
})
