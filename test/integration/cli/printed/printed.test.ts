import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DataSourceOptions } from 'typeorm'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import {
  describeDatabases,
  itWithInstalledTypeorm,
  NEEDS_ROLES,
  type TestDatabase,
} from '../../../support/databases'
import { startApplication, type TestApplication } from '../../../support/encryption'
import { type Run, typeormKms } from '../tool'
import { Safe } from './entities'

// What a person reads at night: the tool is run as a process, and its printed lines are looked at.

const FILE = 'test/integration/cli/printed/ormconfig.ts'

interface Situation {
  entity?: 'Safe' | 'Untyped'
  options?: Partial<DataSourceOptions>
}

function situation(db: () => TestDatabase) {
  let app: TestApplication
  let server: LocalKmsServer

  beforeEach(async () => {
    app = await startApplication(db(), [Safe])
    server = await app.kms.listen()
    await app.dataSource.getRepository(Safe).insert([
      { id: 1, note: 'one' },
      { id: 2, note: 'two' },
      { id: 3, note: null },
    ])
  })
  afterEach(async () => {
    await server.close()
    await app.stop()
  })

  return {
    app: () => app,
    sql: (statement: string, parameters: unknown[] = []) => db().rawQuery(statement, parameters),
    tool: (args: string, { entity = 'Safe', options = {} }: Situation = {}): Promise<Run> =>
      typeormKms(args.split(' '), {
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
        PRINTED_TASK: JSON.stringify({
          options: { ...db().options, ...options },
          endpoint: server.url,
          entity,
        }),
      }),
  }
}

/** One line, however the tool broke it. */
const flat = (text: string): string => text.replace(/\s+/g, ' ')
const itOnce = itWithInstalledTypeorm('What the tool prints')

describeDatabases(
  'Under row level security, the tool',
  (db) => {
    const { tool, sql } = situation(db)
    const role = `role_${randomBytes(6).toString('hex')}`
    const asRole = { options: { extra: { options: `-c role=${role}` } } } as Situation
    let folder: string

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'printed-'))
      await sql(`CREATE ROLE ${role}`)
      await sql(`GRANT ALL ON SCHEMA public TO ${role}`)
      await sql(`GRANT SELECT, UPDATE ON safe TO ${role}`)
      await sql('ALTER TABLE safe ENABLE ROW LEVEL SECURITY')
      await sql(`UPDATE safe SET note = 'plain' WHERE id = 2`)
    })
    afterEach(async () => {
      rmSync(folder, { recursive: true, force: true })
      await sql(`REASSIGN OWNED BY ${role} TO CURRENT_USER`)
      await sql(`DROP OWNED BY ${role}`)
      await sql(`DROP ROLE ${role}`)
    })

    const generate = () => tool(`migration:generate ${folder}/Next -d ${FILE}`, asRole)

    itOnce('certifies nothing and writes no migration', async () => {
      const refused = {
        status: await tool(`status -d ${FILE}`, asRole),
        doctor: await tool(`doctor -d ${FILE}`, asRole),
        verify: await tool(`verify -d ${FILE}`, asRole),
        generate: await generate(),
      }
      for (const { status, stdout, stderr } of Object.values(refused)) {
        expect(status).toBe(1)
        expect(flat(stdout + stderr)).toContain('row level security hides rows of the table safe')
        expect(flat(stdout + stderr)).toContain('BYPASSRLS')
      }
      expect(refused.doctor.stdout).not.toContain('All is well')
      expect(refused.verify.stdout).not.toContain('Every value opens')
      expect(readdirSync(folder)).toEqual([])
    })

    itOnce('says before it changes anything that it does not see all rows', async () => {
      for (const command of ['encrypt', 'rotate', 'decrypt --yes']) {
        const { stdout, stderr } = await tool(`${command} -d ${FILE}`, asRole)
        expect(flat(stderr)).toContain('! Safe.note: row level security hides rows of the table safe')
        expect(stdout).toContain('0 rows seen')
      }
      expect(await sql(`SELECT id FROM safe WHERE note = 'plain'`)).toEqual([{ id: 2 }])
    })

    itOnce('takes the owner for one who sees all, unless it is forced on the owner', async () => {
      await sql(`ALTER TABLE safe OWNER TO ${role}`)
      const owner = await tool(`status -d ${FILE}`, asRole)
      expect(owner).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/Safe\.note +3 +1 +1 +1/) as string,
      })
      expect((await generate()).status).toBe(0)
      expect(readdirSync(folder)).toHaveLength(1)

      await sql('ALTER TABLE safe FORCE ROW LEVEL SECURITY')
      const forced = await tool(`doctor -d ${FILE}`, asRole)
      expect(forced.status).toBe(1)
      expect(flat(forced.stdout)).toContain('ALTER TABLE … NO FORCE ROW LEVEL SECURITY')
      expect((await tool(`verify -d ${FILE}`, asRole)).status).toBe(1)
    })

    itOnce('lets a role with BYPASSRLS pass', async () => {
      await sql(`ALTER ROLE ${role} BYPASSRLS`)
      const encrypted = await tool(`encrypt -d ${FILE}`, asRole)
      expect(encrypted).toMatchObject({ status: 0, stderr: '' })
      expect(encrypted.stdout).toContain('Safe.note: 1 encrypted, 2 rows seen')
      const verified = await tool(`verify -d ${FILE}`, asRole)
      expect(verified).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('Every value opens') as string,
      })
      const doctor = await tool(`doctor -d ${FILE}`, asRole)
      expect([doctor.status, doctor.stdout]).toEqual([0, expect.stringContaining('All is well')])
    })
  },
  { databases: ['postgres'], without: NEEDS_ROLES },
)

