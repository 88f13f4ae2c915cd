import { KmsEncryptionError } from '../errors'
import { type Command, helpOf, parseArguments, UsageError } from './command'
import { commands } from './commands'
import { Terminal } from './terminal'

/** Exit status of the tool. */
export const ExitStatus = { Done: 0, Failed: 1, WrongUsage: 2 } as const
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus]

type Streams = ConstructorParameters<typeof Terminal>[0]

/** Runs the command that the arguments name, and returns the exit status. */
export async function run(args: readonly string[], streams: Streams): Promise<ExitStatus> {
  const terminal = new Terminal(streams, args.includes('--json'))
  const found = findCommand(args)
  if (!found) return usage(args, terminal)
  const [command, rest] = found
  if (rest.includes('--help') || rest.includes('-h')) {
    streams.stdout.write(helpOf(command))
    return ExitStatus.Done
  }
  try {
    await command.run(parseArguments(command, rest), terminal)
    return ExitStatus.Done
  } catch (error) {
    return report(error, command, terminal)
  }
}

/** The longest command name that the arguments begin with. */
function findCommand(args: readonly string[]): [Command, string[]] | undefined {
  for (const length of [2, 1]) {
    const name = args.slice(0, length).join(' ')
    const command = commands.find((candidate) => candidate.name === name)
    if (command) return [command, args.slice(length)]
  }
  return undefined
}

function usage(args: readonly string[], terminal: Terminal): ExitStatus {
  const [first] = args
  const asked = first === undefined || first === '--help' || first === '-h' || first === 'help'
  if (!asked) terminal.note(`typeorm-kms: there is no command ${JSON.stringify(first)}`)
  const rows = commands.map(
    ({ name, positionals, summary }) =>
      `  ${[name, positionals].filter(Boolean).join(' ').padEnd(32)} ${summary}`,
  )
  terminal.note(
    ['Usage: typeorm-kms COMMAND [options]', '', ...rows, '', 'typeorm-kms COMMAND --help says more.'].join(
      '\n',
    ),
  )
  return asked && first !== undefined ? ExitStatus.Done : ExitStatus.WrongUsage
}

function report(error: unknown, command: Command, terminal: Terminal): ExitStatus {
  if (error instanceof UsageError) {
    terminal.note(`typeorm-kms ${command.name}: ${error.message}`)
    terminal.note(`typeorm-kms ${command.name} --help says more.`)
    return ExitStatus.WrongUsage
  }
  if (!(error instanceof Error)) throw error
  const code = error instanceof KmsEncryptionError ? error.code : undefined
  if (error.message !== '') {
    terminal.note(`${terminal.style('red', '✗')} ${code === undefined ? '' : `${code}: `}${error.message}`)
  }
  terminal.printJson({ error: { ...(code === undefined ? {} : { code }), message: error.message } })
  return ExitStatus.Failed
}
