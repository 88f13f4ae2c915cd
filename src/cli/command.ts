import { parseArgs, type ParseArgsConfig } from 'node:util'
import { type Terminal } from './terminal'

/** The options of a command, as `util.parseArgs` takes them, each with a line of help. */
export type CommandOptions = Readonly<Record<string, CommandOption>>

export interface CommandOption {
  type: 'string' | 'boolean'
  short?: string
  /** Placeholder of the value in the help: `--days N`. */
  value?: string
  help: string
}

/** What the user typed after the command's name. */
export interface Arguments {
  positionals: readonly string[]
  /** A positional argument that the command asks for, by its place. */
  required(place: number): string
  /** The value of a string option, or `undefined`. */
  text(name: string): string | undefined
  /** True if a boolean option was given. */
  flag(name: string): boolean
}

/** One command of the tool. It returns when it is done, and throws when it refuses or fails. */
export interface Command {
  /** What is typed, e.g. `keys schedule-deletion`. */
  name: string
  /** Placeholders of the positional arguments, e.g. `KEY`. */
  positionals?: string
  summary: string
  options: CommandOptions
  run(args: Arguments, terminal: Terminal): Promise<void>
}

/** The command line is wrong: exit status 2, with the usage. */
export class UsageError extends Error {}

/** The command refused or failed, and has said all there is to say: exit status 1. */
export class CommandFailed extends Error {}

/** Options of every command. */
const COMMON: CommandOptions = {
  json: { type: 'boolean', help: 'print JSON and nothing else' },
  help: { type: 'boolean', short: 'h', help: 'print this help' },
}

/** Reads the arguments of a command. Throws `UsageError`. */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { type, short }] of Object.entries({ ...command.options, ...COMMON })) {
    options[name] = short === undefined ? { type } : { type, short }
  }
  const { values, positionals } = parse(args, options)
  const wanted = command.positionals?.split(' ') ?? []
  const least = wanted.filter((name) => !name.startsWith('[')).length
  if (positionals.length < least)
    throw new UsageError(`${wanted[positionals.length] ?? 'an argument'} is missing`)
  const empty = positionals.findIndex((text) => text.trim() === '')
  if (empty !== -1) throw new UsageError(`${wanted[empty] ?? 'an argument'} is empty`)
  if (positionals.length > wanted.length) {
    throw new UsageError(`unexpected argument ${JSON.stringify(positionals[wanted.length])}`)
  }
  return {
    positionals,
    required(place) {
      const value = positionals[place]
      if (value === undefined) throw new UsageError(`argument ${place + 1} is missing`)
      return value
    },
    text(name) {
      const value = values[name]
      return typeof value === 'string' ? value : undefined
    },
    flag: (name) => values[name] === true,
  }
}

function parse(args: readonly string[], options: NonNullable<ParseArgsConfig['options']>) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    // What follows the first sentence is about arguments that begin with a dash.
    throw new UsageError((error as Error).message.replace(/\. To specify a positional .*/s, ''))
  }
}

/** The whole number of an option, within limits. Throws `UsageError`. */
export function wholeNumber(
  args: Arguments,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw new UsageError(`--${name} takes a whole number from ${min} to ${max}`)
}

/** The help of one command. */
export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.options, ...COMMON }).map(([name, { short, value, help }]) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
    return `  ${left.padEnd(28)} ${help}`
  })
  const usage = ['typeorm-kms', command.name, command.positionals, '[options]'].filter(Boolean).join(' ')
  return [`Usage: ${usage}`, '', command.summary, '', 'Options:', ...rows, ''].join('\n')
}
