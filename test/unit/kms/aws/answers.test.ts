import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { KMSClient } from '@aws-sdk/client-kms'
import { type KmsEncryptionError, type KmsEncryptionErrorCode } from '../../../../src/errors'
import { AwsKms } from '../../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'

/*
 * What the real SDK makes of what may come over the network, and what this library makes of that: a server on
 * loopback answers what KMS never would.
 */

const KEY = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const CONTEXT = { table: 'user' }
const JSON_TYPE = { 'content-type': 'application/x-amz-json-1.1' }
const HTML = { 'content-type': 'text/html', server: 'squid/6.1' }
const PAGE = '<html><body>The request was blocked</body></html>'
/** 32 bytes in base64, as a marker. */
const SECRET = Buffer.from('a data key that nobody may see!!').toString('base64')

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const with_ =
  (status: number, headers: Record<string, string>, body = ''): Answer =>
  (_, response) => {
    response.writeHead(status, headers).end(body)
  }
const json = (body: unknown): Answer => with_(200, JSON_TYPE, JSON.stringify(body))
const exception = (name: string, message = '', status = 400): Answer =>
  with_(status, JSON_TYPE, JSON.stringify({ __type: name, message }))
/** Sends the beginning of an answer and closes the connection. */
const resetWithin: Answer = (request, response) => {
  response.writeHead(200, { ...JSON_TYPE, 'content-length': '500' })
  response.write(`{"KeyId":"${KEY}","Plaintext":"${SECRET.slice(0, 8)}`)
  setTimeout(() => request.socket.destroy(), 10)
}

let server: Server
let client: KMSClient
let kms: AwsKms
let answer: Answer

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      answer(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  client = new KMSClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  })
})

beforeEach(() => {
  kms = new AwsKms({ client, concurrency: 5, timeout: 60_000, trustedKeys: new TrustedKeys(undefined) })
})

