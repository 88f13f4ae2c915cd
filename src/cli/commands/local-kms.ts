import { LocalKms } from '../../local-kms'
import { type Command, wholeNumber } from '../command'

const DEFAULT_PORT = 4599

export const localKms: Command = {
  name: 'local-kms',
  summary: 'Runs the embedded KMS for development on a loopback port, until Ctrl-C.',
  options: {
    port: {
      type: 'string',
      value: 'N',
      help: `port on 127.0.0.1; default ${DEFAULT_PORT}, 0 for a free one`,
    },
    file: {
      type: 'string',
      value: 'FILE',
      help: 'keeps the keys in this file, in clear; else they end with it',
    },
    region: { type: 'string', value: 'REGION', help: 'region in its ARNs; default us-east-1' },
    regions: { type: 'string', value: 'LIST', help: 'other regions for multi-Region keys, with commas' },
  },
  async run(args, terminal) {
    const port = wholeNumber(args, 'port', { min: 0, max: 65_535 }) ?? DEFAULT_PORT
    const file = args.text('file')
    const region = args.text('region')
    const regions = args.text('regions')?.split(',')
    const kms = new LocalKms({
      ...(file === undefined ? {} : { file }),
      ...(region === undefined ? {} : { region }),
      ...(regions === undefined ? {} : { regions: regions.map((name) => name.trim()) }),
    })
    const server = await kms.listen({ port }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      throw new Error(`port ${port} is taken. Choose another with --port, or --port 0 for a free one.`)
    })
    terminal.print(`The embedded KMS listens on ${server.url}\n`)
    terminal.print('For the environment of applications, the AWS CLI and this tool:\n')
    terminal.print(`  export AWS_ENDPOINT_URL_KMS=${server.url} AWS_REGION=${kms.region}`)
    terminal.print('  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n')
    terminal.print(
      file === undefined ? 'Its keys are gone when it ends.' : `Its keys are in ${file}, in clear.`,
    )
    terminal.printJson({ url: server.url, port: server.port, region: kms.region, accountId: kms.accountId })
    await interrupted()
    await server.close()
  },
}

/** Ctrl-C, or a polite kill. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        resolve()
      })
  })
}
