import { type KMSClient } from '@aws-sdk/client-kms'
import { Column, DataSource, Entity, In, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { columnStatus, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { isInUse, type KeyUsage, keyUsage } from '../../../src/cli/commands/keys/key-usage'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { keyTag } from '../../../src/cipher/format'
import { KeyAdministration } from '../../../src/kms/aws/key-administration'
import { type KeyInfo } from '../../../src/kms/aws/key-info'
import { describeDatabases, NEEDS_ROLES, type TestDatabase } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity('guarded')
class Guarded {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) bytes!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', nullable: true }) text!: string | null
  @KmsEncrypted({ type: 'buffer', nullable: true }) blob!: Buffer | null
  @KmsEncrypted({ type: 'string', mode: 'direct', nullable: true }) direct!: string | null
  @KmsEncrypted({ type: 'string', mode: 'direct', storage: 'text', nullable: true }) directText!:
    string | null
}

const VALUES = { bytes: 'b', text: 't', blob: Buffer.from('f'), direct: 'd', directText: 'e' }
const COLUMNS = Object.keys(VALUES) as (keyof typeof VALUES)[]

class Application {
  readonly client: KMSClient
  readonly keys: KeyAdministration

  private constructor(
    readonly kms: LocalKms,
    readonly dataSource: DataSource,
    readonly key: KeyInfo,
    readonly other: KeyInfo,
  ) {
    this.client = kms.client({ maxAttempts: 1 })
    this.keys = new KeyAdministration(this.client)
  }

  /** Encrypts under `key`, and from now on is configured for another one. */
  static async start(db: TestDatabase, blobs: 'aws' | 'opaque', entities = [Guarded]): Promise<Application> {
    const kms = new LocalKms({ quiet: true, blobs })
    const client = kms.client({ maxAttempts: 1 })
    const keys = new KeyAdministration(client)
    const create = async () => {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      return keys.describe(KeyMetadata?.Arn ?? '')
    }
    const [key, other] = [await create(), await create()]
    const connect = (keyId: string, schema: object) =>
      new DataSource(
        kmsEncryption({ keyId, client }).configure({
          ...db.options,
          entities,
          ...schema,
        }),
      ).initialize()
    const first = await connect(key.arn, { synchronize: true, dropSchema: true })
    await first.getRepository(Guarded).insert([
      { id: 1, ...VALUES },
      { id: 2, bytes: null, text: null, blob: null, direct: null, directText: null },
    ])
    await first.destroy()
    return new Application(kms, await connect(other.arn, {}), key, other)
  }

  async usage(key = this.key): Promise<Record<string, KeyUsage>> {
    const found = await keyUsage(this.dataSource, key, this.keys)
    return Object.fromEntries(found.map((usage) => [usage.column.replace('Guarded.', ''), usage]))
  }

  stop(): Promise<void> {
    return this.dataSource.destroy()
  }
}

describeDatabases('The deletion guard', (db) => {
  it.each(['aws', 'opaque'] as const)('counts every value under the key, of %s blobs', async (blobs) => {
    const app = await Application.start(db(), blobs)
    const usage = await app.usage()
    for (const column of COLUMNS) {
      expect(usage[column]).toEqual({
        column: `Guarded.${column}`,
        rows: 1,
        history: 0,
        untold: 0,
        configured: false,
        unseen: undefined,
      })
    }
    // The key that is configured, and has no value yet.
    for (const found of Object.values(await app.usage(app.other))) {
      expect(found).toMatchObject({ rows: 0, untold: 0, configured: true })
    }
    // The status knows them too, where the column cannot hold anything else that begins so.
    expect(await columnStatus(app.dataSource, Guarded, 'bytes')).toMatchObject({
      plaintext: 0,
      unknown: 0,
      ciphertext: [{ keyTag: keyTag(app.key.arn).toString('hex'), rows: 1 }],
    })
    await app.stop()
  })

  it('takes whatever begins like a ciphertext for one, as bytes and as base64', async () => {
    const app = await Application.start(db(), 'aws')
    const [own, foreign] = [keyTag(app.key.arn), Buffer.from('01020304', 'hex')]
    const value = (suite: number, tag: Buffer, version = 1) =>
      Buffer.concat([Buffer.from([0xc1, version, suite]), tag, Buffer.alloc(20, 9)])
    const store = async (bytes: Buffer) => {
      const stored = [bytes, bytes.toString('base64'), bytes, bytes, bytes.toString('base64')]
      const names = COLUMNS.map((name) => db().quote(name)).join(', ')
      await db().rawQuery('DELETE FROM guarded')
      await db().rawQuery(`INSERT INTO guarded (id, ${names}) VALUES (1, ?, ?, ?, ?, ?)`, stored)
    }
    const verdicts = async () => {
      const usage = await app.usage()
      return COLUMNS.map((column) => [usage[column]?.rows, usage[column]?.untold])
    }
    const all = (verdict: number[]) => COLUMNS.map(() => verdict)

    for (const suite of [1, 2, 3]) {
      await store(value(suite, own))
      expect(await verdicts()).toEqual(all([1, 0]))
      await store(value(suite, foreign))
      expect(await verdicts()).toEqual(all([0, 0]))
    }
    for (const suite of [0, 4, 63, 64, 200, 255]) {
      await store(value(suite, own))
      expect(await verdicts()).toEqual(all([0, 1]))
    }
    // Cut off within the header.
    await store(value(1, own).subarray(0, 5))
    expect(await verdicts()).toEqual(all([0, 1]))
    // Of a later version: bytes of the application may begin so, texts cannot.
    await store(value(1, own, 2))
    const later = await app.usage()
    expect([later['bytes']?.untold, later['direct']?.untold, later['blob']?.untold]).toEqual([1, 1, 0])
    await app.stop()
  })

  it('says what it could not look at: a table that is missing', async () => {
    const app = await Application.start(db(), 'aws')
    await db().rawQuery('DROP TABLE guarded')
    const usage = Object.values(await app.usage())
    expect(usage).toHaveLength(COLUMNS.length)
    for (const found of usage) {
      expect(found.unseen).toContain('the database has no column')
      expect(isInUse(found)).toBe(true)
    }
    await app.stop()
  })

  it('counts values under a replica that is no more', async () => {
    const app = await Application.start(db(), 'aws')
    const key = { ...app.other, id: 'mrk-1', arn: 'arn:aws:kms:us-east-1:1:key/mrk-1' }
    const related = [key.arn, 'arn:aws:kms:eu-west-1:1:key/mrk-1']
    // Under `app.key`, which is known: none of the replica's.
    expect((await app.usage({ ...key, related }))['bytes']).toMatchObject({ rows: 0, untold: 0 })
    // A replica that KMS still tells of.
    expect((await app.usage({ ...key, related: [...related, app.key.arn] }))['bytes']).toMatchObject({
      rows: 1,
    })
    // Of a key that this account and region do not have, it may be.
    await app.stop()
    const stranger = await Application.start(db(), 'aws')
    const usage = await keyUsage(stranger.dataSource, { ...key, related }, app.keys)
    expect(usage[0]).toMatchObject({ rows: 0, untold: 1 })
    await stranger.stop()
  })

  it('does not take what it may not ask for a no', async () => {
    const app = await Application.start(db(), 'aws')
    const options = kmsEncryption({ keyId: 'alias/elsewhere', client: app.client }).configure({
      ...db().options,
      entities: [Guarded],
    })
    const dataSource = await new DataSource(options).initialize()
    app.kms.misbehave({ deny: 'DescribeKey' })
    const [found] = await keyUsage(dataSource, app.other, app.keys)
    expect(found?.unseen).toContain('KMS does not say which key alias/elsewhere is')
    app.kms.misbehave({})
    const [known] = await keyUsage(dataSource, app.other, app.keys)
    expect(known).toMatchObject({ configured: false, unseen: undefined })
    await dataSource.destroy()
    await app.stop()
  })

  it('looks at a column of two entities once', async () => {
    @Entity({ name: 'guarded', ...(db().name === 'postgres' ? { schema: 'public' } : {}) })
    class Again {
      @PrimaryColumn('int') id!: number
      @KmsEncrypted({ type: 'string', nullable: true }) bytes!: string | null
    }
    const app = await Application.start(db(), 'aws')
    const options = kmsEncryption({ keyId: app.key.arn, client: app.client }).configure({
      ...db().options,
      entities: [Guarded, Again],
    })
    const dataSource = await new DataSource(options).initialize()
    expect(encryptedColumns(dataSource)).toHaveLength(COLUMNS.length)
    await dataSource.destroy()
    await app.stop()
  })
})

/** It shows one of the two rows, and not the one with values. */
@Entity('guarded_view')
class Seen {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) bytes!: string | null
}

