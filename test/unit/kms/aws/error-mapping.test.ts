import { inspect } from 'node:util'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { KmsEncryptionError } from '../../../../src/errors'
import { AwsKms } from '../../../../src/kms/aws/aws-kms'
import { toKmsEncryptionError } from '../../../../src/kms/aws/error-mapping'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'
import { LocalKms, type LocalKmsFaults } from '../../../../src/local-kms'
import { formsOfMarker, newMarker } from '../../../support/markers'
import { createKey, disableKey, scheduleKeyDeletion } from '../keys'

const CONTEXT = { table: 'user' }
const trustedKeys = new TrustedKeys(undefined)

function setUp(client?: KMSClient): { local: LocalKms; kms: AwsKms } {
  const local = new LocalKms()
  const kms = new AwsKms({ client: client ?? local.client({ maxAttempts: 1 }), concurrency: 5, trustedKeys })
  return { local, kms }
}

async function failure(call: Promise<unknown>): Promise<KmsEncryptionError> {
  const error: unknown = await call.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KmsEncryptionError)
  return error as KmsEncryptionError
}

/** What KMS may answer, by the name in its API, and the code that users see. */
const answers: [exception: string, code: string][] = [
  ['NotFoundException', 'KMS_KEY_NOT_FOUND'],
  ['DisabledException', 'KMS_KEY_DISABLED'],
  ['KMSInvalidStateException', 'KMS_KEY_UNUSABLE'],
  ['InvalidKeyUsageException', 'KMS_KEY_UNUSABLE'],
  ['UnsupportedOperationException', 'KMS_KEY_UNUSABLE'],
  ['KeyUnavailableException', 'KMS_KEY_UNAVAILABLE'],
  ['InvalidCiphertextException', 'CIPHERTEXT_WRONG_CONTEXT'],
  ['AccessDeniedException', 'KMS_ACCESS_DENIED'],
  ['NotAuthorized', 'KMS_ACCESS_DENIED'],
  ['ThrottlingException', 'KMS_THROTTLED'],
  ['LimitExceededException', 'KMS_REQUEST_FAILED'],
  ['DependencyTimeoutException', 'KMS_UNAVAILABLE'],
  ['KMSInternalException', 'KMS_UNAVAILABLE'],
  ['InternalFailure', 'KMS_UNAVAILABLE'],
  ['ServiceUnavailable', 'KMS_UNAVAILABLE'],
  ['ServiceUnavailableException', 'KMS_UNAVAILABLE'],
  ['RequestTimeoutException', 'KMS_UNAVAILABLE'],
  ['ExpiredTokenException', 'KMS_CREDENTIALS'],
  ['UnrecognizedClientException', 'KMS_CREDENTIALS'],
  ['InvalidSignatureException', 'KMS_CREDENTIALS'],
  ['IncompleteSignature', 'KMS_CREDENTIALS'],
  ['InvalidGrantTokenException', 'KMS_REQUEST_FAILED'],
  ['ValidationException', 'KMS_REQUEST_FAILED'],
  ['SomethingNewException', 'KMS_REQUEST_FAILED'],
]

describe('An exception of KMS, through the real SDK', () => {
  test.each(answers)('%s becomes %s, with the exception as its cause', async (exception, code) => {
    const { local, kms } = setUp()
    const keyId = await createKey(local)
    const blob = (await kms.encrypt(keyId, Buffer.from('x'), CONTEXT)).ciphertext
    local.misbehave({ fail: () => exception })
    for (const call of [
      () => kms.generateDataKey(keyId, CONTEXT),
      () => kms.encrypt(keyId, Buffer.from('x'), CONTEXT),
      () => kms.decrypt(blob, CONTEXT),
    ]) {
      const error = await failure(call())
      expect(error.code).toBe(code)
      expect(error.cause).toMatchObject({ name: exception })
    }
  })

  test('that this library does not know is named in the message', async () => {
    const { local, kms } = setUp()
    local.misbehave({ fail: () => 'SomethingNewException' })
    const error = await failure(kms.generateDataKey('x', CONTEXT))
    expect(error.message).toMatch(/KMS refused GenerateDataKey \(SomethingNewException\)/)
  })
})

