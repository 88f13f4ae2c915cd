import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { type Arguments, type Command, CommandFailed, UsageError, wholeNumber } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { type Terminal } from '../../terminal'
import { nameOf, ownKey } from './change-state'
import { isInUse, type KeyUsage, keyUsage } from './key-usage'
import { moment } from './key-view'

export const scheduleDeletion: Command = {
  name: 'keys schedule-deletion',
  positionals: 'KEY',
  summary: 'Schedules the deletion of a KMS key, unless values are under it.',
  options: {
    days: { type: 'string', value: 'N', help: 'days until it is deleted, 7 to 30; required' },
    ...DATA_SOURCE_OPTIONS,
    force: { type: 'boolean', help: 'also if values are under it, or nobody has looked; asks for its id' },
    confirm: { type: 'string', value: 'ID', help: 'with --force: the id of the key, for scripts' },
    ...KMS_OPTIONS,
  },
  async run(args, terminal) {
    const days = wholeNumber(args, 'days', { min: 7, max: 30 })
    if (days === undefined) throw new UsageError('--days is missing: 7 to 30, until when it can be cancelled')
    if (args.text('confirm') !== undefined && !args.flag('force')) {
      throw new UsageError('--confirm is for --force')
    }
    await withKmsClient(args, async (client) => {
      const keys = new KeyAdministration(client)
      const key = await ownKey(keys, args.positionals[0]!)
      if (key.deletion) {
        throw new CommandFailed(`${nameOf(key)} is scheduled already, for ${moment(key.deletion)}.`)
      }
      const usage = await usageOf(key, keys, args)
      if (!usage?.every((column) => !isInUse(column))) await refuseUnlessForced(key, usage, args, terminal)
      const date = await keys.scheduleDeletion(key.arn, days)
      terminal.print(
        `${terminal.style('green', '✓')} ${nameOf(key)} will be deleted on ${terminal.style('bold', moment(date))}.`,
      )
      terminal.print('Nothing can be encrypted or decrypted under it from now on, until you cancel:')
      terminal.print(`  typeorm-kms keys cancel-deletion ${key.id}`)
      if (usage) terminal.print('Only this database was looked at: backups and other databases were not.')
      terminal.printJson({ id: key.id, arn: key.arn, state: 'PendingDeletion', deletion: date, usage })
    })
  },
}

/** What the columns of the given DataSource have to do with the key; `undefined` if none was given. */
async function usageOf(
  key: KeyInfo,
  keys: KeyAdministration,
  args: Arguments,
): Promise<KeyUsage[] | undefined> {
  if (args.text('dataSource') === undefined) return undefined
  return withDataSource(args, (dataSource) => keyUsage(dataSource, key, keys))
}

async function refuseUnlessForced(
  key: KeyInfo,
  usage: readonly KeyUsage[] | undefined,
  args: Arguments,
  terminal: Terminal,
): Promise<void> {
  const explain = terminal.note.bind(terminal)
  if (usage) explainUsage(key, usage, args, explain)
  else {
    explain(`No DataSource was named, so nobody has looked whether values are under ${nameOf(key)}.`)
    explain('Name the application that uses it: -d ormconfig.ts. Once a key is deleted, nobody can ever open')
    explain('what is under it, backups included.')
  }
  if (args.flag('force')) return confirm(key, args, terminal)
  const used = usage?.filter(isInUse)
  terminal.printJson({
    error: { code: 'REFUSED', message: 'values may be under the key' },
    id: key.id,
    arn: key.arn,
    usage: used,
  })
  throw new CommandFailed('refused; nothing was changed. --force schedules the deletion all the same.')
}

function explainUsage(
  key: KeyInfo,
  usage: readonly KeyUsage[],
  args: Arguments,
  explain: (line: string) => void,
): void {
  const file = args.text('dataSource') ?? ''
  explain(`In use: ${nameOf(key)}`)
  explain('')
  for (const { column, rows, untold, configured } of usage.filter(isInUse)) {
    const facts = [
      rows > 0 ? `${rows.toLocaleString('en')} ${rows === 1 ? 'value' : 'values'} under it` : '',
      untold > 0 ? `${untold.toLocaleString('en')} whose key only KMS knows` : '',
      configured ? 'new values are encrypted under it' : '',
    ]
    explain(`  ${column}: ${facts.filter(Boolean).join(', ')}`)
  }
  explain('')
  if (usage.some(({ configured }) => configured)) {
    explain('Give the application another key (keyId of kmsEncryption() or of the column) and restart it.')
  }
  explain('Then move the values that are there:')
  explain(`  typeorm-kms rotate -d ${file}`)
}

/** `--force` wants the id of the key: typed where somebody is there, else given with `--confirm`. */
async function confirm(key: KeyInfo, args: Arguments, terminal: Terminal): Promise<void> {
  const given = args.text('confirm') ?? (await terminal.ask(`To go on, type the id of the key: `))
  if (given === undefined) {
    throw new CommandFailed(
      `refused: nobody is there to type the id of the key. Scripts give it: --force --confirm ${key.id}`,
    )
  }
  if (given.trim() === key.id) return
  throw new CommandFailed('refused: that is not the id of the key. Nothing was changed.')
}