describeDatabases('Through a view that leaves rows out', (db) => {
  it('nothing is certified, and every count says so', async () => {
    const app = await Application.start(db(), 'aws')
    await db().rawQuery(`CREATE VIEW guarded_view AS SELECT id, bytes FROM guarded WHERE id <> 1`)
    const encryption = kmsEncryption({ keyId: app.other.arn, client: app.client })
    const options = encryption.configure({ ...db().options, entities: [Seen] })
    const dataSource = await new DataSource(options).initialize()
    const [found] = await keyUsage(dataSource, app.key, app.keys)
    // In SQLite's catalogue nothing is said of a view.
    const isKnown = db().name !== 'sqlite'
    expect(found?.unseen).toContain(
      isKnown ? 'guarded_view is a view' : 'no column bytes in the table guarded_view',
    )
    const status = columnStatus(dataSource, Seen, 'bytes')
    if (isKnown) expect(await status).toMatchObject({ rows: 1, hiddenBy: 'view' })
    else expect(await failure(status)).toMatchObject({ code: 'COLUMN_TYPE' })
    expect(await failure(verifyColumns(dataSource, Seen, ['bytes']))).toMatchObject({ kind: 'run' })
    await dataSource.destroy()
    await db().rawQuery('DROP VIEW guarded_view')
    await app.stop()
  })
})

