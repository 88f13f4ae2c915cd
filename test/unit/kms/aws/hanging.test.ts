import { KMSClient } from '@aws-sdk/client-kms'
import { KeyAdministration } from '../../../../src/kms/aws/key-administration'

/** A client as applications have it: with no limit of its own, and a KMS that never answers. */
function hangingClient(): KMSClient {
  return new KMSClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    requestHandler: {
      handle: (_request: unknown, { abortSignal }: { abortSignal?: AbortSignal } = {}) =>
        new Promise((_, reject) => {
          const abort = (): void => {
            reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
          }
          if (abortSignal?.aborted === true) abort()
          else abortSignal?.addEventListener('abort', abort)
        }),
    } as never,
  })
}

test.each<[string, (keys: KeyAdministration) => Promise<unknown>]>([
  ['metadata', (keys) => keys.metadata('alias/x')],
  ['list', (keys) => keys.list()],
  ['aliases', (keys) => keys.aliases()],
  ['scheduleDeletion', (keys) => keys.scheduleDeletion('arn', 7)],
])('A KMS that hangs ends %s after a while', async (_, ask) => {
  const timeout = jest.spyOn(AbortSignal, 'timeout').mockImplementation((milliseconds) => {
    expect(milliseconds).toBe(30_000)
    return AbortSignal.abort()
  })
  try {
    await expect(ask(new KeyAdministration(hangingClient()))).rejects.toMatchObject({
      code: 'KMS_UNAVAILABLE',
      message: expect.stringMatching(/did not answer \w+ within 30 seconds/) as string,
      cause: { name: 'AbortError' },
    })
  } finally {
    timeout.mockRestore()
  }
})
