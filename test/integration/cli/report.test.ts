import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { parseArguments } from '../../../src/cli/command'
import { report } from '../../../src/cli/commands/report'
import { gather } from '../../../src/cli/commands/report/gather'
import { page } from '../../../src/report/page'
import { type Report } from '../../../src/report/report'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { Safe } from './printed/entities'
import { typeormKms } from './tool'

/** What must stand nowhere in a report. The tenants are in encryption contexts. */
const TENANTS = [918_273_645, 918_273_646]
const CANARY = 'canary-4f1d'

@Entity({ name: 'reported_account' })
class Account {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'int' }) tenantId!: number
  @Column({ type: 'varchar', length: 60 }) name!: string
  @KmsEncrypted({ type: 'string', nullable: true, boundTo: { row: ['id'] }, keyPer: ['tenantId'] })
  iban!: string | null
  @KmsEncrypted({ search: true, unique: true }) email!: string
  @KmsEncrypted({ search: true }) city!: string
  @KmsEncrypted({ mode: 'direct', acceptPlaintext: true }) pin!: string
}

describeDatabases('A report', (db) => {
  let app: TestApplication
  let made: Report

  beforeAll(async () => {
    app = await startApplication(db(), [Account], async (test) => ({
      ...(await withIndexKey(test)),
      dataKeys: 'stored',
      trustedKeys: ['111122223333'],
    }))
    const accounts = [0, 1, 2, 3].map((id) => ({
      id,
      tenantId: TENANTS[id % 2]!,
      name: `${CANARY}-name-${id}`,
      iban: id === 3 ? null : `${CANARY}-iban-${id}`,
      email: `${CANARY}-email-${id}`,
      city: `${CANARY}-city-${Math.min(id, 1)}`,
      pin: `${CANARY}-pin-${id}`,
    }))
    await app.dataSource.getRepository(Account).insert(accounts)
    await db().rawQuery(`UPDATE reported_account SET pin = ? WHERE id = 0`, [Buffer.from(`${CANARY}-plain`)])
    made = await gather(app.dataSource, parseArguments(report, ['-d', 'ormconfig.ts']))
  })
  afterAll(() => app.stop())

  it('has settings and counts of each column', () => {
    const [iban, email, city, pin] = made.columns
    const { arn } = { arn: made.kmsKeys[0]!.name }
    expect(iban).toMatchObject({
      name: 'Account.iban',
      table: expect.stringContaining('reported_account') as string,
      mode: 'envelope',
      dataKeys: 'stored',
      kmsKey: 'alias/test',
      keyPer: ['tenantId'],
      boundToRow: ['id'],
      unseen: undefined,
      holds: {
        rows: 4,
        null: 1,
        encrypted: 3,
        plaintext: 0,
        keys: [{ mode: 'stored', kmsKey: arn, rows: 3, dataKeys: 2, oldest: expect.any(Date) as Date }],
        byMonth: { [new Date().toISOString().slice(0, 7)]: 3 },
      },
    })
    expect(email).toMatchObject({
      context: { table: expect.stringContaining('reported_account') as string },
      indexes: [
        {
          name: 'index',
          column: 'email_index',
          isUnique: true,
          missing: 0,
          of: 'value',
          leakage: { rows: 4, distinct: 4, mostFrequent: 1, alone: 4, bits: 2 },
        },
      ],
    })
    expect(city?.indexes[0]?.leakage).toMatchObject({ rows: 4, distinct: 2, mostFrequent: 3, alone: 1 })
    expect(city?.indexes[0]?.leakage?.advice[0]).toContain('the most frequent in 75 % of the rows')
    expect(pin).toMatchObject({
      mode: 'direct',
      dataKeys: 'none',
      acceptsPlaintext: true,
      holds: { rows: 4, encrypted: 3, plaintext: 1, keys: [{ mode: 'direct', kmsKey: arn, rows: 3 }] },
    })
  })

  it('has the KMS keys, the key table, the settings of all columns, and what the doctor finds', () => {
    expect(made.kmsKeys).toMatchObject([
      {
        aliases: ['alias/test'],
        state: 'Enabled',
        rotation: 'off',
        rows: 14,
        configuredFor: ['Account.iban', 'Account.email', 'Account.city', 'Account.pin'],
      },
    ])
    expect(made.keyTable).toMatchObject({ sealing: 3, openingOnly: 0, toBeDestroyed: 0, destroyed: 0 })
    expect(made.settings).toEqual({ trustsNamedKeysOnly: true, keptInMemory: 300_000 })
    expect(made.findings).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        message: 'Account.pin: 1 row of plaintext, which acceptPlaintext lets pass.',
      }),
    )
    expect(made.findings.filter(({ level }) => level === 'problem')).toEqual([])
  })

  it('has no value of any row, no tenant, no ciphertext, no index and no data key', async () => {
    const stored = (await db().rawQuery('SELECT * FROM reported_account')).flatMap(Object.values) as unknown[]
    const keys = (await db().rawQuery('SELECT * FROM kms_data_key')).flatMap(
      ({ encrypted_data_key: key }) => key,
    )
    const bytes = [...stored, ...keys].filter((value) => value instanceof Uint8Array)
    expect(bytes.length).toBeGreaterThan(15)
    const secrets = [
      CANARY,
      ...TENANTS.map(String),
      ...bytes.flatMap((value) => {
        const begin = Buffer.from(value).subarray(0, 12)
        return [begin.toString('hex'), begin.toString('base64')]
      }),
    ]
    for (const text of [page(made), JSON.stringify(made)]) {
      const told = secrets.filter((secret) => text.toLowerCase().includes(secret.toLowerCase()))
      expect(told).toEqual([])
    }
  })
})