describeDatabases(
  'Of a system-versioned table, the tool',
  (db) => {
    const { tool, sql } = situation(db)

    itOnce('says what its history keeps, and what to do', async () => {
      await sql('ALTER TABLE safe ADD SYSTEM VERSIONING')
      await sql(`UPDATE safe SET note = 'plain' WHERE id = 2`)
      const remark = (count: string) =>
        `! Safe.note: ${count} of rows hold plaintext in the history of the system-versioned table safe. Encrypting changes no history. When nobody needs it: DELETE HISTORY FROM safe`

      const before = await tool(`status -d ${FILE}`)
      expect(before.stdout).not.toContain('history')
      const encrypted = await tool(`encrypt -d ${FILE}`)
      expect([encrypted.status, flat(encrypted.stderr)]).toEqual([
        0,
        expect.stringContaining(remark('1 earlier version')),
      ])
      const after = await tool(`status -d ${FILE}`)
      expect(after.stdout).toMatch(/Safe\.note +3 +1 +0 +2/)
      expect(flat(after.stdout)).toContain(remark('1 earlier version'))
      const doctor = await tool(`doctor -d ${FILE}`)
      expect([doctor.status, flat(doctor.stdout)]).toEqual([
        0,
        expect.stringContaining(remark('1 earlier version')),
      ])
      expect(doctor.stdout).toContain('No problems, 1 warning.')

      await sql('DELETE HISTORY FROM safe')
      expect((await tool(`status -d ${FILE}`)).stdout).not.toContain('history')
    })
  },
  { databases: ['mariadb'] },
)

/** What is printed is the same whatever the database; what the passes do on each is tested in maintenance.test.ts. */
const ONE = { databases: ['sqlite'] } as const