describeDatabases(
  'With row level security',
  (db) => {
    it('nothing is certified, and every count says so', async () => {
      const app = await Application.start(db(), 'aws')
      const role = `role_${Math.random().toString(36).slice(2)}`
      const { dataSource } = app
      await db().rawQuery('ALTER TABLE guarded ENABLE ROW LEVEL SECURITY')
      await db().rawQuery(`CREATE ROLE ${role}`)
      const runner = dataSource.createQueryRunner()
      await runner.query(`GRANT SELECT ON guarded TO ${role}`)
      await runner.release()
      const options = kmsEncryption({ keyId: app.other.arn, client: app.client }).configure({
        ...db().options,
        entities: [Guarded],
        extra: { options: `-c role=${role}` },
      })
      const asRole = await new DataSource(options).initialize()

      expect(await columnStatus(asRole, Guarded, 'bytes')).toMatchObject({ rows: 0, hiddenBy: 'policy' })
      expect(await columnStatus(dataSource, Guarded, 'bytes')).toMatchObject({ rows: 2, hiddenBy: undefined })
      const error = await failure(verifyColumns(asRole, Guarded, ['bytes']))
      expect(error).toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Guarded', property: 'bytes' })
      expect(error.message).toContain('BYPASSRLS')
      for (const found of await keyUsage(asRole, app.key, app.keys)) {
        expect(found.unseen).toContain('row level security hides rows of the table guarded')
        expect(isInUse(found)).toBe(true)
      }

      // The owner is above policies, unless they are forced.
      await db().rawQuery(`ALTER TABLE guarded FORCE ROW LEVEL SECURITY`)
      await db().rawQuery(`ALTER TABLE guarded OWNER TO ${role}`)
      expect(await columnStatus(asRole, Guarded, 'bytes')).toMatchObject({ rows: 0, hiddenBy: 'policy' })
      await db().rawQuery(`ALTER TABLE guarded NO FORCE ROW LEVEL SECURITY`)
      expect(await columnStatus(asRole, Guarded, 'bytes')).toMatchObject({ rows: 2, hiddenBy: undefined })
      expect(await verifyColumns(asRole, Guarded, ['bytes'])).toMatchObject([{ rows: 1, failed: 0 }])
      await db().rawQuery(`ALTER TABLE guarded OWNER TO CURRENT_USER`)

      await db().rawQuery(`REVOKE SELECT ON guarded FROM ${role}`)
      expect(await failure(columnStatus(asRole, Guarded, 'bytes'))).toMatchObject({ code: 'TABLE_ACCESS' })
      for (const found of await keyUsage(asRole, app.key, app.keys)) {
        expect(found.unseen).toContain('may not read the table guarded')
      }
      await asRole.destroy()
      await db().rawQuery(`DROP OWNED BY ${role}`)
      await db().rawQuery(`DROP ROLE ${role}`)
      await app.stop()
    })
  },
  { databases: ['postgres'], without: NEEDS_ROLES },
)