describe('What the SDK throws before KMS is asked, and what other services of AWS say', () => {
  const role =
    'User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: role/app'
  const said: [name: string, message: string, status: number, code: string, says: RegExp][] = [
    ['AccessDenied', role, 403, 'KMS_CREDENTIALS', /role cannot be assumed/],
    ['AccessDeniedException', role, 403, 'KMS_CREDENTIALS', /role cannot be assumed/],
    ['AccessDenied', 'x is not authorized to perform: kms:Decrypt', 400, 'KMS_ACCESS_DENIED', /Allow kms:/],
    ['InvalidIdentityToken', 'No OpenIDConnect provider found', 400, 'KMS_CREDENTIALS', /trust policy/],
    ['UnauthorizedException', 'Session token not found or invalid', 401, 'KMS_CREDENTIALS', /aws sso login/],
    ['TokenProviderError', 'Token is expired', 0, 'KMS_CREDENTIALS', /aws sso login/],
    ['CredentialsProviderError', 'The SSO session has expired', 0, 'KMS_CREDENTIALS', /renew the expired/],
    ['Error', 'Resolved credential object is not valid', 0, 'KMS_CREDENTIALS', /no valid AWS credentials/],
    ['Error', 'Credential is missing', 0, 'KMS_CREDENTIALS', /no valid AWS credentials/],
    ['OptInRequired', 'needs a subscription', 403, 'KMS_CREDENTIALS', /no valid AWS credentials/],
    ['InvalidArnException', 'Invalid arn us-east-1', 400, 'KMS_KEY_NOT_FOUND', /alias begins with/],
    [
      'ValidationException',
      "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint",
      400,
      'KMS_KEY_NOT_FOUND',
      /alias begins with/,
    ],
    ...[
      'Throttling',
      'ThrottledException',
      'RequestThrottled',
      'RequestThrottledException',
      'TooManyRequestsException',
      'SlowDown',
    ].map((name) => [name, '', 400, 'KMS_THROTTLED', /quota/] as [string, string, number, string, RegExp]),
    ['SomethingElse', '', 429, 'KMS_THROTTLED', /quota/],
    ['SomethingElse', '', 499, 'KMS_REQUEST_FAILED', /refused Decrypt \(SomethingElse\)/],
    ['SomethingElse', '', 500, 'KMS_UNAVAILABLE', /failed on its side/],
    ['SomethingElse', 'what is the keyId for?', 400, 'KMS_REQUEST_FAILED', /SomethingElse/],
    ['ValidationException', 'a context that is too long', 400, 'KMS_REQUEST_FAILED', /ValidationException/],
    ['Error', 'Region is missing', 0, 'KMS_REGION', /AWS_REGION/],
    ['Error', 'Region not accepted: region="x y" is not a valid hostname', 0, 'KMS_REGION', /AWS_REGION/],
    ['SomethingElse', 'Replica Region is missing', 400, 'KMS_REQUEST_FAILED', /SomethingElse/],
    // What an answer says of certificates and key stores counts where it can be about them.
    ['SomethingElse', 'the certificate has expired', 400, 'KMS_REQUEST_FAILED', /SomethingElse/],
    ['SomethingElse', 'read ECONNRESET', 400, 'KMS_REQUEST_FAILED', /SomethingElse/],
    ['SomethingElse', 'as the external key store has it', 400, 'KMS_REQUEST_FAILED', /SomethingElse/],
    [
      'InvalidCiphertextException',
      'of an external key',
      400,
      'CIPHERTEXT_WRONG_CONTEXT',
      /refuses the stored/,
    ],
  ]

  test.each(said)('%s: %s (%d) is %s', async (name, message, httpStatusCode, code, says) => {
    const answered = httpStatusCode === 0 ? {} : { $fault: 'client', $metadata: { httpStatusCode } }
    const call = { operation: 'Decrypt', keyId: 'alias/app', region: () => Promise.resolve('us-east-1') }
    const error = await toKmsEncryptionError(Object.assign(new Error(message), { name, ...answered }), call)
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(says)
  })
})