afterAll(async () => {
  client.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function failure(call: Promise<unknown>): Promise<KmsEncryptionError> {
  return call.then(
    (value) => {
      throw new Error(`it did not fail: ${inspect(value)}`)
    },
    (error: unknown) => error as KmsEncryptionError,
  )
}

const decrypt = (): Promise<unknown> => kms.decrypt(Buffer.alloc(184, 1), CONTEXT)
const generate = (): Promise<unknown> => kms.generateDataKey('alias/app', CONTEXT)

describe('What was not KMS, or was cut off on the way, is unavailable and says so', () => {
  const foreign: [what: string, answer: Answer, says: RegExp][] = [
    [
      'a page with status 200',
      with_(200, HTML, PAGE),
      /HTTP 200, content-type: text\/html, server: squid\/6\.1/,
    ],
    ['a page with status 403', with_(403, HTML, PAGE), /HTTP 403.*A proxy or firewall stands between/],
    [
      'a proxy that asks for credentials',
      with_(407, { ...HTML, 'proxy-authenticate': 'Basic' }, PAGE),
      /HTTP 407.*HTTPS_PROXY/,
    ],
    ['a page with status 502', with_(502, HTML, PAGE), /HTTP 502/],
    ['text with status 400', with_(400, { 'content-type': 'text/plain' }, 'Bad Request'), /HTTP 400/],
    ['nothing with status 403', with_(403, {}), /HTTP 403/],
    ['nothing with status 503', with_(503, {}), /HTTP 503/],
    [
      'a redirection to a login',
      with_(302, { location: 'http://login.example/' }),
      /location: http:\/\/login/,
    ],
    [
      'JSON of something else',
      with_(403, { 'content-type': 'application/json' }, '{"message":"Forbidden"}'),
      /HTTP 403/,
    ],
    ['JSON that is cut off', with_(200, JSON_TYPE, `{"KeyId":"${KEY}","Plaintext":"${SECRET}`), /cut off/],
    ['JSON that is garbled', with_(200, JSON_TYPE, `{"Plaintext":${SECRET}}`), /HTTP 200/],
    ['base64 that is none', json({ KeyId: KEY, Plaintext: '!!!', CiphertextBlob: '!!!' }), /HTTP 200/],
    ['a connection that is reset within the answer', resetWithin, /cut off/],
  ]

  test.each(foreign)('%s', async (_, answered, says) => {
    answer = answered
    for (const call of [decrypt, generate]) {
      const error = await failure(call())
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE', kind: 'service' })
      expect(error.message).toMatch(/was not KMS/)
      expect(error.message).toMatch(says)
    }
  })

  test.each(foreign)('and shows nothing of the answer: %s', async (_, answered) => {
    answer = answered
    const error = await failure(decrypt())
    const printed = inspect(error, { depth: Infinity, showHidden: true, maxStringLength: Infinity })
    // A JSON parser's message has the text around the place where it stopped.
    for (let i = 0; i + 6 <= SECRET.length; i++) expect(printed).not.toContain(SECRET.slice(i, i + 6))
    expect(printed).not.toContain('blocked')
  })

  test.each([
    ['an answer', 200, JSON.stringify({ KeyId: KEY, Plaintext: SECRET })],
    ['a refusal', 400, '{"__type":"InvalidCiphertextException","message":"no"}'],
  ])('%s that is cut off after any of its bytes says nothing of the value', async (_, status, whole) => {
    for (let length = 0; length < whole.length; length++) {
      answer = with_(status, JSON_TYPE, whole.slice(0, length))
      const error = await failure(decrypt())
      expect(error).toMatchObject({ kind: 'service' })
      const printed = inspect(error, { depth: Infinity, showHidden: true, maxStringLength: Infinity })
      for (let i = 0; i + 6 <= SECRET.length; i++) expect(printed).not.toContain(SECRET.slice(i, i + 6))
    }
  })

  const statuses = [
    201, 204, 300, 301, 302, 303, 307, 400, 401, 403, 404, 407, 408, 413, 429, 500, 502, 503, 504, 511,
  ]
  const bodies: [what: string, headers: Record<string, string>, body: string][] = [
    ['HTML', HTML, PAGE],
    ['a number as code', { 'content-type': 'application/json' }, '{"code":403,"message":"blocked"}'],
    ['JSON of a proxy', { 'content-type': 'application/json' }, '{"error":"blocked","status":"denied"}'],
    ['an empty JSON object', JSON_TYPE, '{}'],
    ['nothing', {}, ''],
  ]

  test.each(bodies)('whatever the status of %s', async (_, headers, body) => {
    for (const status of statuses) {
      answer = with_(status, { ...headers, location: 'http://login.example/' }, status === 204 ? '' : body)
      for (const call of [decrypt, generate]) {
        const error = await failure(call())
        // Below 300 the SDK finds an answer without fields in it.
        if (error.code !== 'KMS_REQUEST_FAILED' || status >= 300) {
          expect({ status, code: error.code }).toEqual({ status, code: 'KMS_UNAVAILABLE' })
          expect(error.message).toContain(`HTTP ${status}`)
        } else expect(error.message).toContain('what stands between')
        expect(error.kind).toBe('service')
      }
    }
  })

  test('a connection that is closed before the answer', async () => {
    answer = (request) => {
      request.socket.destroy()
    }
    expect(await failure(decrypt())).toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })

  test('and does not make other calls fail at once, because somebody answers', async () => {
    answer = with_(502, HTML, PAGE)
    await failure(decrypt())
    answer = json({ KeyId: KEY, Plaintext: SECRET })
    await decrypt()
  })
})

describe('An answer that breaks the API of KMS is named, and nothing of it is used', () => {
  const blob = Buffer.alloc(184, 1).toString('base64')
  const broken: [what: string, call: () => Promise<unknown>, body: unknown, says: string][] = [
    ['an empty object', decrypt, {}, 'has no KeyId'],
    ['null', decrypt, null, 'has no KeyId'],
    ['a list', decrypt, [], 'has no KeyId'],
    ['text', decrypt, 'x', 'has no KeyId'],
    ['no plaintext', decrypt, { KeyId: KEY }, 'has no Plaintext'],
    ['an empty plaintext', decrypt, { KeyId: KEY, Plaintext: '' }, 'has no Plaintext'],
    ['a number for the plaintext', decrypt, { KeyId: KEY, Plaintext: 5 }, 'has no Plaintext'],
    ['an object for the plaintext', decrypt, { KeyId: KEY, Plaintext: { a: 1 } }, 'has no Plaintext'],
    ['an empty name for the key', decrypt, { KeyId: '', Plaintext: SECRET }, 'has no KeyId'],
    ['a number for the key', decrypt, { KeyId: 7, Plaintext: SECRET }, 'has no KeyId'],
    ['no blob', generate, { KeyId: KEY, Plaintext: SECRET }, 'has no CiphertextBlob'],
    ['no data key', generate, { KeyId: KEY, CiphertextBlob: blob }, 'has no Plaintext'],
    [
      'a data key of 16 bytes',
      generate,
      { KeyId: KEY, CiphertextBlob: blob, Plaintext: Buffer.alloc(16, 1).toString('base64') },
      'has a data key of 16 bytes instead of 32',
    ],
    [
      'a blob that Decrypt would not take',
      generate,
      { KeyId: KEY, CiphertextBlob: Buffer.alloc(6_145, 1).toString('base64'), Plaintext: SECRET },
      'has a CiphertextBlob of 6145 bytes, of which Decrypt takes 6144',
    ],
    [
      'a blob that no ciphertext can carry',
      generate,
      { KeyId: KEY, CiphertextBlob: Buffer.alloc(65_536, 1).toString('base64'), Plaintext: SECRET },
      'has a CiphertextBlob of 65536 bytes',
    ],
    [
      'a direct ciphertext that Decrypt would not take',
      () => kms.encrypt('alias/app', Buffer.alloc(1), CONTEXT),
      { KeyId: KEY, CiphertextBlob: Buffer.alloc(6_145, 1).toString('base64') },
      'has a CiphertextBlob of 6145 bytes',
    ],
    [
      'a moved ciphertext without its source',
      () => kms.reEncrypt(Buffer.alloc(184), CONTEXT, 'alias/app', CONTEXT),
      { KeyId: KEY, CiphertextBlob: blob },
      'has no SourceKeyId',
    ],
  ]

  test.each(broken)('%s', async (_, call, body, says) => {
    answer = json(body)
    const error = await failure(call())
    expect(error).toMatchObject({ code: 'KMS_REQUEST_FAILED', kind: 'service' })
    expect(error.message).toContain(says)
    expect(error.message).toContain('against the API of KMS')
  })

  test('a blob of the greatest length is taken', async () => {
    answer = json({
      KeyId: KEY,
      Plaintext: SECRET,
      CiphertextBlob: Buffer.alloc(6_144, 1).toString('base64'),
    })
    await expect(generate()).resolves.toMatchObject({ keyReference: KEY })
  })
})

describe('A refusal of AWS has its remedy', () => {
  const denied = (because: string): Answer =>
    exception(
      'AccessDeniedException',
      `User: arn:aws:sts::111122223333:assumed-role/app/i is not authorized to perform: kms:Decrypt on resource: ${KEY} ${because}`,
    )
  const invalid = (state: string): Answer => exception('KMSInvalidStateException', `${KEY} is ${state}.`)

  const refusals: [what: string, answer: Answer, code: KmsEncryptionErrorCode, says: RegExp][] = [
    [
      'an unknown exception',
      exception('SomethingNewException', 'x'),
      'KMS_REQUEST_FAILED',
      /SomethingNewException/,
    ],
    [
      'KeyUnavailableException',
      exception('KeyUnavailableException', '', 500),
      'KMS_KEY_UNAVAILABLE',
      /can be repeated/,
    ],
    ['state Unavailable', invalid('unavailable'), 'KMS_KEY_UNAVAILABLE', /custom key store/],
    [
      'state Unavailable by its name',
      invalid('in state Unavailable'),
      'KMS_KEY_UNAVAILABLE',
      /custom key store/,
    ],
    ['state Updating', invalid('updating'), 'KMS_KEY_UNAVAILABLE', /created or updated/],
    ['state Creating', invalid('creating'), 'KMS_KEY_UNAVAILABLE', /created or updated/],
    [
      'state PendingImport',
      invalid('pending import'),
      'KMS_KEY_UNUSABLE',
      /no key material.*import-key-material/,
    ],
    ['state PendingImport by its name', invalid('PendingImport'), 'KMS_KEY_UNUSABLE', /no key material/],
    ['state PendingDeletion', invalid('pending deletion'), 'KMS_KEY_PENDING_DELETION', /cancel-deletion/],
    [
      'state PendingDeletion by its name',
      invalid('PendingDeletion'),
      'KMS_KEY_PENDING_DELETION',
      /cancel-deletion/,
    ],
    [
      'state PendingReplicaDeletion',
      invalid('PendingReplicaDeletion'),
      'KMS_KEY_PENDING_DELETION',
      /cancel-deletion/,
    ],
    ['a state that it must be in', invalid('not pending deletion'), 'KMS_KEY_UNUSABLE', /cannot be used/],
    [
      'an alias that is called like a state',
      exception(
        'KMSInvalidStateException',
        'alias/updating-unavailable is in a state that does not allow this.',
      ),
      'KMS_KEY_UNUSABLE',
      /cannot be used/,
    ],
    [
      'a signature that expired',
      exception(
        'InvalidSignatureException',
        'Signature expired: 20201125T160000Z is now earlier than 20201125T161000Z (20201125T161500Z - 5 min.)',
      ),
      'KMS_CLOCK',
      /It says 20\d\d-.*Z, AWS 2020-11-25T16:15:00.000Z: [\d,]+ s ahead/,
    ],
    [
      'a signature of the future',
      exception(
        'InvalidSignatureException',
        'Signature not yet current: 20991125T160000Z is still later than 20991125T155000Z (20991125T154500Z + 5 min.)',
      ),
      'KMS_CLOCK',
      /AWS 2099-11-25T15:45:00.000Z: [\d,]+ s behind/,
    ],
    [
      'RequestTimeTooSkewed, with the time in the header alone',
      with_(
        403,
        { ...JSON_TYPE, date: 'Wed, 25 Nov 2020 16:15:00 GMT' },
        '{"__type":"RequestTimeTooSkewed","message":"The difference is too large."}',
      ),
      'KMS_CLOCK',
      /AWS 2020-11-25T16:15:00.000Z.*Synchronise it/,
    ],
    ['RequestExpired', exception('RequestExpired', 'Request has expired.'), 'KMS_CLOCK', /Synchronise it/],
    ['RequestInTheFuture', exception('RequestInTheFuture', 'x'), 'KMS_CLOCK', /Synchronise it/],
    [
      'a signature that does not match',
      exception(
        'InvalidSignatureException',
        'The request signature we calculated does not match the signature you provided.',
      ),
      'KMS_CREDENTIALS',
      /AWS_SECRET_ACCESS_KEY.*a proxy alters the request/,
    ],
    [
      'SignatureDoesNotMatch',
      exception('SignatureDoesNotMatch', '', 403),
      'KMS_CREDENTIALS',
      /does not match/,
    ],
    ['an expired token', exception('ExpiredTokenException'), 'KMS_CREDENTIALS', /renew/],
    [
      'a CloudHSM cluster that is not active',
      exception('CloudHsmClusterNotActiveException'),
      'KMS_KEY_UNAVAILABLE',
      /AWS CloudHSM cluster.*connect-custom-key-store/,
    ],
    [
      'a custom key store that is not connected',
      exception('CustomKeyStoreInvalidStateException'),
      'KMS_KEY_UNAVAILABLE',
      /connect-custom-key-store/,
    ],
    [
      'an external key store proxy that cannot be reached',
      exception('XksProxyUriUnreachableException'),
      'KMS_KEY_UNAVAILABLE',
      /external key store proxy/,
    ],
    [
      'an external key that is gone',
      exception('XksKeyNotFoundException'),
      'KMS_KEY_UNAVAILABLE',
      /the key behind it/,
    ],
    // The texts are those of the AWS KMS Developer Guide, "Troubleshooting external key stores".
    ...(
      [
        ['did not respond in time', 'KMS_KEY_UNAVAILABLE', /external key store proxy and the key behind it/],
        ['could not be understood: it is in an unhealthy state', 'KMS_KEY_UNAVAILABLE', /its own log/],
        [
          'rejected the request because it could not find the external key',
          'KMS_KEY_UNAVAILABLE',
          /key behind it/,
        ],
        [
          'rejected the request because the external key is not enabled',
          'KMS_KEY_UNAVAILABLE',
          /key behind it/,
        ],
        [
          'rejected the request because it could not authenticate AWS KMS',
          'KMS_KEY_UNAVAILABLE',
          /credentials/,
        ],
        [
          'denied access to the operation',
          'KMS_ACCESS_DENIED',
          /allow the AWS principal of this process there/,
        ],
        ['rejected the request due to a very high request rate', 'KMS_THROTTLED', /Lower the concurrency/],
        [
          'rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid',
          'CIPHERTEXT_WRONG_CONTEXT',
          /made for another table/,
        ],
      ] as const
    ).map(([said, code, says]): (typeof refusals)[number] => [
      `an external key store that ${said.slice(0, 60)}`,
      exception('KMSInvalidStateException', `The external key store proxy ${said}.`),
      code,
      says,
    ]),
    [
      'an external key store that is too late, as trouble of KMS itself',
      exception(
        'KMSInternalException',
        'AWS KMS rejected the request because the external key store proxy did not respond in time.',
        500,
      ),
      'KMS_KEY_UNAVAILABLE',
      /external key store proxy and the key behind it/,
    ],
    [
      'an external key store that cannot do it',
      exception(
        'UnsupportedOperationException',
        'The external key store proxy rejected the request because it does not support the requested cryptographic operation.',
      ),
      'KMS_KEY_UNAVAILABLE',
      /external key store proxy and the key behind it/,
    ],
    [
      'what an external key manager gave back',
      invalid(
        'unusable: The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted',
      ),
      'KMS_KEY_UNAVAILABLE',
      /its own log/,
    ],
    [
      'a CloudHSM cluster that does not answer',
      exception('KMSInvalidStateException', 'KMS cannot communicate with your CloudHSM cluster'),
      'KMS_KEY_UNAVAILABLE',
      /AWS CloudHSM cluster.*network/,
    ],
    [
      'an alias that is called like a key store',
      exception('KMSInvalidStateException', 'alias/external-key is in a state that does not allow this.'),
      'KMS_KEY_UNUSABLE',
      /cannot be used/,
    ],
    [
      'throttling',
      exception('ThrottlingException', 'Rate exceeded'),
      'KMS_THROTTLED',
      /custom key store have a quota/,
    ],
    [
      'the policy of a VPC endpoint',
      denied('because no VPC endpoint policy allows the kms:Decrypt action'),
      'KMS_ACCESS_DENIED',
      /VPC endpoint for KMS denies it: allow kms:Decrypt/,
    ],
    [
      'the policy of a VPC endpoint, explicitly',
      denied('with an explicit deny in a VPC endpoint policy'),
      'KMS_ACCESS_DENIED',
      /VPC endpoint for KMS/,
    ],
    [
      'a service control policy, by its absence',
      denied('because no service control policy allows the kms:Decrypt action'),
      'KMS_ACCESS_DENIED',
      /its administrators must allow kms:Decrypt/,
    ],
    [
      'a resource control policy',
      denied('with an explicit deny in a resource control policy'),
      'KMS_ACCESS_DENIED',
      /resource control policy of the AWS organisation/,
    ],
    [
      'a session policy',
      denied('because no session policy allows the kms:Decrypt action'),
      'KMS_ACCESS_DENIED',
      /where the role is assumed/,
    ],
    [
      'a service control policy',
      denied('with an explicit deny in a service control policy'),
      'KMS_ACCESS_DENIED',
      /organisation/,
    ],
    [
      'a permissions boundary',
      denied('because no permissions boundary allows the kms:Decrypt action'),
      'KMS_ACCESS_DENIED',
      /permissions boundary/,
    ],
    [
      'an IAM policy',
      denied('because no identity-based policy allows it'),
      'KMS_ACCESS_DENIED',
      /key policy or the role/,
    ],
    [
      'a key that is not there, or elsewhere',
      exception(
        'AccessDeniedException',
        'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
      ),
      'KMS_ACCESS_DENIED',
      /deleted and of one in another region/,
    ],
    [
      'a ciphertext under another key',
      exception('IncorrectKeyException'),
      'KMS_KEY_UNTRUSTED',
      /under another key/,
    ],
  ]

  test.each(refusals)('%s', async (_, answered, code, says) => {
    answer = answered
    const error = await failure(decrypt())
    expect(error.code).toBe(code)
    expect(error.message).toMatch(says)
    expect(error.cause).toBeInstanceOf(Object)
  })
})