describeDatabases(
  'The tool',
  (db) => {
    const { tool, sql, app } = situation(db)

    itOnce('names the type that string | null needs', async () => {
      await sql('UPDATE safe SET note = ? WHERE id = 2', [Buffer.from('plain')])
      const status = await tool(`status -d ${FILE}`, { entity: 'Untyped' })
      const remark =
        /! Untyped\.note: 1 of 1 values .* of the type json\. .* string \| null.* Declare it: @KmsEncrypted\(\{ type: 'string' \}\)/
      expect(flat(status.stdout)).toMatch(remark)
      // To encrypt them as they are would be to lose them.
      expect(status.stdout).not.toContain('typeorm-kms encrypt')
      const doctor = await tool(`doctor -d ${FILE}`, { entity: 'Untyped' })
      expect(doctor.status).toBe(1)
      expect(flat(doctor.stdout)).toMatch(
        new RegExp(
          remark.source
            .replace('! ', '✗ ')
            .replace('1 of 1', '1 row of plaintext: reading them fails. 1 of 1'),
        ),
      )
      expect(doctor.stdout).not.toContain('typeorm-kms encrypt')
    })

    itOnce('lists in its doctor what became of each declaration', async () => {
      const { status, stdout } = await tool(`doctor -d ${FILE}`)
      expect([status, flat(stdout)]).toEqual([0, expect.stringContaining('Safe.note: encrypted, in ')])
      expect(flat(stdout)).toContain('Base.note: overridden by nearer declarations, which are encrypted')
      expect(flat(stdout)).toContain('Elsewhere.secret: declared, and no entity of this DataSource has it')
    })

    itOnce('lists as many broken rows as it is told to, and counts all', async () => {
      const [{ note }] = (await sql('SELECT note FROM safe WHERE id = 1')) as [{ note: Buffer }]
      const broken = Buffer.from(note)
      broken[broken.length - 1]! ^= 1
      for (let id = 10; id < 15; id++) await sql('INSERT INTO safe (id, note) VALUES (?, ?)', [id, broken])

      const two = await tool(`verify -d ${FILE} --list 2`)
      expect(two.status).toBe(1)
      expect(two.stdout).toContain('Safe.note: 5 of 7 values do not open')
      expect(two.stdout.match(/Safe\.note \(id=\d+\)/g)).toEqual(['Safe.note (id=10)', 'Safe.note (id=11)'])
      expect(two.stdout).toContain('and 3 more')
      expect(two.stderr).toContain('5 values cannot be read')
      const all = await tool(`verify -d ${FILE} --list 5`)
      expect(all.stdout.match(/Safe\.note \(id=\d+\)/g)).toHaveLength(5)
      expect(all.stdout).not.toContain('more')
      const none = await tool(`verify -d ${FILE} --list 0`)
      expect(none.stdout).not.toContain('id=')
      expect(none.stdout).toContain('and 5 more')
    })

    itOnce('leaves broken rows as they are with --skip-failed, names them, and exits with 1', async () => {
      const [{ note }] = (await sql('SELECT note FROM safe WHERE id = 1')) as [{ note: Buffer }]
      const broken = Buffer.from(note)
      broken[broken.length - 1]! ^= 1
      await sql('UPDATE safe SET note = ? WHERE id = 2', [broken])
      const named = (run: Run) => [run.status, run.stdout.match(/Safe\.note \(id=\d+\)/g), run.stderr]
      const skipped = [1, ['Safe.note (id=2)'], expect.stringContaining('1 row was left as it is')]

      const to = await app().createKey()
      const stopped = await tool(`rotate -d ${FILE} --new-data-keys --to ${to}`)
      expect(stopped.status).toBe(1)
      expect(named(await tool(`rotate -d ${FILE} --new-data-keys --to ${to} --skip-failed`))).toEqual(skipped)
      expect(named(await tool(`decrypt -d ${FILE} --yes --skip-failed`))).toEqual(skipped)
      const [row] = await sql('SELECT note FROM safe WHERE id = 2')
      expect(row).toEqual({ note: broken })
      // Nothing of UTF-8 can be made of these bytes, so that they are not what the column declares.
      await sql('UPDATE safe SET note = ? WHERE id = 1', [Buffer.from([0xff, 0xfe])])
      const encrypted = await tool(`encrypt -d ${FILE} --skip-failed`)
      expect(named(encrypted)).toEqual([
        1,
        ['Safe.note (id=1)'],
        expect.stringContaining('1 row was left as it is'),
      ])
    })
  },
  ONE,
)