describe('The permission that is missing', () => {
  test.each<[string, (kms: AwsKms) => Promise<unknown>, string]>([
    ['Encrypt', (kms) => kms.encrypt('alias/app', Buffer.from('x'), CONTEXT), 'the KMS key alias/app'],
    ['Decrypt', (kms) => kms.decrypt(Buffer.alloc(184), CONTEXT), 'the KMS key of this value'],
  ])('is named for %s with its key', async (operation, ask, key) => {
    const { local, kms } = setUp()
    await createKey(local, 'alias/app')
    local.misbehave({ deny: operation })
    const error = await failure(ask(kms))
    expect(error.code).toBe('KMS_ACCESS_DENIED')
    expect(error.message).toContain(`Allow kms:${operation} on ${key} in the key policy`)
  })

  test('is two for ReEncrypt, each on a key of its own', async () => {
    const { local, kms } = setUp()
    const { ciphertext } = await kms.encrypt(await createKey(local), Buffer.from('x'), CONTEXT)
    await createKey(local, 'alias/new')
    local.misbehave({ deny: 'ReEncrypt' })
    const error = await failure(kms.reEncrypt(ciphertext, CONTEXT, 'alias/new', CONTEXT))
    expect(error.message).toContain('Allow kms:ReEncryptFrom on the KMS key that the values are under')
    expect(error.message).toContain('kms:ReEncryptTo on the KMS key alias/new')
  })
})

describe('A clock that is off', () => {
  const call = { operation: 'Decrypt', keyId: undefined, region: () => Promise.resolve('us-east-1') }
  const expired = (message: string, headers = {}): object => ({
    name: 'InvalidSignatureException',
    message,
    $fault: 'client',
    $metadata: { httpStatusCode: 400 },
    $response: { headers },
  })
  const said = 'Signature expired: 20260301T100000Z is now earlier than 20260301T101000Z'

  beforeEach(() => {
    jest.useFakeTimers({ now: Date.parse('2026-03-01T10:00:30.400Z') })
  })

  afterEach(() => {
    jest.useRealTimers()
  })

  test.each<[string, object, string]>([
    [
      'the time in the message',
      expired(`${said} (20260301T110030Z - 5 min.)`),
      'It says 2026-03-01T10:00:30.400Z, AWS 2026-03-01T11:00:30.000Z: 3,600 s behind. ',
    ],
    [
      'the time in the message, whatever the header has',
      expired(`${said} (20260301T095000Z - 5 min.)`, { date: 'Sun, 01 Mar 2026 12:00:00 GMT' }),
      'AWS 2026-03-01T09:50:00.000Z: 630 s ahead. ',
    ],
    [
      'the time in the header',
      expired(said, { Date: 'Sun, 01 Mar 2026 10:10:00 GMT' }),
      'AWS 2026-03-01T10:10:00.000Z: 570 s behind. ',
    ],
    ['no time of AWS', expired(said, { date: 'soon' }), 'It says 2026-03-01T10:00:30.400Z. Synchronise'],
  ])('is told by %s', async (_, error, says) => {
    const mapped = await toKmsEncryptionError(error, call)
    expect(mapped).toMatchObject({ code: 'KMS_CLOCK' })
    expect(mapped.message).toContain(says)
  })
})

