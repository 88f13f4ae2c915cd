import { join } from 'node:path'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, encryptColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { typeormKms, type Run } from '../cli/tool'
import { BAD_INPUT_ENTITIES, Direct, Latin, Rotated } from './bad-input-entities'

const itOnce = itWithInstalledTypeorm('Bad input of the tool')

describeDatabases(
  'typeorm-kms with bad input',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer

    const tool = (...args: string[]): Promise<Run> =>
      typeormKms([...args, '-d', join(__dirname, 'bad-input-ormconfig.ts')], {
        CLI_TASK: JSON.stringify({ options: db().options, endpoint: server.url }),
      })
    const insert = async (table: string, column: string, values: readonly (Buffer | string)[]) => {
      for (const [id, value] of values.entries())
        await db().rawQuery(`INSERT INTO ${table} (id, ${column}) VALUES (?, ?)`, [id, value])
    }

    beforeAll(async () => {
      app = await startApplication(db(), BAD_INPUT_ENTITIES)
      server = await app.kms.listen()
      await insert('short', 'note', ['x'.repeat(100)])
      await db().rawQuery('ALTER TABLE short MODIFY note varchar(200) NOT NULL')
      await app.dataSource.getRepository(Latin).insert({ id: 0, note: 'emoji 🔑' })
      await db().rawQuery('ALTER TABLE latin MODIFY note text CHARACTER SET latin1 NOT NULL')
      await insert(
        'direct',
        'pin',
        Array.from({ length: 60 }, (_, id) => Buffer.from(`pin ${id}`)),
      )
      await insert('rotated', 'secret', [Buffer.from('secret')])
      await encryptColumns(app.dataSource, Rotated, ['secret'])
      await insert('locked', 'secret', [Buffer.from('secret')])
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
    })

    itOnce(
      'ends with status 1 and says what to do',
      async () => {
        app.kms.misbehave({
          deny: 'ReEncrypt',
          fail: (operation, call) =>
            operation === 'Encrypt' && call > 40 ? 'KMSInternalException' : undefined,
        })
        await db().rawQuery('BEGIN')
        await db().rawQuery('SELECT * FROM locked WHERE id = 0 FOR UPDATE')
        const to = await app.createKey()
        const slowly = ['--batch-size', '10', '--concurrency', '1']
        const [keyless, plain, short, latin, direct, denied, locked] = await Promise.all([
          tool('encrypt', '--columns', 'Keyless'),
          tool('encrypt', '--columns', 'Short.label'),
          tool('encrypt', '--columns', 'Short'),
          tool('decrypt', '--yes', '--columns', 'Latin'),
          tool('encrypt', '--columns', 'Direct', ...slowly),
          tool('rotate', '--columns', 'Rotated', '--to', to),
          tool('encrypt', '--columns', 'Locked', '--lock-timeout', '1000'),
        ])
        await db().rawQuery('ROLLBACK')
        app.kms.misbehave({})

        for (const run of [keyless, plain, short, latin, direct, denied, locked]) {
          expect(run).toMatchObject({ status: 1, stdout: '' })
          expect(run.stderr).not.toMatch(/^\s+at /m)
        }
        expect(keyless.stderr).toMatch(/NO_PRIMARY_KEY: Keyless: .* Give the table one first/)
        expect(plain.stderr).toMatch(/NOT_AN_ENCRYPTED_COLUMN: Short\.label: .*Declare it with @KmsEncrypted/)
        expect(short.stderr).toMatch(/COLUMN_TYPE: Short\.note: .*ALTER TABLE `short` MODIFY `note` varchar/)
        expect(latin.stderr).toMatch(/NOT_REPRESENTABLE: Latin\.note \(id=0\): .*Widen the column/)
        expect(direct.stderr).toMatch(
          /KMS_UNAVAILABLE: Direct\.pin.* \d+ of 60 rows were encrypted and stay so/,
        )
        expect(denied.stderr).toMatch(/KMS_ACCESS_DENIED: .*kms:ReEncryptFrom.*kms:ReEncryptTo/)
        expect(locked.stderr).toMatch(/TABLE_LOCKED: Locked\.secret: .*raise lockTimeout/)

        const half = await columnStatus(app.dataSource, Direct, 'pin')
        expect(half.plaintext).toBeGreaterThan(0)
        expect(half.plaintext).toBeLessThan(60)
        const again = await tool('encrypt', '--columns', 'Direct, Locked')
        expect(again.stdout).toContain(`Direct.pin: ${half.plaintext} encrypted`)
        expect(again.stdout).toContain('Locked.secret: 1 encrypted')
      },
      60_000,
    )
  },
  { databases: ['mariadb'] },
)
