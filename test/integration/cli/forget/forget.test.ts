import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { describeDatabases, itWithInstalledTypeorm } from '../../../support/databases'
import { startApplication, type TestApplication } from '../../../support/encryption'
import { typeormKms } from '../tool'
import { Member } from './ormconfig'

const it = itWithInstalledTypeorm('typeorm-kms forget')

describeDatabases(
  'typeorm-kms forget',
  (db) => {
    const folder = mkdtempSync(join(tmpdir(), 'forget-'))
    let app: TestApplication
    let server: LocalKmsServer

    beforeAll(async () => {
      app = await startApplication(db(), [Member], { dataKeys: { lease: 500 } })
      server = await app.kms.listen()
      await app.dataSource.getRepository(Member).insert({ id: 1, phone: '123' })
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
      rmSync(folder, { recursive: true })
    })

    const tool = (...args: string[]) => command('forget', ...args)
    const command = (name: string, ...args: string[]) =>
      typeormKms([name, '-d', 'test/integration/cli/forget/ormconfig.ts', ...args], {
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_REGION: app.kms.region,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        TEST_DATABASE: JSON.stringify(db().options),
      })

    it('asks, waits, undoes, and writes a report of what it destroyed', async () => {
      const unasked = await tool('--context', 'club=chess', '--days', '0')
      expect(unasked).toMatchObject({ status: 1 })
      expect(unasked.stderr).toContain('Member.phone: 1')
      expect(unasked.stderr).toContain('refused: nobody is there to be asked. Scripts say --yes.')

      const waiting = await tool('--context', '{"club":"chess"}', '--days', '30', '--yes')
      expect(waiting).toMatchObject({ status: 0, stderr: '' })
      expect(waiting.stdout).toContain('1 row will be forgotten. They can be read until then.')
      expect(await tool('--due')).toMatchObject({
        stdout: expect.stringContaining('Nothing to do') as string,
      })

      const undone = await tool('--context', 'club=chess', '--undo', '--json')
      expect(JSON.parse(undone.stdout)).toMatchObject({ state: 'restored', rows: 1 })
      expect(await app.dataSource.getRepository(Member).find()).toEqual([{ id: 1, phone: '123' }])

      const file = join(folder, 'report.json')
      const done = await tool('--context', 'club=chess', '--days', '0', '--yes', '--report', file)
      expect(done).toMatchObject({ status: 0, stderr: '' })
      expect(done.stdout).toMatch(/✓ 1 row forgotten\.[^]*KMS key +arn:aws:kms:[^]*Backups/)
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
        state: 'destroyed',
        rows: 1,
        pairs: { club: 'chess' },
        columns: [{ entity: 'Member', property: 'phone', rows: 1 }],
      })
    })

    it('leaves nothing of which verify says that it opens', async () => {
      const [verified, rotated] = await Promise.all([command('verify'), command('rotate')])
      const forgotten = '1 is forgotten: the data key was destroyed, and nothing opens it'
      expect(verified.stdout).toContain(forgotten)
      expect(verified.stdout).toContain('No value opens: all are forgotten.')
      expect(verified.stdout).not.toContain('Every value')
      expect(rotated).toMatchObject({ status: 0, stdout: expect.stringContaining(forgotten) as string })
    })
  },
  { databases: ['mariadb'] },
)
