import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

import { CreateKeyCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'
import { KeyMaterial } from '../../../src/local-kms/key-material'

describe('An embedded KMS', () => {
  const environment = process.env['NODE_ENV']

  afterEach(() => {
    process.env['NODE_ENV'] = environment
    jest.restoreAllMocks()
  })

  test.each(['production', 'Production', 'PRODUCTION', 'production '])(
    'does not start under NODE_ENV="%s"',
    (name) => {
      process.env['NODE_ENV'] = name
      expect(() => new LocalKms({ quiet: true })).toThrow('NODE_ENV=production')
    },
  )

  test('warns in one line on stderr, except when quiet or under test', () => {
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
    new LocalKms()
    process.env['NODE_ENV'] = 'development'
    new LocalKms({ quiet: true })
    expect(write).not.toHaveBeenCalled()
    new LocalKms()
    expect(write.mock.calls).toEqual([[expect.stringMatching(/^[^\n]*never give it production data\.\n$/)]])
  })

  test('shows no key material and no plaintext, however it is looked at', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'local-kms-'))
    const file = join(folder, 'keys.json')
    const kms = new LocalKms({ file })
    const client = kms.client()
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    const Plaintext = Buffer.from('a private key')
    await client.send(new EncryptCommand({ KeyId: KeyMetadata!.KeyId, Plaintext }))
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: { materials: { secret: string }[] }[] }
    rmSync(folder, { recursive: true })

    const secret = Buffer.from(keys[0]!.materials[0]!.secret, 'base64')
    const shown = [
      inspect(kms, { depth: Infinity, showHidden: true, getters: true, maxArrayLength: null }),
      inspect(client, { depth: Infinity, showHidden: true }),
      JSON.stringify(kms),
      JSON.stringify(kms.calls),
    ].join()
    expect(secret).toHaveLength(32)
    for (const value of [secret, Plaintext]) {
      const bytes = inspect(value).slice('<Buffer '.length, -1)
      for (const form of [value.toString('base64'), value.toString('hex'), value.toString('latin1'), bytes]) {
        expect(shown).not.toContain(form)
      }
    }
  })

  test('keeps its keys opaque one by one, too', () => {
    const material = KeyMaterial.generate(0)
    const secret = material.withSecret((bytes) => [...bytes])
    const shown = inspect(material, { depth: Infinity, showHidden: true }) + JSON.stringify(material)
    expect(shown).toContain(material.id)
    expect(shown).not.toContain('ecret')
    expect(shown).not.toContain(secret.slice(0, 4).join())
  })

  test('is a request handler for a client of one’s own', async () => {
    const kms = new LocalKms({ region: 'eu-central-1' })
    const client = new KMSClient({
      region: kms.region,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      requestHandler: kms.requestHandler,
    })
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    expect(KeyMetadata!.Arn).toMatch(/^arn:aws:kms:eu-central-1:111122223333:key\//)
    client.destroy()
    await kms.client().send(new CreateKeyCommand({}))
  })

  test('refuses a region or account that no ARN could hold', () => {
    expect(() => new LocalKms({ accountId: '123' })).toThrow('12 digits')
    expect(() => new LocalKms({ region: 'Europe' })).toThrow('Not an AWS region')
  })

  test('denies keys of another account', async () => {
    const KeyId = 'arn:aws:kms:us-east-1:444455556666:key/12345678-1234-4321-8765-123456789012'
    const command = new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })
    await expect(new LocalKms().client().send(command)).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
  })
})
