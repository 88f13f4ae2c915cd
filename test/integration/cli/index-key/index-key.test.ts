import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { databaseFindings } from '../../../../src/cli/commands/doctor/database'
import { kmsFindings } from '../../../../src/cli/commands/doctor/kms'
import { isInUse, keyUsage } from '../../../../src/cli/commands/keys/key-usage'
import { KeyAdministration } from '../../../../src/kms/aws/key-administration'
import { encryptedColumns } from '../../../../src/migration/encrypted-columns'
import { describeDatabases, itWithInstalledTypeorm } from '../../../support/databases'
import { KEY, startApplication, type TestApplication, withIndexKey } from '../../../support/encryption'
import { typeormKms } from '../tool'
import { Subscriber } from './ormconfig'

/** The option `indexKey` is not in the database, so one database shows all of it. */
const ONE = { databases: ['sqlite'] } as const
const itOnce = itWithInstalledTypeorm('The key of blind indexes')

describeDatabases(
  'The key of blind indexes',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer
    let indexKey: string
    let old: string
    let next: string

    beforeEach(async () => {
      app = await startApplication(db(), [Subscriber], async (test) => {
        const made = await withIndexKey(test)
        indexKey = made.indexKey
        return made
      })
      server = await app.kms.listen()
      old = (await new KeyAdministration(app.client).metadata(KEY)).Arn
      next = await app.createKey()
      await app.dataSource.getRepository(Subscriber).insert({ id: 1, email: 'a@x' })
    })
    afterEach(async () => {
      await server.close()
      await app.stop()
    })

    const tool = (args: string, keys: { keyId?: string; indexKey?: string } = {}) =>
      typeormKms([...args.split(' '), '-d', 'test/integration/cli/index-key/ormconfig.ts'], {
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_REGION: app.kms.region,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        TEST_DATABASE: JSON.stringify(db().options),
        KMS_KEY_ID: keys.keyId ?? next,
        KMS_INDEX_KEY: keys.indexKey ?? indexKey,
      })
    const flat = (text: string): string => text.replace(/\s+/g, ' ')
    const inUse = async (dataSource: TestApplication['dataSource'], key: string) => {
      const keys = new KeyAdministration(app.client)
      const usage = await keyUsage(dataSource, await keys.describe(key), keys)
      return usage.filter(isInUse)
    }

    itOnce('moves with its own command, keeps every index, and holds its KMS key until then', async () => {
      const rotated = await tool('rotate')
      expect(rotated.status).toBe(0)
      const stays = `indexKey is still under ${old}: searching, and writing searched columns, needs that KMS key. To move it: typeorm-kms keys rewrap-index-key ${next} -d test/integration/cli/index-key/ormconfig.ts`
      expect(flat(rotated.stderr)).toContain(`! ${stays}`)

      const status = await tool('status')
      expect(status.stdout).toContain(`indexKey is under ${old}`)
      expect(flat(status.stdout)).toContain(`! ${stays}`)

      // No value is under it any more, and the index key is.
      const refused = await tool(`keys schedule-deletion ${old} --days 7`)
      expect(refused.status).toBe(1)
      expect(refused.stderr).toContain('indexKey: the key of the blind indexes is under it')
      expect(refused.stderr).toContain('typeorm-kms keys rewrap-index-key KEY -d')

      const moved = await tool(`keys rewrap-index-key ${next} --json`)
      expect(moved).toMatchObject({ status: 0, stderr: '' })
      const made = JSON.parse(moved.stdout) as { indexKey: string }
      expect(made).toEqual({ indexKey: expect.any(String) as string, from: old, to: next })
      expect(made.indexKey).not.toBe(indexKey)
      const deleted = await tool(`keys schedule-deletion ${old} --days 7`, made)
      expect(deleted).toMatchObject({ status: 0 })
      const { dataSource } = await app.restart({ keyId: next, indexKey: made.indexKey })
      expect(await dataSource.getRepository(Subscriber).findOneBy({ email: 'a@x' })).toMatchObject({ id: 1 })
    })

    it('keeps every KMS key where nobody can tell which it is under', async () => {
      await db().rawQuery('DELETE FROM subscriber')
      app.kms.misbehave({ deny: 'Decrypt' })
      const [usage, ...others] = await inUse(app.dataSource, next)
      expect(others).toEqual([])
      expect(usage?.column).toBe('indexKey')
      expect(usage?.unseen).toMatch(/^KMS does not say which key indexKey is under: /)
      app.kms.misbehave({})
      expect(await inUse(app.dataSource, next)).toEqual([])
    })

    it('is tried out by the doctor', async () => {
      const bad = async ({ dataSource }: Pick<TestApplication, 'dataSource'>) => {
        const found = await kmsFindings(encryptedColumns(dataSource), app.client, ({ cipher }) => cipher.kms)
        return found.filter(({ message }) => message.startsWith('indexKey'))
      }
      expect(await bad(app)).toMatchObject([{ level: 'ok', message: `indexKey opens, and is under ${old}` }])
      expect(await bad(await app.restart({ keyId: next }))).toMatchObject([{ level: 'warning' }])
      const broken = Buffer.from(indexKey, 'base64')
      broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
      expect(await bad(await app.restart({ indexKey: broken.toString('base64') }))).toMatchObject([
        { level: 'problem', message: expect.stringContaining('indexKey does not open') as string },
      ])
    })

    it('is told from another one by the rows, and rows without index are counted', async () => {
      const bad = async ({ dataSource }: Pick<TestApplication, 'dataSource'>) => {
        const found = await databaseFindings(dataSource, 'ormconfig.ts')
        return found.filter(({ message }) => message.includes('index'))
      }
      const message = 'Subscriber.email: every row has its blind index (email_index)'
      expect(await bad(app)).toMatchObject([{ level: 'ok', message }])
      expect(await bad(await app.restart(await withIndexKey(app)))).toMatchObject([
        { level: 'problem', message: expect.stringContaining('another index (email_index)') as string },
      ])
      await db().rawQuery('UPDATE subscriber SET email_index = NULL')
      expect(await bad(app)).toMatchObject([
        {
          level: 'problem',
          message:
            'Subscriber.email: 1 row without blind index (email_index): searches by it are refused until it is filled.',
          remedy: 'typeorm-kms encrypt -d ormconfig.ts --columns Subscriber.email',
        },
      ])
    })
  },
  ONE,
)
