import { toKmsEncryptionError } from '../../../../src/kms/aws/error-mapping'

const call = { operation: 'Decrypt', keyId: undefined, region: () => Promise.resolve('us-east-1') }

/** What is said of an error that came with this answer, and as its cause. */
async function said(error: object): Promise<[message: string, cause: string]> {
  const mapped = await toKmsEncryptionError(
    { name: 'SyntaxError', message: 'Unexpected token', ...error },
    call,
  )
  expect(mapped).toMatchObject({ code: 'KMS_UNAVAILABLE', kind: 'service' })
  return [mapped.message, (mapped.cause as Error).message]
}

const answer = (statusCode: number, headers = {}): object => ({ $response: { statusCode, headers } })

describe('An answer that was not of KMS is described', () => {
  test.each<[string, object, string]>([
    ['its status', answer(403), 'HTTP 403'],
    ['nothing, where nothing is known', { message: 'x. Deserialization error: y' }, 'no HTTP status'],
    ['the system error that ended it', { ...answer(200), code: 'ECONNRESET' }, 'HTTP 200, ECONNRESET'],
    [
      'telling headers, in the same order',
      answer(502, { via: '1.1 x', 'x-secret': 'y', server: 'squid', location: 'http://z' }),
      'HTTP 502, server: squid, via: 1.1 x, location: http://z',
    ],
    [
      'the printable part of headers',
      answer(502, { server: 'a\nb\u00e4\u001b[1m' }),
      'HTTP 502, server: ab[1m',
    ],
    [
      'the beginning of long headers',
      answer(502, { via: 'v'.repeat(101), server: 's'.repeat(100) }),
      `HTTP 502, server: ${'s'.repeat(100)}, via: ${'v'.repeat(100)}`,
    ],
  ])('by %s', async (_, error, description) => {
    const [message, cause] = await said(error)
    expect(message).toContain(`was not KMS, or its answer was cut off on the way: ${description}. `)
    expect(cause).toBe(`the answer could not be read (SyntaxError): ${description}`)
  })

  test.each<[string, object, string]>([
    ['a proxy that asks for credentials', answer(407), '. A proxy asks for credentials'],
    ['a connection that ended', { ...answer(200), code: 'ECONNRESET' }, '. Check the network'],
    ['anything else', answer(200), '. A proxy or firewall stands between'],
  ])('with the remedy for %s', async (_, error, remedy) => {
    expect((await said(error))[0]).toContain(remedy)
  })
})
