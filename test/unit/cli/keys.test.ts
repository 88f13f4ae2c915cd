import {
  CreateKeyCommand,
  DecryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { tool } from './support'

const kms = new LocalKms({ quiet: true })
let server: Awaited<ReturnType<LocalKms['listen']>>
let client: KMSClient
let kmsOptions: string[]

beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' })
  server = await kms.listen()
  client = kms.client()
  kmsOptions = ['--region', kms.region, '--endpoint-url', server.url]
})
afterEach(() => {
  kms.misbehave({})
})
afterAll(async () => {
  delete process.env['AWS_ACCESS_KEY_ID']
  delete process.env['AWS_SECRET_ACCESS_KEY']
  await server.close()
})

const keys = (command: string, situation = {}) =>
  tool(['keys', ...command.split(' '), ...kmsOptions], situation)
const createKey = async (description = '') => {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: description }))
  return KeyMetadata!.KeyId!
}
const stateOf = async (id: string) => {
  const { stdout } = await keys(`describe ${id} --json`)
  return (JSON.parse(stdout) as { state: string }).state
}

describe('keys create-index-key', () => {
  it('prints a key that KMS opens for indexes, and for nothing else', async () => {
    const id = await createKey('for indexes')
    const { status, stdout } = await keys(`create-index-key ${id} --json`)
    const { indexKey } = JSON.parse(stdout) as { indexKey: string }
    const CiphertextBlob = Buffer.from(indexKey, 'base64')
    const EncryptionContext = { 'data-key': 'index' }
    const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
    expect([status, Plaintext?.length]).toEqual([0, 32])
    await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toThrow()
    expect((await keys(`create-index-key ${id}`)).stdout).toMatch(/KMS_INDEX_KEY=[A-Za-z0-9+/]+=*\n/)
  })

  it('says what KMS has against it', async () => {
    const { status, stderr } = await keys('create-index-key alias/none')
    expect([status, stderr]).toEqual([1, expect.stringContaining('alias/none') as string])
  })
})

describe('keys create', () => {
  it('wants a description', async () => {
    const { status, stderr } = await keys('create')
    expect([status, stderr]).toEqual([2, expect.stringContaining('--description is missing') as string])
  })

  it('makes no key where the alias is taken', async () => {
    expect((await keys('create --description first --alias taken')).status).toBe(0)
    kms.calls.reset()
    const { status, stderr } = await keys('create --description second --alias alias/taken')
    expect([status, stderr]).toEqual([
      1,
      '✗ alias/taken is there already; no key was created. Choose another name.\n',
    ])
    expect(kms.calls.count('CreateKey')).toBe(0)
  })

  it.each(['alias/aws/mine', 'my app'])('refuses the alias %s', async (alias) => {
    const { status } = await tool(['keys', 'create', '--description', 'x', '--alias', alias, ...kmsOptions])
    expect(status).toBe(2)
  })

  it('names the key that was made where the rest fails', async () => {
    kms.misbehave({ deny: 'EnableKeyRotation' })
    const { status, stderr } = await keys('create --description half --rotation')
    expect(status).toBe(1)
    expect(stderr).toMatch(/the key arn:aws:kms:\S+ was created, but not all of it: access to KMS was denied/)
  })
})

describe('keys list', () => {
  it('shows what ListKeys tells where the rest is not allowed', async () => {
    kms.misbehave({ deny: 'DescribeKey' })
    const { status, stdout, stderr } = await keys('list')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^alias\/taken +[0-9a-f-]{36} +\? +\? +not since /m)
    expect(stderr).toContain('kms:DescribeKey is not allowed')
  })

  it('says when each key was used last, as the deletion guard does, and ends with what to do', async () => {
    const id = await createKey('used')
    await client.send(new GenerateDataKeyCommand({ KeyId: id, KeySpec: 'AES_256' }))
    const today = new Date().toISOString().slice(0, 10)
    const { stdout } = await keys('list')
    expect(stdout).toMatch(new RegExp(`${id} .* ${today} +${today}$`, 'm'))
    expect(stdout).toMatch(/\n→ typeorm-kms keys describe KEY shows all of one key\.\n$/)
    const guard = await keys(`schedule-deletion ${id} --days 7`)
    expect(guard.status).toBe(1)
    expect(guard.stderr).toMatch(
      new RegExp(`KMS says of the key ${id}: last used ${today} .*, for GenerateDataKey`),
    )
  })

  it('is a table where it fits, and a block per key on a narrow terminal', async () => {
    const wide = await keys('list', { columns: 200 })
    expect(wide.stdout).toMatch(/ALIAS +DESCRIPTION +ID/)
    const narrow = await keys('list', { columns: 80 })
    expect(narrow.stdout).toMatch(/^ {2}\S*ALIAS\S* +alias\/taken$/m)
    expect(Math.max(...narrow.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
  })

  it('shows descriptions of others in one short line, with nothing that a terminal obeys', async () => {
    const id = await createKey(`two\nlines \u001b[31mred ${'and long '.repeat(20)}`)
    for (const columns of [undefined, 300]) {
      const situation = columns === undefined ? {} : { columns }
      const { stdout } = await keys('list', situation)
      const line = stdout.split('\n').find((text) => text.includes(id))!
      expect(line).toContain('two lines [31mred and long')
      expect(line).toContain('…  ')
      expect(line).not.toContain('\u001b[31mred')
    }
    const described = await keys(`describe ${id}`)
    expect(described.stdout).toMatch(/^ {2}description +two lines \[31mred .* and long$/m)
    expect(described.stdout).toMatch(/^ {2}description {2}\S.*\n(.*\n)* {2}key tag {6}\S/m)
  })

  it('fails with the remedy where there is no KMS', async () => {
    const { status, stderr } = await tool([
      'keys',
      'list',
      '--region',
      'us-east-1',
      '--endpoint-url',
      'http://127.0.0.1:9',
    ])
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^✗ KMS_UNAVAILABLE: KMS could not be reached for List.*\n {2}.*ECONNREFUSED 127.0.0.1:9\n$/,
    )
  })

  it('shows every key of many pages, with few calls at once', async () => {
    for (let index = 0; index < 120; index++) await createKey(`bulk ${index}`)
    const { status, stdout } = await keys('list --json')
    expect(status).toBe(0)
    const descriptions = (JSON.parse(stdout) as { description: string }[]).map(
      ({ description }) => description,
    )
    expect(descriptions).toEqual(expect.arrayContaining(['bulk 0', 'bulk 119']))
  })
})

describe('keys', () => {
  it('shows what KMS says where it refuses', async () => {
    const { status, stderr } = await keys(`create --description ${'x'.repeat(9_000)}`)
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /KMS_REQUEST_FAILED: .*\n {2}ValidationException: 1 validation error detected: .*…\n$/,
    )
    expect(stderr.length).toBeLessThan(600)
  })

  it.each([
    [
      'an endpoint that is no URL',
      ['list', '--endpoint-url', 'localhost:4599'],
      '--endpoint-url takes a URL',
    ],
    ['an empty region', ['list', '--region='], '--region is empty'],
    ['an empty key', ['describe', ''], 'KEY is empty'],
  ])('takes %s for wrong usage', async (_, args, message) => {
    const { status, stderr } = await tool(['keys', ...args])
    expect([status, stderr]).toEqual([2, expect.stringContaining(message) as string])
  })

  it('says that a region is none', async () => {
    const { status, stderr } = await tool(['keys', 'list', '--region', 'a b', '--endpoint-url', server.url])
    expect([status, stderr]).toEqual([1, expect.stringContaining('✗ KMS_REGION: no AWS region') as string])
  })

  it('says that rotations on demand are used up, and that waiting does not help', async () => {
    const id = await createKey()
    for (let index = 0; index < 25; index++) await client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    const { status, stderr } = await keys(`rotate-now ${id}`)
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /KMS_REQUEST_FAILED: a limit of the account or the key is reached for RotateKeyOnDemand/,
    )
    expect(stderr).toMatch(/\n {2}LimitExceededException: The on-demand rotations limit/)
  })
})

