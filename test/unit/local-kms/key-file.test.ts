import fs, {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'

describe('A key file', () => {
  let folder: string
  let file: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-kms-'))
    file = join(folder, 'keys.json')
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  const mode = () => statSync(file).mode & 0o777

  test('brings keys, their material of every generation and aliases into the next process', async () => {
    const first = new LocalKms({ file, region: 'eu-west-1', accountId: '999988887777' }).client()
    const { KeyMetadata } = await first.send(new CreateKeyCommand({ Description: 'kept' }))
    const KeyId = KeyMetadata!.KeyId!
    await first.send(new CreateAliasCommand({ AliasName: 'alias/kept', TargetKeyId: KeyId }))
    await first.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] }))
    const { CiphertextBlob } = await first.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('kept') }))
    await first.send(new RotateKeyOnDemandCommand({ KeyId }))
    await first.send(new DisableKeyCommand({ KeyId }))
    await first.send(new ScheduleKeyDeletionCommand({ KeyId }))

    const second = new LocalKms({ file })
    expect([second.region, second.accountId]).toEqual(['eu-west-1', '999988887777'])
    const client = second.client()
    const found = await client.send(new DescribeKeyCommand({ KeyId: 'alias/kept' }))
    expect(found.KeyMetadata).toMatchObject({ KeyId, Description: 'kept', KeyState: 'PendingDeletion' })
    await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toThrow('is pending deletion')
  })

  test('opens in the next process what was sealed in the one before', async () => {
    const first = new LocalKms({ file }).client()
    const { KeyMetadata } = await first.send(new CreateKeyCommand({}))
    const input = { KeyId: KeyMetadata!.KeyId, Plaintext: Buffer.from('kept') }
    const { CiphertextBlob } = await first.send(new EncryptCommand(input))
    await first.send(new RotateKeyOnDemandCommand({ KeyId: input.KeyId }))
    const { Plaintext } = await new LocalKms({ file }).client().send(new DecryptCommand({ CiphertextBlob }))
    expect(Buffer.from(Plaintext!).toString()).toBe('kept')
  })

  test('is readable by its owner alone, and nothing is left beside it', async () => {
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    expect(mode()).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['keys.json'])
    chmodSync(file, 0o644)
    new LocalKms({ file })
    expect(mode()).toBe(0o600)
  })

  test('is written where nobody can lie in wait: through no link or file that was put there before', async () => {
    const victim = join(folder, 'victim')
    writeFileSync(victim, 'untouched')
    const before = new Set(readdirSync(folder))
    symlinkSync(victim, `${file}.${process.pid}.tmp`)
    const names = new Set<string>()
    const open = jest.spyOn(fs, 'openSync')
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    for (const [name, flags, mode] of open.mock.calls) {
      if (!String(name).endsWith('.tmp')) continue
      names.add(String(name))
      expect([flags, mode]).toEqual(['wx', 0o600])
    }
    open.mockRestore()
    expect(names.size).toBe(2)
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
    expect(before.has('keys.json')).toBe(false)
    expect(mode()).toBe(0o600)
  })

  test('is whole or as it was, also where the system writes less at once than it was given', async () => {
    const client = new LocalKms({ file }).client({ maxAttempts: 1 })
    await client.send(new CreateKeyCommand({}))
    const write = jest.spyOn(fs, 'writeSync').mockImplementation(() => 1)
    await client.send(new CreateKeyCommand({}))
    write.mockRestore()
    expect((JSON.parse(readFileSync(file, 'utf8')) as { keys: unknown[] }).keys).toHaveLength(2)

    const content = readFileSync(file, 'utf8')
    const sync = jest.spyOn(fs, 'fsyncSync').mockImplementation(() => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    })
    await expect(client.send(new CreateKeyCommand({}))).rejects.toMatchObject({
      name: 'KMSInternalException',
    })
    sync.mockRestore()
    expect(readFileSync(file, 'utf8')).toBe(content)
    expect(readdirSync(folder)).toEqual(['keys.json'])
  })

  test('may be a link of its owner, which stays one', async () => {
    const real = join(folder, 'real.json')
    writeFileSync(
      real,
      JSON.stringify({ version: 1, region: 'us-east-1', accountId: '111122223333', keys: [], aliases: [] }),
    )
    symlinkSync(real, file)
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    expect(lstatSync(file).isSymbolicLink()).toBe(true)
    expect((JSON.parse(readFileSync(real, 'utf8')) as { keys: unknown[] }).keys).toHaveLength(1)
  })

  test('that is damaged or something else is refused, unquoted and untouched', () => {
    for (const content of ['{"secret": ', '[]', '{"version":2,"keys":[]}']) {
      writeFileSync(file, content)
      expect(() => new LocalKms({ file })).toThrow(/keys\.json is not/)
      expect(() => new LocalKms({ file })).not.toThrow(/secret/)
      expect(readFileSync(file, 'utf8')).toBe(content)
    }
  })

  test('with a damaged key is refused, unquoted and untouched', async () => {
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    const whole = JSON.parse(readFileSync(file, 'utf8')) as { keys: { materials: { secret: string }[] }[] }
    const { secret } = whole.keys[0]!.materials[0]!
    const damages: [string, unknown][] = [
      [secret, secret.slice(1)],
      ['materials', 'material'],
    ]
    for (const [part, damaged] of damages) {
      const content = JSON.stringify(whole).replace(part, String(damaged))
      writeFileSync(file, content)
      let message = ''
      try {
        new LocalKms({ file })
      } catch (error) {
        message = inspect(error)
      }
      expect(message).toContain('keys.json is not whole: a key or alias in it is damaged')
      expect(message).not.toContain(secret.slice(1, 20))
      expect(readFileSync(file, 'utf8')).toBe(content)
    }
  })

  test('of another region or account is refused', async () => {
    await new LocalKms({ file }).client().send(new CreateKeyCommand({}))
    expect(() => new LocalKms({ file, region: 'eu-west-1' })).toThrow('are of 111122223333 in us-east-1')
  })

  test('that cannot be read or written is refused', () => {
    for (const path of [folder, join(folder, 'missing', 'keys.json')]) {
      expect(() => new LocalKms({ file: path })).toThrow(`${path} cannot be read and written (E`)
    }
  })

  test('that can no longer be written makes the operation fail', async () => {
    const client = new LocalKms({ file }).client({ maxAttempts: 1 })
    rmSync(folder, { recursive: true })
    await expect(client.send(new CreateKeyCommand({}))).rejects.toMatchObject({
      name: 'KMSInternalException',
    })
    mkdirSync(folder)
  })
})