const itOnce = itWithInstalledTypeorm('The command report')

describeDatabases(
  'The command report',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer
    let folder: string

    beforeAll(async () => {
      app = await startApplication(db(), [Safe])
      server = await app.kms.listen()
      await app.dataSource.getRepository(Safe).insert([{ id: 1, note: CANARY }])
      folder = mkdtempSync(join(tmpdir(), 'report-'))
    })
    afterAll(async () => {
      rmSync(folder, { recursive: true, force: true })
      await server.close()
      await app.stop()
    })

    const tool = (...args: string[]) =>
      typeormKms(['report', '-d', 'test/integration/cli/printed/ormconfig.ts', ...args], {
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
        PRINTED_TASK: JSON.stringify({ options: db().options, endpoint: server.url, entity: 'Safe' }),
      })

    itOnce('writes the page, over an earlier one, and over nothing else', async () => {
      const file = join(folder, 'report.html')
      const first = await tool('--html', file)
      expect(first).toMatchObject({ status: 0, stderr: '' })
      expect(first.stdout).toMatch(/values encrypted +1\n/)
      expect(first.stdout).toContain(`→ Open ${file} in a browser`)
      const html = readFileSync(file, 'utf8')
      expect(html).toContain('Safe.note')
      expect(html).not.toContain(CANARY)

      const again = await tool('--html', file, '--json')
      expect(again.status).toBe(0)
      expect(JSON.parse(again.stdout)).toMatchObject({ columns: [{ name: 'Safe.note' }] })

      writeFileSync(file, 'something of mine')
      const refused = await tool('--html', file)
      expect(refused.status).toBe(2)
      expect(refused.stderr).toContain('is no such report')
      expect(readFileSync(file, 'utf8')).toBe('something of mine')
    })

    itOnce('fails, and writes the page, where a column could not be looked at', async () => {
      await db().rawQuery('ALTER TABLE safe RENAME TO elsewhere')
      const file = join(folder, 'unseen.html')
      const { status, stderr } = await tool('--html', file)
      expect([status, stderr]).toEqual([1, expect.stringContaining('1 of 1 columns could not be looked at')])
      expect(readFileSync(file, 'utf8')).toContain('could not be looked at')
    })
  },
  { databases: ['sqlite'] },
)
