import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateKeyCommand, DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { LocalKms } from '../../../src/local-kms'
import { tool } from '../../unit/cli/support'
import { LOADER } from '../../support/loader'

const root = join(__dirname, '..', '..', '..')

describe('typeorm-kms local-kms', () => {
  let folder: string
  let file: string
  const running: ChildProcess[] = []

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-kms-'))
    file = join(folder, 'keys.json')
  })
  afterAll(async () => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true })
  })

  /** A process of its own, once it has said where it listens. */
  async function start(...args: string[]) {
    const child = spawn(
      process.execPath,
      [...LOADER, 'src/cli/main.ts', 'local-kms', '--file', file, ...args],
      { cwd: root, env: { PATH: process.env['PATH'], HOME: process.env['HOME'] } },
    )
    running.push(child)
    const output = { stdout: '', stderr: '' }
    const exit = once(child, 'exit')
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output.stdout += chunk.toString()
        const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(output.stdout) ?? []
        if (found !== undefined) resolve(found)
      })
      child.once('exit', () => {
        reject(new Error(`it ended: ${output.stderr}`))
      })
    })
    const client = new KMSClient({
      endpoint: url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    })
    return { child, exit, output, client, port: new URL(url).port }
  }

  test('keeps its keys from one process to the next, and ends at a signal', async () => {
    const first = await start('--port', '0')
    expect(first.output.stderr).toContain('for development and tests only')
    const { KeyMetadata } = await first.client.send(new CreateKeyCommand({}))
    const { CiphertextBlob } = await first.client.send(
      new EncryptCommand({ KeyId: KeyMetadata!.KeyId, Plaintext: Buffer.from('kept') }),
    )
    // The SDK keeps its connection open meanwhile: that must not hold up the end.
    first.child.kill('SIGINT')
    expect(await first.exit).toEqual([0, null])
    first.client.destroy()

    const second = await start('--port', first.port, '--json')
    expect(second.port).toBe(first.port)
    const { Plaintext, KeyId } = await second.client.send(new DecryptCommand({ CiphertextBlob }))
    expect([Buffer.from(Plaintext!).toString(), KeyId]).toEqual(['kept', KeyMetadata!.Arn])
    second.child.kill('SIGTERM')
    expect(await second.exit).toEqual([0, null])
    second.client.destroy()
  })

  test('says that a port is taken', async () => {
    const server = await new LocalKms().listen()
    const { status, stderr } = await tool(['local-kms', '--port', String(server.port)])
    expect([status, stderr]).toEqual([
      1,
      `✗ port ${server.port} is taken. Choose another with --port, or --port 0 for a free one.\n`,
    ])
    await server.close()
  })

  test.each(['70000', '-1', 'http', ''])('takes no port %j', async (port) => {
    const { status, stderr } = await tool(['local-kms', `--port=${port}`])
    expect(status).toBe(2)
    expect(stderr).toContain('--port takes a whole number from 0 to 65535')
  })

  test('refuses a file that it cannot use, and leaves it as it is', async () => {
    const damaged = join(folder, 'damaged.json')
    const files: [string, string, string][] = [
      [damaged, '{"secret": ', 'is not JSON, so it is not a key file of the embedded KMS'],
      [damaged, '{"dependencies": {}}', 'is not a key file of the embedded KMS, version 1'],
      [damaged, '{"version":1,"keys":[],"aliases":[]}', 'is not a key file of the embedded KMS, version 1'],
      [
        damaged,
        '{"version":1,"region":"us-east-1","accountId":"111122223333","keys":[{}],"aliases":[]}',
        'a key or alias in it is damaged',
      ],
      [folder, '', 'cannot be read and written (EISDIR)'],
      [join(folder, 'missing', 'keys.json'), '', 'cannot be read and written (ENOENT)'],
    ]
    for (const [path, content, message] of files) {
      if (content !== '') writeFileSync(path, content)
      const { status, stdout, stderr } = await tool(['local-kms', '--port', '0', '--file', path])
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`✗ ${path}`)
      expect(stderr).toContain(message)
      if (content !== '') expect(readFileSync(path, 'utf8')).toBe(content)
    }
  })
})
