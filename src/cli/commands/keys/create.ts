import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type Command, CommandFailed, UsageError } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { keyJson, printKey } from './key-view'

const ALIAS = /^alias\/[\w/-]{1,250}$/

export const createKey: Command = {
  name: 'keys create',
  summary: 'Creates a symmetric, customer managed KMS key.',
  options: {
    description: { type: 'string', value: 'TEXT', help: 'what the key is for; required' },
    alias: { type: 'string', value: 'NAME', help: 'a name for it, e.g. alias/my-app' },
    rotation: { type: 'boolean', help: 'new key material every year' },
    ...KMS_OPTIONS,
  },
  async run(args, terminal) {
    const description = args.text('description')
    if (!description) throw new UsageError('--description is missing: say what the key is for')
    const alias = aliasName(args.text('alias'))
    await withKmsClient(args, async (client) => {
      const keys = new KeyAdministration(client)
      if (alias !== undefined && (await keys.exists(alias))) {
        throw new CommandFailed(`${alias} is there already; no key was created. Choose another name.`)
      }
      const arn = await keys.create(description)
      await finish(arn, async () => {
        if (alias !== undefined) await keys.createAlias(alias, arn)
        if (args.flag('rotation')) await keys.enableRotation(arn)
      })
      const key = await keys.describe(arn)
      const environment = `KMS_KEY_ID=${alias ?? arn}`
      terminal.print('Created a KMS key.\n')
      printKey(key, terminal)
      terminal.print(`\nFor the environment of the application:\n\n  ${environment}`)
      terminal.printJson({ ...keyJson(key), environment })
    })
  },
}

function aliasName(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const name = given.startsWith('alias/') ? given : `alias/${given}`
  if (ALIAS.test(name) && !name.startsWith('alias/aws/')) return name
  throw new UsageError(
    '--alias takes letters, digits, "/", "_" and "-", at most 250, and does not begin with alias/aws/',
  )
}

/** The key exists and costs money by now, so a failure must name it. */
async function finish(arn: string, steps: () => Promise<void>): Promise<void> {
  try {
    await steps()
  } catch (error) {
    throw new Error(`the key ${arn} was created, but not all of it: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
