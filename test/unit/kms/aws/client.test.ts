import { ListKeysCommand } from '@aws-sdk/client-kms'
import { defaultClient } from '../../../../src/kms/aws/client'

/** Nobody listens there. */
const NOWHERE = {
  region: 'eu-west-3',
  endpoint: 'http://127.0.0.1:1',
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  maxAttempts: 1,
}

test.each([
  [undefined, 1_000, 2_000],
  [10_000, 2_000, 4_000],
  [1_001, 201, 401],
])(
  'A client with a time-out of %p gives up a connection after %d ms, and a request after %d, with an error',
  async (timeout, connectionTimeout, requestTimeout) => {
    const client = defaultClient(timeout, NOWHERE)
    expect(await client.config.region()).toBe('eu-west-3')
    // The SDK reads the settings of its connections with the first request.
    await expect(client.send(new ListKeysCommand({}))).rejects.toThrow('ECONNREFUSED')
    const handler = client.config.requestHandler as object as { httpHandlerConfigs(): unknown }
    expect(handler.httpHandlerConfigs()).toMatchObject({
      connectionTimeout,
      requestTimeout,
      throwOnRequestTimeout: true,
    })
    client.destroy()
  },
)
