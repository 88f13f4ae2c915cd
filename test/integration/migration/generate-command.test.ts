import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { testKms } from '../../support/encryption'
import { typeormCli, typeormKms, type Run } from '../cli/tool'
import { MARIADB } from './generated'

const ORMCONFIG = `
import 'reflect-metadata'
import { join } from 'node:path'
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, Entity, PrimaryColumn } from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity()
class Person {
  @PrimaryColumn('int') id: number
  @KmsEncrypted({ type: 'string' }) secret: string
  @KmsEncrypted({ type: 'number', nullable: true }) age: number | null
}

const { options, endpoint } = JSON.parse(process.env.CLI_TASK)
const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
const encryption = kmsEncryption({ keyId: 'alias/test', client })
const migrations = [join(__dirname, 'migrations', '*.ts')]
export default new DataSource(encryption.configure({ ...options, entities: [Person], migrations }))
`

/** What TypeORM takes for `int` on all three. */
const INTEGER = 'integer'

const itOnce = itWithInstalledTypeorm('migration:generate')

describeDatabases(
  'typeorm-kms migration:generate',
  (db) => {
    let server: LocalKmsServer
    let folder: string
    let ormconfig: string
    const environment = () => ({ CLI_TASK: JSON.stringify({ options: db().options, endpoint: server.url }) })
    const generate = (path: string): Promise<Run> =>
      typeormKms(['migration:generate', '-d', ormconfig, join(folder, path)], environment())
    const typeorm = (command: string): Promise<Run> => typeormCli([command, '-d', ormconfig], environment())
    const rows = () => db().rawQuery(`SELECT * FROM ${db().quote('person')} ORDER BY id`)

    beforeAll(async () => {
      server = await (await testKms()).kms.listen()
      folder = mkdtempSync(join(__dirname, '.generated-'))
      ormconfig = join(folder, 'ormconfig.ts')
      writeFileSync(ormconfig, ORMCONFIG)
      await db().rawQuery(
        `CREATE TABLE ${db().quote('person')} (id ${INTEGER} PRIMARY KEY NOT NULL, secret varchar(100) NOT NULL, age ${INTEGER} NULL)`,
      )
      for (const [id, age] of [40, null, -1].entries()) {
        await db().rawQuery(`INSERT INTO ${db().quote('person')} VALUES (?, ?, ?)`, [
          id,
          `secret ${id} é`,
          age,
        ])
      }
    })
    afterAll(async () => {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    })

    itOnce(
      "writes a migration that TypeORM's own tool runs and reverts, with the values kept",
      async () => {
        const before = await rows()
        const written = await generate('migrations/EncryptPeople')
        expect(written).toMatchObject({ status: 0, stderr: '' })
        expect(readdirSync(join(folder, 'migrations'))).toEqual([
          expect.stringMatching(/^\d{13}-EncryptPeople\.ts$/),
        ])

        expect(await typeorm('migration:run')).toMatchObject({ status: 0 })
        for (const { secret, age } of await rows()) {
          expect((secret as Buffer)[0]).toBe(0xc1)
          if (age !== null) expect((age as Buffer)[0]).toBe(0xc1)
        }
        const nothing = await generate('migrations/Nothing')
        expect(nothing).toMatchObject({ status: 1, stdout: '' })
        expect(nothing.stderr).toContain('nothing to migrate')
        expect(readdirSync(join(folder, 'migrations'))).toHaveLength(1)

        expect(await typeorm('migration:revert')).toMatchObject({ status: 0 })
        expect(await rows()).toEqual(before)
      },
      60_000,
    )
  },
  MARIADB,
)

describeDatabases(
  'typeorm-kms migration:generate',
  (db) => {
    let server: LocalKmsServer
    let folder: string

    beforeAll(async () => {
      server = await (await testKms()).kms.listen()
      folder = mkdtempSync(join(__dirname, '.generated-'))
    })
    afterAll(async () => {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    })

    itOnce(
      'refuses a name that is taken or is none, and a place that it cannot write to',
      async () => {
        const ormconfig = join(folder, 'ormconfig.ts')
        writeFileSync(ormconfig, ORMCONFIG)
        mkdirSync(join(folder, 'migrations'))
        writeFileSync(join(folder, 'migrations', '1700000000000-Taken.ts'), '')
        await db().rawQuery(
          'CREATE TABLE person (id int PRIMARY KEY NOT NULL, secret varchar NOT NULL, age int)',
        )
        const env = { CLI_TASK: JSON.stringify({ options: db().options, endpoint: server.url }) }
        const generate = (path: string) =>
          typeormKms(['migration:generate', '-d', ormconfig, join(folder, path)], env)
        const [taken, none, unwritable] = await Promise.all(
          ['migrations/Taken', 'migrations/2-fast', 'ormconfig.ts/Encrypt'].map(generate),
        )
        expect(taken).toMatchObject({ status: 1, stdout: '' })
        expect(taken!.stderr).toMatch(/already: .*1700000000000-Taken\.ts/)
        expect(none).toMatchObject({ status: 2, stdout: '' })
        expect(none!.stderr).toContain('"2-fast" cannot be the name of a class')
        expect(unwritable).toMatchObject({ status: 1, stdout: '' })
        expect(unwritable!.stderr).toMatch(/Encrypt\.ts cannot be written \(E\w+:/)
        expect(readdirSync(join(folder, 'migrations'))).toEqual(['1700000000000-Taken.ts'])
      },
      60_000,
    )
  },
  { databases: ['sqlite'] },
)