describeDatabases(
  'A system-versioned table',
  (db) => {
    it('is told to keep plaintext and ciphertext in its history', async () => {
      const app = await Application.start(db(), 'aws')
      await db().rawQuery('ALTER TABLE guarded ADD SYSTEM VERSIONING')
      expect(await columnStatus(app.dataSource, Guarded, 'bytes')).toMatchObject({
        history: { rows: 0, plaintext: 0 },
      })
      await db().rawQuery("UPDATE guarded SET bytes = 'plain' WHERE id = 2")
      await db().rawQuery('UPDATE guarded SET bytes = NULL')
      expect(await columnStatus(app.dataSource, Guarded, 'bytes')).toMatchObject({
        rows: 2,
        null: 2,
        plaintext: 0,
        ciphertext: [],
        history: { plaintext: 1, ciphertext: [{ rows: 1 }] },
      })
      expect((await app.usage())['bytes']).toMatchObject({ rows: 0, history: 1 })
      await app.stop()
    })
  },
  { databases: ['mariadb'] },
)

@Entity('kept_safe')
class KeptSafe {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['id'] } }) bound!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, keyPer: ['tenant'], storage: 'text' }) keyed!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['id'] }, keyPer: ['tenant'] }) both!:
    string | null
  @KmsEncrypted({ type: 'string', nullable: true, mode: 'direct', boundTo: { row: ['id'] } }) direct!:
    string | null
  @KmsEncrypted({ type: 'buffer', nullable: true, mode: 'direct', storage: 'text', keyPer: ['tenant'] })
  blob!: Buffer | null
}

const KEPT = { bound: 'b', keyed: 'k', both: 'x', direct: 'd', blob: Buffer.from('f') }
const NOTHING = { bound: null, keyed: null, both: null, direct: null, blob: null }
const NAMES = Object.keys(KEPT) as (keyof typeof KEPT)[]
const ROWS_OF_TWO = [
  { id: 1, tenant: 1, ...KEPT },
  { id: 2, tenant: 2, ...KEPT },
]

/** Over a KMS whose blobs look like nothing known: values of every kind under a key that nobody is configured for. */
class OldKey {
  private constructor(
    readonly app: TestApplication,
    readonly old: KeyInfo,
    readonly keys: KeyAdministration,
  ) {}

  static async start(db: TestDatabase, dataKeys: 'inline' | { lease: number }): Promise<OldKey> {
    const app = await startApplication(db, [KeptSafe], { dataKeys }, {}, { blobs: 'opaque' })
    const keys = new KeyAdministration(app.client)
    const old = await keys.describe(await app.createKey())
    const { dataSource } = await app.restart({ keyId: old.arn })
    await dataSource.getRepository(KeptSafe).insert(ROWS_OF_TWO)
    return new OldKey(app, old, keys)
  }

  get dataSource(): DataSource {
    return this.app.dataSource
  }

  usage(of = this.old): Promise<KeyUsage[]> {
    return keyUsage(this.dataSource, of, this.keys)
  }

  /** Of each column: rows, earlier versions, and values of which nobody can tell the key. */
  async counts(of = this.old): Promise<Record<string, number[]>> {
    const found = new Map((await this.usage(of)).map((each) => [each.column, each]))
    return counted((name) => {
      const { rows, history, untold } = found.get(`KeptSafe.${name}`) ?? { rows: NaN, history: 0, untold: 0 }
      return [rows, history, untold]
    })
  }

  /** Without a value in a row. */
  async emptyIntoHistory(db: TestDatabase): Promise<void> {
    await db.rawQuery('ALTER TABLE kept_safe ADD SYSTEM VERSIONING')
    await this.dataSource.getRepository(KeptSafe).update({ id: In([1, 2]) }, NOTHING)
  }
}

