import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { LocalKms, type LocalKmsServer } from '../../../src/local-kms'

const run = promisify(execFile)
const installed = spawnSync('aws', ['--version']).status === 0
const describeCli = installed ? describe : describe.skip

if (!installed) process.stdout.write('The AWS CLI is not on the PATH: its tests are left out.\n')

describeCli('The AWS CLI', () => {
  const kms = new LocalKms()
  let server: LocalKmsServer
  let folder: string

  beforeAll(async () => {
    server = await kms.listen()
    folder = mkdtempSync(join(tmpdir(), 'local-kms-'))
  })

  afterAll(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  const aws = async (...args: string[]): Promise<Record<string, unknown>> => {
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_DEFAULT_REGION: kms.region,
      AWS_MAX_ATTEMPTS: '1',
    }
    const { stdout } = await run('aws', ['--endpoint-url', server.url, '--output', 'json', 'kms', ...args], {
      env,
    })
    return (stdout === '' ? {} : JSON.parse(stdout)) as Record<string, unknown>
  }

  test('leads a key through its life', async () => {
    const created = await aws(
      'create-key',
      '--description',
      'from the shell',
      '--tags',
      'TagKey=app,TagValue=shop',
    )
    const { KeyId, Arn } = created['KeyMetadata'] as { KeyId: string; Arn: string }
    await aws('create-alias', '--alias-name', 'alias/app', '--target-key-id', KeyId)
    expect(await aws('list-keys')).toMatchObject({ Keys: [{ KeyId, KeyArn: Arn }] })
    expect(await aws('list-aliases')).toMatchObject({
      Aliases: [{ AliasName: 'alias/app', TargetKeyId: KeyId }],
    })
    expect(await aws('describe-key', '--key-id', 'alias/app')).toMatchObject({
      KeyMetadata: { Description: 'from the shell', KeyState: 'Enabled' },
    })

    const plain = join(folder, 'plain')
    const sealed = join(folder, 'sealed')
    writeFileSync(plain, 'a private key')
    const context = ['--encryption-context', 'table=user']
    const { CiphertextBlob } = await aws(
      'encrypt',
      '--key-id',
      'alias/app',
      '--plaintext',
      `fileb://${plain}`,
      ...context,
    )
    writeFileSync(sealed, Buffer.from(CiphertextBlob as string, 'base64'))
    const opened = await aws('decrypt', '--ciphertext-blob', `fileb://${sealed}`, ...context)
    expect(Buffer.from(opened['Plaintext'] as string, 'base64').toString()).toBe('a private key')
    await expect(aws('decrypt', '--ciphertext-blob', `fileb://${sealed}`)).rejects.toMatchObject({
      stderr: expect.stringContaining('(InvalidCiphertextException) when calling the Decrypt operation'),
    })

    const scheduled = await aws('schedule-key-deletion', '--key-id', KeyId, '--pending-window-in-days', '7')
    expect(scheduled).toMatchObject({ KeyId: Arn, KeyState: 'PendingDeletion', PendingWindowInDays: 7 })
    await expect(aws('encrypt', '--key-id', KeyId, '--plaintext', `fileb://${plain}`)).rejects.toMatchObject({
      stderr: expect.stringContaining(
        `(KMSInvalidStateException) when calling the Encrypt operation: ${Arn} is pending deletion.`,
      ),
    })
    await aws('cancel-key-deletion', '--key-id', KeyId)
    expect(await aws('describe-key', '--key-id', KeyId)).toMatchObject({
      KeyMetadata: { KeyState: 'Disabled' },
    })
    await aws('enable-key', '--key-id', KeyId)
    await aws('rotate-key-on-demand', '--key-id', KeyId)
    await aws('decrypt', '--ciphertext-blob', `fileb://${sealed}`, ...context)
  })
})
