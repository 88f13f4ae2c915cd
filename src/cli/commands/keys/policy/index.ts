import { type Arguments, type Command, UsageError } from '../../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../../data-source'
import { encryptedColumns } from '../../../../migration/encrypted-columns'
import { type Format, FORMATS, formats } from './formats'
import { type Role, ROLES, statementsOf } from './statements'
import { usesOf } from './uses'

const REMARKS: Readonly<Record<Role, string>> = {
  application: 'For a process that reads and writes.',
  writer: 'For a process that only writes: it cannot open what it stored.',
  migration: 'For encrypt, rotate, verify and decrypt. Take it away again when they are done.',
  administrator: 'For the life of the keys: it opens no value.',
}

export const keyPolicy: Command = {
  name: 'keys policy',
  summary: 'Prints an IAM policy with what the encrypted columns of an application need, and no more.',
  options: {
    ...DATA_SOURCE_OPTIONS,
    for: { type: 'string', value: 'ROLE', help: `${ROLES.join(', ')}; application if not given` },
    format: { type: 'string', value: 'FORMAT', help: `${FORMATS.join(', ')}; json if not given` },
    to: { type: 'string', value: 'KEY', help: 'for migration: the key that rotate moves rows to' },
  },
  async run(args, terminal) {
    const role = oneOf<Role>(args, 'for', ROLES) ?? 'application'
    const format = oneOf<Format>(args, 'format', FORMATS) ?? 'json'
    const to = args.text('to')
    if (to !== undefined && role !== 'migration') throw new UsageError('--to goes with --for migration')
    const { uses, remarks } = await withDataSource(args, (dataSource) =>
      Promise.resolve(usesOf(encryptedColumns(dataSource))),
    )
    if (uses.length === 0) throw new UsageError('the DataSource has no encrypted column')
    const statements = statementsOf(role, uses, to)
    terminal.printJson({ Version: '2012-10-17', Statement: statements })
    terminal.print(formats[format](statements, role))
    terminal.noteRemark('→ ', REMARKS[role])
    if (role !== 'administrator') for (const remark of remarks) terminal.noteRemark('! ', remark)
    if (role !== 'administrator' && uses.some(({ key }) => key.includes('alias/'))) {
      terminal.noteRemark(
        '! ',
        'An alias stands for the key that it names now. If it named another one before, add the ARN of that one until rotate has moved its values.',
      )
    }
    if (statements.some(({ Resource }) => Resource.includes('REGION:ACCOUNT'))) {
      terminal.noteRemark('! ', 'Put your Region and account for REGION and ACCOUNT.')
    }
  },
}

function oneOf<Choice extends string>(
  args: Arguments,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = args.text(name)
  const choice = choices.find((each) => each === text)
  if (text !== undefined && choice === undefined) {
    throw new UsageError(`--${name} takes one of ${choices.join(', ')}`)
  }
  return choice
}
