import { KMSClient } from '@aws-sdk/client-kms'

import { LocalKms, type LocalKmsServer } from '../../../src/local-kms'
import { SCENARIOS } from './scenarios'
import { Stage } from './stage'

const names = SCENARIOS.map((scenario) => [scenario.name, scenario] as const)
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }

describe('The embedded KMS in process', () => {
  test.each(names)('%s', async (_, scenario) => {
    const stage = new Stage(new LocalKms().client())
    await scenario.play(stage)
    expect(stage.differences).toEqual([])
  })
})

describe('The embedded KMS over a port', () => {
  let server: LocalKmsServer
  let client: KMSClient

  beforeAll(async () => {
    const kms = new LocalKms()
    server = await kms.listen()
    client = new KMSClient({ region: kms.region, endpoint: server.url, credentials })
  })

  afterAll(async () => {
    client.destroy()
    await server.close()
  })

  test.each(names)('%s', async (_, scenario) => {
    const stage = new Stage(client)
    await scenario.play(stage)
    expect(stage.differences).toEqual([])
  })
})

/**
 * Any other KMS: `TEST_KMS_ENDPOINT=http://127.0.0.1:5000`, or `aws` for AWS itself with the environment's
 * credentials and region (about 40 keys are made and scheduled for deletion). Differences are reported.
 */
const endpoint = process.env['TEST_KMS_ENDPOINT']
const describeOther = endpoint === undefined ? describe.skip : describe

describeOther(`The KMS at ${endpoint ?? 'TEST_KMS_ENDPOINT (left out: the variable is not set)'}`, () => {
  test('plays the same scenarios, and its differences are reported', async () => {
    const region = process.env['AWS_REGION'] ?? 'us-east-1'
    const client = new KMSClient(
      endpoint === 'aws' ? { region } : { region, endpoint: endpoint!, credentials },
    )
    const report: string[] = []
    for (const scenario of SCENARIOS) {
      const stage = new Stage(client)
      try {
        await scenario.play(stage)
      } catch (error) {
        const { name, message } = error as Error
        stage.differences.push({ step: 'stopped', expected: 'no error', found: `${name}: ${message}` })
      }
      await stage.clear()
      report.push(
        ...stage.differences.map(
          ({ step, expected, found }) =>
            `${scenario.name}\n  ${step}: expected ${show(expected)}\n  found ${show(found)}`,
        ),
      )
    }
    client.destroy()
    process.stdout.write(`${endpoint!} differs in ${report.length} steps.\n${report.join('\n')}\n`)
    expect(report.filter((line) => line.includes('ECONNREFUSED'))).toEqual([])
  })
})

/** Bytes are shown by their number: they may be a data key. */
function show(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) =>
    part instanceof Uint8Array ? `<${part.length} bytes>` : part,
  )
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}
