import { KmsEncryptionError } from '../errors'
import { causeOf } from './cause'
import { type Command, CommandFailed, helpOf, parseArguments, UsageError } from './command'
import { commands } from './commands'
import { Terminal } from './terminal'
import { ownVersion } from './version'

/** Exit status of the tool. */
export const ExitStatus = { Done: 0, Failed: 1, WrongUsage: 2 } as const
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus]

type Streams = ConstructorParameters<typeof Terminal>[0]

/** Runs the command that the arguments name, and returns the exit status. */
export async function run(args: readonly string[], streams: Streams): Promise<ExitStatus> {
  const terminal = new Terminal(streams, args.includes('--json'))
  const words = args[0] === '--json' ? args.slice(1) : args
  const found = findCommand(words)
  if (!found) return withoutCommand(words, streams, terminal)
  const [command, rest] = found
  if (rest.some(isHelp)) {
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

/** What was asked, of all commands or of a family such as `keys`; or that there is no such command. */
function withoutCommand(args: readonly string[], streams: Streams, terminal: Terminal): ExitStatus {
  const [first, second] = args
  if (first === '--version') {
    streams.stdout.write(`${ownVersion()}\n`)
    return ExitStatus.Done
  }
  const family = commands.filter(({ name }) => name.startsWith(`${first ?? ''} `))
  const overview = overviewOf(family.length > 0 ? family : commands)
  if (isHelp(first) || first === 'help' || (family.length > 0 && isHelp(second))) {
    streams.stdout.write(`${overview}\n`)
    return ExitStatus.Done
  }
  const message = complaint(first, second, family)
  return wrongUsage(message, `typeorm-kms: ${message}`, overview, terminal)
}

function complaint(
  first: string | undefined,
  second: string | undefined,
  family: readonly Command[],
): string {
  if (first === undefined) return 'name a command'
  const [example] = family
  if (!example) return `there is no command ${JSON.stringify(first)}`
  if (second === undefined || second.startsWith('-')) return `${first} wants a command, e.g. ${example.name}`
  return `there is no command ${JSON.stringify(`${first} ${second}`)}`
}

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}

function overviewOf(list: readonly Command[]): string {
  const rows = list.map(
    ({ name, positionals, summary }) =>
      `  ${[name, positionals].filter(Boolean).join(' ').padEnd(32)} ${summary}`,
  )
  return [
    'Usage: typeorm-kms COMMAND [options]',
    '',
    ...rows,
    '',
    'typeorm-kms COMMAND --help says more.',
  ].join('\n')
}

function wrongUsage(message: string, said: string, help: string, terminal: Terminal): ExitStatus {
  terminal.note(said)
  terminal.note(help)
  terminal.printJson({ error: { code: 'USAGE', message } })
  return ExitStatus.WrongUsage
}

function report(error: unknown, command: Command, terminal: Terminal): ExitStatus {
  if (error instanceof UsageError) {
    const name = `typeorm-kms ${command.name}`
    return wrongUsage(error.message, `${name}: ${error.message}`, `${name} --help says more.`, terminal)
  }
  if (!(error instanceof Error)) throw error
  const code = error instanceof KmsEncryptionError ? error.code : undefined
  // A failed command without a message has said all; an error of the application may lack one, too.
  const message = error.message === '' && !(error instanceof CommandFailed) ? stackOf(error) : error.message
  if (message !== '') {
    terminal.noteSentence(
      `${terminal.style('red', '✗')} `,
      `${code === undefined ? '' : `${code}: `}${message}`,
    )
    const cause = causeOf(error, command.name.startsWith('keys '))
    if (cause !== undefined) terminal.note(`  ${cause}`)
  }
  terminal.printJson({ error: { code: code ?? 'FAILED', message } })
  return ExitStatus.Failed
}

function stackOf({ name, stack = name }: Error): string {
  return stack.split('\n').slice(0, 5).join('\n')
}