describe('The state of a KMS key', () => {
  test('unknown, as id, ARN or alias', async () => {
    const { kms } = setUp()
    const unknown = [
      '00000000-0000-0000-0000-000000000000',
      'arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000',
      'alias/nowhere',
    ]
    for (const keyId of unknown) {
      const error = await failure(kms.generateDataKey(keyId, CONTEXT))
      expect(error.code).toBe('KMS_KEY_NOT_FOUND')
      expect(error.message).toContain(keyId)
    }
  })

  test('disabled', async () => {
    const { local, kms } = setUp()
    const keyId = await createKey(local)
    await disableKey(local, keyId)
    const error = await failure(kms.encrypt(keyId, Buffer.from('x'), CONTEXT))
    expect(error.code).toBe('KMS_KEY_DISABLED')
    expect(error.message).toMatch(/typeorm-kms keys enable KEY/)
  })

  test('scheduled for deletion', async () => {
    const { local, kms } = setUp()
    const keyId = await createKey(local)
    const { encrypted } = await kms.generateDataKey(keyId, CONTEXT)
    await scheduleKeyDeletion(local, keyId)
    for (const call of [kms.generateDataKey(keyId, CONTEXT), kms.decrypt(encrypted, CONTEXT)]) {
      const error = await failure(call)
      expect(error.code).toBe('KMS_KEY_PENDING_DELETION')
      expect(error.message).toMatch(/typeorm-kms keys cancel-deletion KEY/)
    }
  })

  test.each([
    ['RSA_2048', 'ENCRYPT_DECRYPT'],
    ['HMAC_256', 'GENERATE_VERIFY_MAC'],
    ['ECC_NIST_P256', 'SIGN_VERIFY'],
  ] as const)('of the wrong kind: %s', async (KeySpec, KeyUsage) => {
    const { local, kms } = setUp()
    const { KeyMetadata } = await local.client().send(new CreateKeyCommand({ KeySpec, KeyUsage }))
    const error = await failure(kms.generateDataKey(KeyMetadata!.KeyId!, CONTEXT))
    expect(error.code).toBe('KMS_KEY_UNUSABLE')
    expect(error.message).toMatch(/SYMMETRIC_DEFAULT/)
  })

  test('in another Region than the client', async () => {
    const elsewhere = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
    const { kms } = setUp()
    const error = await failure(kms.encrypt(elsewhere, Buffer.from('x'), CONTEXT))
    expect(error.code).toBe('KMS_REGION')
    expect(error.message).toMatch(/in region eu-west-1, the KMS client in us-east-1/)
  })
})

