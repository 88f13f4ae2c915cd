import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account } from './account'
import { LOADER } from '../../support/loader'

const ROWS = 120

describeDatabases(
  'typeorm-kms',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer

    beforeAll(async () => {
      app = await startApplication(db(), [Account])
      server = await app.kms.listen()
      for (let id = 1; id <= ROWS; id++) {
        await db().rawQuery('INSERT INTO account (id, secret) VALUES (?, ?)', [
          id,
          Buffer.from(`secret ${id}`),
        ])
      }
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
    })

    function tool(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
      const main = resolve('src/cli/main.ts')
      const env = {
        ...process.env,
        CLI_TASK: JSON.stringify({ options: db().options, endpoint: server.url }),
      }
      return new Promise((done) => {
        const command = [...LOADER, main, ...args, '-d', join(__dirname, 'cli-ormconfig.ts')]
        execFile(process.execPath, command, { env }, (error, stdout, stderr) => {
          done({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
        })
      })
    }

    const itOnce = itWithInstalledTypeorm('The tool')

    itOnce(
      'counts, encrypts, verifies, rotates and decrypts',
      async () => {
        expect((await tool('status')).stdout).toMatch(/Account\.secret\s+120\s+0\s+120\s+0/)
        expect((await tool('encrypt', '--dry-run')).stdout).toContain('120 would be encrypted')
        const encrypted = await tool('encrypt', '--batch-size', '10', '--json', '--shard', '1/2')
        const [half] = JSON.parse(encrypted.stdout) as [{ changed: number }]
        expect(half.changed).toBeGreaterThan(0)
        expect(half.changed).toBeLessThan(ROWS)
        expect(await tool('encrypt')).toMatchObject({ status: 0 })
        const verified = await tool('verify', '--columns', 'Account.secret')
        expect(verified).toMatchObject({ status: 0, stderr: '' })

        const to = await app.createKey()
        const rotated = await tool('rotate', '--to', to)
        expect(rotated.stdout).toContain('120 rotated')
        expect(JSON.parse((await tool('status', '--json')).stdout)).toMatchObject([
          { plaintext: 0, ciphertext: [{ rows: ROWS }] },
        ])

        const refused = await tool('decrypt')
        expect(refused).toMatchObject({ status: 1 })
        expect(refused.stderr).toContain('--yes')
        expect((await tool('decrypt', '--yes')).stdout).toContain('120 decrypted')
        const failing = await tool('verify', '--columns', 'Account')
        expect(failing).toMatchObject({ status: 0 })
      },
      90_000,
    )

    itOnce(
      'exits with 2 for what was typed wrongly, and with 1 for what failed',
      async () => {
        expect(await tool('encrypt', '--shard', '9/8')).toMatchObject({ status: 2 })
        expect(await tool('encrypt', '--columns', 'Nothing')).toMatchObject({ status: 2 })
        app.kms.misbehave({ deny: 'GenerateDataKey' })
        const denied = await tool('encrypt')
        app.kms.misbehave({})
        expect(denied).toMatchObject({ status: 1 })
        expect(denied.stderr).toContain('KMS_ACCESS_DENIED')
      },
      60_000,
    )
  },
  { databases: ['mariadb'] },
)