function counted(of: (name: string) => number[]): Record<string, number[]> {
  return Object.fromEntries(NAMES.map((name) => [name, of(name)]))
}

const MODES = [['inline'], [{ lease: 500 }]] as const

describeDatabases('The deletion guard and values that are bound, keyed, stored or direct', (db) => {
  let safe: OldKey
  afterEach(() => safe.app.stop())

  it.each(MODES)('counts every one, with dataKeys %j', async (dataKeys) => {
    safe = await OldKey.start(db(), dataKeys)
    const { app, dataSource } = safe
    expect(await safe.counts()).toEqual(counted(() => [2, 0, 0]))
    const another = await safe.keys.describe(await app.createKey())
    expect(await safe.counts(another)).toEqual(counted(() => [0, 0, 0]))
    for (const name of NAMES) {
      const status = await columnStatus(dataSource, KeptSafe, name)
      expect(status).toMatchObject({ rows: 2, unknown: 0, missing: 0 })
    }
    await rotateColumns(dataSource, KeptSafe, NAMES)
    expect((await safe.usage()).filter(isInUse)).toEqual([])
    const fresh = (await app.restart()).dataSource.getRepository(KeptSafe)
    expect(await fresh.find({ order: { id: 'ASC' } })).toEqual(ROWS_OF_TWO)
  })

  it('does not tell the key of values whose stored data key is not there', async () => {
    safe = await OldKey.start(db(), { lease: 500 })
    await db().rawQuery('DELETE FROM kms_data_key')
    expect(await safe.counts()).toEqual(counted((name) => (isDirect(name) ? [2, 0, 0] : [0, 0, 2])))
  })
})

describeDatabases(
  'Earlier versions of values that are bound, keyed, stored or direct',
  (db) => {
    let safe: OldKey
    afterEach(async () => {
      await safe.app.stop()
      await db().rawQuery('DROP TABLE kept_safe')
    })

    it.each(MODES)('are counted, with dataKeys %j', async (dataKeys) => {
      safe = await OldKey.start(db(), dataKeys)
      await safe.emptyIntoHistory(db())
      expect(await safe.counts()).toEqual(counted(() => [0, 2, 0]))
      for (const name of NAMES) {
        const status = await columnStatus(safe.dataSource, KeptSafe, name, { keys: [safe.old.arn] })
        expect(status).toMatchObject({
          null: 2,
          history: { rows: 2, plaintext: 0, unknown: 0, missing: 0 },
        })
      }
      // What names a stored data key moves with it; what carries its own stays under the key for ever.
      await rotateColumns(safe.dataSource, KeptSafe, NAMES)
      const moves = (name: string): boolean => dataKeys !== 'inline' && !isDirect(name)
      expect(await safe.counts()).toEqual(counted((name) => (moves(name) ? [0, 0, 0] : [0, 2, 0])))
    })

    it('are told by forgetting, which leaves none behind unsaid', async () => {
      safe = await OldKey.start(db(), { lease: 500 })
      const { encryption, dataSource } = safe.app
      await safe.emptyIntoHistory(db())
      const forget = (leaveInline: boolean) => encryption.forget({ tenant: '2' }, { leaveInline }, dataSource)
      // The direct value of an earlier version opens afterwards.
      const error = await failure(forget(false))
      expect(error).toMatchObject({ code: 'INLINE_VALUES_LEFT' })
      expect(error.message).toContain('KeptSafe.blob')
      expect(error.message).toContain('DELETE HISTORY')
      const { columns } = await forget(true)
      expect(columns.map(({ property, rows, history, inline }) => [property, rows, history, inline])).toEqual(
        [
          ['keyed', 0, 1, 0],
          ['both', 0, 1, 0],
          ['blob', 0, 0, 1],
        ],
      )
      const status = await columnStatus(dataSource, KeptSafe, 'keyed')
      expect(status.history).toMatchObject({ forgotten: 1 })
    })
  },
  { databases: ['mariadb'] },
)

function isDirect(name: string): boolean {
  return ['direct', 'blob'].includes(name)
}