describe('keys enable, disable, rotate-now, cancel-deletion', () => {
  it('change the state, and take an alias for it', async () => {
    expect((await keys('disable alias/taken')).stdout).toContain('is disabled')
    expect(await stateOf('alias/taken')).toBe('Disabled')
    const refused = await keys('rotate-now alias/taken')
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining('KMS_KEY_DISABLED') as string,
    ])
    expect((await keys('enable alias/taken')).status).toBe(0)
    expect((await keys('rotate-now alias/taken')).stdout).toContain('is being rotated')
    const nothing = await keys('cancel-deletion alias/taken')
    expect([nothing.status, nothing.stderr]).toEqual([
      1,
      expect.stringContaining('is not scheduled for deletion') as string,
    ])
  })
})

describe('keys schedule-deletion', () => {
  it.each(['', ' --days 6', ' --days 31', ' --days x'])('wants 7 to 30 days, not "%s"', async (days) => {
    expect((await keys(`schedule-deletion alias/taken${days}`)).status).toBe(2)
  })

  it('refuses where nobody has looked for values under the key', async () => {
    const id = await createKey()
    const { status, stderr, stdout } = await keys(`schedule-deletion ${id} --days 7 --json`)
    expect(status).toBe(1)
    expect(stderr).toContain('nobody has looked')
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'REFUSED' }, id })
    expect(await stateOf(id)).toBe('Enabled')
  })

  it('with --force and no terminal asks nothing, and wants the id', async () => {
    const id = await createKey()
    const silent = await keys(`schedule-deletion ${id} --days 7 --force`)
    expect([silent.status, silent.stderr]).toEqual([1, expect.stringContaining('nobody is there') as string])
    expect((await keys(`schedule-deletion ${id} --days 7 --force --confirm alias/taken`)).status).toBe(1)
    expect(await stateOf(id)).toBe('Enabled')
    expect((await keys(`schedule-deletion ${id} --days 7 --force --confirm ${id}`)).status).toBe(0)
    expect(await stateOf(id)).toBe('PendingDeletion')
    const again = await keys(`schedule-deletion ${id} --days 7 --force --confirm ${id}`)
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('scheduled already') as string])
    const enable = await keys(`enable ${id}`)
    expect([enable.status, enable.stderr]).toEqual([1, expect.stringContaining('cancel-deletion') as string])
  })

  it('with --force on a terminal asks for the id to be typed', async () => {
    const id = await createKey()
    const command = `schedule-deletion ${id} --days 30 --force`
    const mistyped = await keys(command, { columns: 100, stdin: 'yes\n' })
    expect([mistyped.status, mistyped.stderr]).toEqual([
      1,
      expect.stringContaining('not the id of the key') as string,
    ])
    expect(await stateOf(id)).toBe('Enabled')
    for (const key of ['\u0003', '\u0004']) {
      const left = await keys(command, { columns: 100, stdin: key })
      expect([left.status, left.stderr]).toEqual([
        1,
        expect.stringMatching(
          /\n\S*✗\S* refused: that is not the id of the key. Nothing was changed.\n$/,
        ) as string,
      ])
    }
    expect(await stateOf(id)).toBe('Enabled')
    const { status, stdout } = await keys(command, { columns: 100, stdin: `${id}\n` })
    expect([status, stdout]).toEqual([0, expect.stringContaining('will be deleted on') as string])
    expect(await stateOf(id)).toBe('PendingDeletion')
  })
})
