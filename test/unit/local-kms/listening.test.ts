import { request } from 'node:http'

import { CreateKeyCommand, KMSClient, ListKeysCommand } from '@aws-sdk/client-kms'

import { LocalKms, type LocalKmsServer } from '../../../src/local-kms'

describe('An embedded KMS on a port', () => {
  const kms = new LocalKms()
  let server: LocalKmsServer

  beforeAll(async () => {
    server = await kms.listen()
  })

  afterEach(() => {
    kms.misbehave({})
    kms.calls.reset()
  })

  afterAll(() => server.close())

  const client = (config = {}) =>
    new KMSClient({
      region: kms.region,
      endpoint: server.url,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      ...config,
    })
  const post = (target: string, body: string | Uint8Array, headers = {}) =>
    fetch(server.url, { method: 'POST', headers: { 'x-amz-target': target, ...headers }, body })

  test('has the keys that it has in process', async () => {
    const { KeyMetadata } = await client().send(new CreateKeyCommand({}))
    const { Keys } = await kms.client().send(new ListKeysCommand({}))
    expect(Keys).toContainEqual({ KeyId: KeyMetadata!.KeyId, KeyArn: KeyMetadata!.Arn })
  })

  test('gives each answer an id of its own, and keeps the connection', async () => {
    const answers = [await post('TrentService.ListKeys', '{}'), await post('TrentService.ListKeys', '{}')]
    const ids = answers.map(({ headers }) => headers.get('x-amzn-RequestId'))
    expect(new Set(ids).size).toBe(2)
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(answers[0]!.headers.get('connection')).toBe('keep-alive')
    expect(answers[0]!.headers.get('content-type')).toBe('application/x-amz-json-1.1')
  })

  test('listens on loopback only', async () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    for (const host of ['0.0.0.0', '::', 'localhost', '10.0.0.1']) {
      await expect(kms.listen({ host: host as '127.0.0.1' })).rejects.toThrow('listens on 127.0.0.1 only')
    }
  })

  test('names the port that is taken', async () => {
    await expect(kms.listen({ port: server.port })).rejects.toThrow('EADDRINUSE')
  })

  test('turns away requests under a foreign host name', async () => {
    const status = await new Promise((resolve, reject) => {
      const options = { port: server.port, method: 'POST', headers: { host: 'evil.example' } }
      request(options, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end('{}')
    })
    expect(status).toBe(403)
  })

  test('refuses a body over a mebibyte and goes on serving', async () => {
    const response = await post('TrentService.ListKeys', new Uint8Array(2 ** 20 + 1)).catch(() => undefined)
    expect([413, undefined]).toContain(response?.status)
    expect((await post('TrentService.ListKeys', '{}')).status).toBe(200)
  })

  test.each([
    ['TrentService.GetKeyPolicy', '{}', { __type: 'UnknownOperationException' }],
    ['', '{}', { __type: 'UnknownOperationException' }],
    ['TrentService.ListKeys', '[]', { __type: 'SerializationException', message: expect.any(String) }],
    ['TrentService.ListKeys', '{"Limit":', { __type: 'SerializationException', message: expect.any(String) }],
    [
      'TrentService.ListKeys',
      '{"Limit":1.5}',
      { __type: 'SerializationException', message: expect.any(String) },
    ],
    [
      'TrentService.Encrypt',
      '{"KeyId":{},"Plaintext":"cGxhaW4="}',
      { __type: 'SerializationException', message: 'STRUCTURE_VALUE can not be converted to String' },
    ],
    [
      'TrentService.Encrypt',
      '{"KeyId":"k","Plaintext":"not base64!"}',
      { __type: 'SerializationException', message: 'STRING_VALUE can not be converted to ByteBuffer' },
    ],
    [
      'TrentService.Encrypt',
      '{}',
      {
        __type: 'ValidationException',
        message:
          "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be " +
          "null; Value at 'plaintext' failed to satisfy constraint: Member must not be null",
      },
    ],
  ])('answers %s %s with HTTP 400 and the exception', async (target, body, expected) => {
    const response = await post(target, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(expected)
  })

  test('resets connections during an outage, and lets them wait while it hangs', async () => {
    kms.misbehave({ outage: 'refuse' })
    await expect(client({ maxAttempts: 1 }).send(new ListKeysCommand({}))).rejects.toThrow('ECONNRESET')
    kms.misbehave({ outage: 'hang' })
    const abortSignal = AbortSignal.timeout(50)
    await expect(client().send(new ListKeysCommand({}), { abortSignal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    kms.misbehave({})
    await client().send(new ListKeysCommand({}))
  })

  test('closes at once, even on a request that hangs', async () => {
    const other = await kms.listen()
    kms.misbehave({ outage: 'hang' })
    const headers = { 'x-amz-target': 'TrentService.ListKeys' }
    const hanging = fetch(other.url, { method: 'POST', headers, body: '{}' }).catch(() => 'dropped')
    while (kms.calls.at(-1)?.outcome !== 'hung') await new Promise(setImmediate)
    await other.close()
    expect(await hanging).toBe('dropped')
    await expect(fetch(other.url)).rejects.toThrow()
  })
})