describe('Trouble on the way to KMS', () => {
  const faults: [what: string, faults: LocalKmsFaults, code: string][] = [
    ['access denied', { deny: ['GenerateDataKey'] }, 'KMS_ACCESS_DENIED'],
    ['throttling', { throttle: 1 }, 'KMS_THROTTLED'],
    ['no connection', { outage: true }, 'KMS_UNAVAILABLE'],
  ]

  test.each(faults)('%s', async (_, fault, code) => {
    const { local, kms } = setUp()
    const keyId = await createKey(local)
    local.misbehave(fault)
    const error = await failure(kms.generateDataKey(keyId, CONTEXT))
    expect(error.code).toBe(code)
    local.misbehave({})
    await expect(kms.generateDataKey(keyId, CONTEXT)).resolves.toBeDefined()
  })

  test('a connection that is reset, over a socket', async () => {
    const local = new LocalKms()
    const server = await local.listen()
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const client = new KMSClient({ region: 'us-east-1', endpoint: server.url, credentials, maxAttempts: 1 })
    const { kms } = setUp(client)
    local.misbehave({ outage: true })
    expect((await failure(kms.generateDataKey('x', CONTEXT))).code).toBe('KMS_UNAVAILABLE')
    await server.close()
    expect((await failure(kms.generateDataKey('x', CONTEXT))).code).toBe('KMS_UNAVAILABLE')
    client.destroy()
  })

  test('no answer in time', async () => {
    const local = new LocalKms()
    const server = await local.listen()
    const client = new KMSClient({
      region: 'us-east-1',
      endpoint: server.url,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
      requestHandler: { requestTimeout: 50, throwOnRequestTimeout: true },
    })
    const { kms } = setUp(client)
    local.misbehave({ outage: 'hang' })
    expect((await failure(kms.generateDataKey('x', CONTEXT))).code).toBe('KMS_UNAVAILABLE')
    client.destroy()
    await server.close()
  })

  const codes = [
    'ECONNREFUSED',
    'ECONNRESET',
    'ECONNABORTED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENETDOWN',
    'EPIPE',
    'EPROTO',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'HPE_INVALID_CONSTANT',
    'UND_ERR_CONNECT_TIMEOUT',
  ]

  test.each(codes)('the system error %s', async (code) => {
    const call = { operation: 'Decrypt', keyId: undefined, region: () => Promise.resolve('us-east-1') }
    const error = await toKmsEncryptionError(Object.assign(new Error('x'), { code }), call)
    expect(error.code).toBe('KMS_UNAVAILABLE')
  })

  test.each([
    ['CERT_HAS_EXPIRED', '', /The clock of this machine says 20\d\d-/],
    ['CERT_NOT_YET_VALID', '', /synchronise it/],
    ['', 'certificate has expired', /synchronise it/],
    ['SELF_SIGNED_CERT_IN_CHAIN', '', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', '', /NODE_EXTRA_CA_CERTS/],
    ['', 'unable to get local issuer certificate', /NODE_EXTRA_CA_CERTS/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', '', /Check the network/],
  ])('the certificate: %s %s', async (code, message, says) => {
    const call = { operation: 'Decrypt', keyId: undefined, region: () => Promise.resolve('us-east-1') }
    const error = await toKmsEncryptionError(Object.assign(new Error(message), { code }), call)
    expect(error.code).toBe('KMS_UNAVAILABLE')
    expect(error.message).toMatch(says)
  })
})

describe('Without the AWS set-up', () => {
  const variables = [
    'AWS_REGION',
    'AWS_DEFAULT_REGION',
    'AWS_PROFILE',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
  ]
  const others = ['AWS_EC2_METADATA_DISABLED', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'HOME']
  let saved: NodeJS.ProcessEnv

  beforeEach(() => {
    saved = Object.fromEntries([...variables, ...others].map((name) => [name, process.env[name]]))
    for (const name of variables) Reflect.deleteProperty(process.env, name)
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/nonexistent',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    })
  })

  afterEach(() => {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  })

  test('a missing region is named', async () => {
    const kms = new AwsKms({ concurrency: 1, trustedKeys })
    const error = await failure(kms.generateDataKey('alias/x', CONTEXT))
    expect(error.code).toBe('KMS_REGION')
    expect(error.message).toMatch(/no AWS region is configured/)
    kms.close()
  })

  test('missing credentials are named', async () => {
    process.env['AWS_REGION'] = 'us-east-1'
    const kms = new AwsKms({ concurrency: 1, trustedKeys })
    const error = await failure(kms.generateDataKey('alias/x', CONTEXT))
    expect(error.code).toBe('KMS_CREDENTIALS')
    expect(error.message).toMatch(/AWS_ACCESS_KEY_ID/)
    kms.close()
  })
})

describe('What was thrown', () => {
  const call = { operation: 'Decrypt', keyId: undefined, region: () => Promise.resolve('us-east-1') }

  test.each([[undefined], [null], ['text'], [{}], [{ name: 5, message: {} }]])(
    'is mapped whatever it is: %p',
    async (thrown) => {
      expect((await toKmsEncryptionError(thrown, call)).code).toBe('KMS_REQUEST_FAILED')
    },
  )

  test.each(['constructor', 'toString', '__proto__'])('is mapped if its name is %s', async (name) => {
    expect((await toKmsEncryptionError({ name }, call)).code).toBe('KMS_REQUEST_FAILED')
  })

  test('is left as it is if it is an error of this library', async () => {
    const { local, kms } = setUp()
    const error = await failure(
      kms
        .generateDataKey(await createKey(local), CONTEXT)
        .then(() => kms.encrypt('alias/none', Buffer.from('x'), {})),
    )
    expect(await toKmsEncryptionError(error, call)).toBe(error)
  })

  test('never shows the plaintext, however the error is printed', async () => {
    const marker = newMarker()
    const local = new LocalKms()
    const server = await local.listen()
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const remote = new KMSClient({ region: 'us-east-1', endpoint: server.url, credentials, maxAttempts: 1 })
    const keyId = await createKey(local)
    for (const { kms } of [setUp(local.client({ maxAttempts: 1 })), setUp(remote)]) {
      for (const fault of [{ fail: () => 'AccessDeniedException' }, { outage: true }]) {
        local.misbehave(fault)
        const error = await failure(kms.encrypt(keyId, Buffer.from(marker), CONTEXT))
        const printed = [
          String(error),
          error.stack ?? '',
          JSON.stringify(error),
          JSON.stringify(error.cause),
          inspect(error, { depth: Infinity, maxStringLength: Infinity, maxArrayLength: Infinity }),
        ]
        for (const text of printed) expect(formsOfMarker(text, marker)).toEqual([])
      }
      local.misbehave({})
    }
    remote.destroy()
    await server.close()
  })
})
