import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, isWithout, type TestDatabase } from '../../support/databases'
import { failure, testKms } from '../../support/encryption'
import { COLUMNS, Fleet, type Token, type Version } from './fleet'

/** The entities of all versions, with the types of the database. */
function entitiesOn({ name }: TestDatabase) {
  @Entity('token')
  class PlaintextToken implements Token {
    @PrimaryColumn('int') id!: number
    @Column('varchar', { length: 100 }) secret!: string
    @Column(name === 'postgres' ? 'bytea' : 'blob') bytes!: Buffer
    @Column('simple-json') data!: { secret: string }
  }

  @Entity('token')
  class AcceptingToken implements Token {
    @PrimaryColumn('int') id!: number
    @KmsEncrypted({ type: 'string', storage: 'text', acceptPlaintext: true }) secret!: string
    @KmsEncrypted({ type: 'buffer', acceptPlaintext: true }) bytes!: Buffer
    @KmsEncrypted({ type: 'json', storage: 'text', acceptPlaintext: true }) data!: { secret: string }
  }

  @Entity('token')
  class TextToken implements Token {
    @PrimaryColumn('int') id!: number
    @KmsEncrypted({ type: 'string', storage: 'text' }) secret!: string
    @KmsEncrypted({ type: 'buffer' }) bytes!: Buffer
    @KmsEncrypted({ type: 'json', storage: 'text' }) data!: { secret: string }
  }

  @Entity('token')
  class BinaryToken implements Token {
    @PrimaryColumn('int') id!: number
    @KmsEncrypted({ type: 'string' }) secret!: string
    @KmsEncrypted({ type: 'buffer' }) bytes!: Buffer
    @KmsEncrypted({ type: 'json' }) data!: { secret: string }
  }
  return { PlaintextToken, AcceptingToken, TextToken, BinaryToken }
}

const ROWS = 100

describeDatabases('the documented order for no downtime', (db) => {
  let fleet: Fleet
  let entities: ReturnType<typeof entitiesOn>
  /** The feature flag of the application, the same in all its instances. */
  let encrypts: boolean

  const old = (): Version => ({ entity: entities.PlaintextToken, writes: true })
  const accepting = (options?: Version['options']): Version => ({
    entity: entities.AcceptingToken,
    writes: true,
    ...(options && { options }),
  })
  const flagged = () => accepting({ writes: () => (encrypts ? 'ciphertext' : 'plaintext') })

  beforeAll(() => {
    entities = entitiesOn(db())
  })

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

  const start = async (): Promise<void> => {
    encrypts = false
    fleet = new Fleet(db(), (await testKms()).client, ROWS)
    await fleet.deploy(old(), { synchronize: true, dropSchema: true })
    await fleet.start()
    await fleet.work()
  }

  afterEach(() => fleet.end())

  it('shows the application no error and no wrong value, to text and on to binary', async () => {
    const { AcceptingToken, TextToken, BinaryToken } = entities
    await start()
    // 1. Widen the type.
    await widen()
    // 2. Deploy what reads both and writes plaintext, beside old instances. The tool refuses to encrypt.
    const current = await fleet.roll(flagged())
    const early = await failure(encryptColumns(current, AcceptingToken, ['secret']))
    expect(early.message).toMatch(/still stores plaintext in the column/)
    // 3. Write ciphertext, beside the former: here by a feature flag, without a deployment.
    encrypts = true
    await fleet.work()
    // 4. Encrypt in place, and verify.
    const [encrypted] = await encryptColumns(current, AcceptingToken, COLUMNS, { batchSize: 50 })
    expect(encrypted!.changed).toBeGreaterThan(0)
    for (const column of COLUMNS) {
      const status = await columnStatus(current, AcceptingToken, column)
      expect(status).toMatchObject({ plaintext: 0, rows: ROWS })
    }
    for (const { failed } of await verifyColumns(current, AcceptingToken, COLUMNS)) expect(failed).toBe(0)
    // 5. Deploy strict.
    await fleet.roll({ entity: TextToken, writes: true })
    expect(fleet.wrong).toEqual([])
    // Its driver takes no text for bytes, as is sent until the next version is deployed.
    if (isWithout(db(), { pglite: 'there is no second version beside the first in one process' }))
      return fleet.stop()

    // 6. Change the type, with the bytes kept.
    await run({
      mariadb: ['ALTER TABLE token MODIFY secret blob NOT NULL, MODIFY data blob NOT NULL'],
      postgres: ['secret', 'data'].map(
        (name) => `ALTER TABLE token ALTER COLUMN ${name} TYPE bytea USING convert_to(${name}, 'UTF8')`,
      ),
      sqlite: [
        'BEGIN IMMEDIATE',
        'CREATE TABLE token_new (id integer PRIMARY KEY NOT NULL, secret blob NOT NULL, bytes blob NOT NULL, data blob NOT NULL)',
        'INSERT INTO token_new SELECT id, secret, bytes, data FROM token',
        'DROP TABLE token',
        'ALTER TABLE token_new RENAME TO token',
        'COMMIT',
      ],
    })
    await fleet.work()
    // 7. Deploy the binary storage, beside the former.
    const binary = await fleet.roll({ entity: BinaryToken, writes: true })
    // 8. Turn base64 into bytes.
    const left = async () => (await columnStatus(binary, BinaryToken, 'secret')).otherStorage
    expect(await left()).toBeGreaterThan(0)
    const [rotated] = await rotateColumns(binary, BinaryToken, COLUMNS, { batchSize: 50 })
    expect(rotated!.changed).toBeGreaterThan(0)
    await fleet.work()
    expect(await left()).toBe(0)
    for (const { changed } of await rotateColumns(binary, BinaryToken, COLUMNS)) expect(changed).toBe(0)
    for (const each of await verifyColumns(binary, BinaryToken, COLUMNS))
      expect(each).toMatchObject({ failed: 0, rows: ROWS })

    await fleet.stop()
    expect(fleet.wrong).toEqual([])
    const rows = await binary.getRepository(BinaryToken).find()
    expect(new Map(rows.map(({ id, secret }) => [id, secret]))).toEqual(fleet.expected)
    const stored = await db().rawQuery('SELECT secret, bytes, data FROM token')
    for (const column of COLUMNS) for (const row of stored) expect((row[column] as Buffer)[0]).toBe(0xc1)
  })

  it('may instead have new instances not write until the last old one is gone', async () => {
    await start()
    await widen()
    await fleet.roll({ entity: entities.AcceptingToken, writes: false })
    await fleet.roll(accepting())
    await fleet.stop()
    expect(fleet.wrong).toEqual([])
  })

  it('is needed: an old instance takes the ciphertext of a new one for its value', async () => {
    await start()
    await widen()
    await fleet.deploy(accepting())
    await fleet.work(1_000)
    await fleet.stop()
    expect(fleet.wrong[0]).toMatch(/^row \d+ was read as wQE|JSON/)
  })
})
