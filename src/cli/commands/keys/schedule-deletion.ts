import { type KMSClient } from '@aws-sdk/client-kms'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { lastUsage, type LastUsage } from '../../../kms/aws/last-usage'
import { type Arguments, type Command, CommandFailed, UsageError, wholeNumber } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { type Terminal } from '../../terminal'
import { nameOf, ownKey } from './change-state'
import { isInUse, type KeyUsage, keyUsage } from './key-usage'
import { moment, usageOf } from './key-view'

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
    await withKmsClient(args, (client) => schedule(client, days, args, terminal))
  },
}

async function schedule(client: KMSClient, days: number, args: Arguments, terminal: Terminal): Promise<void> {
  const keys = new KeyAdministration(client)
  const [name = ''] = args.positionals
  const key = await ownKey(keys, name)
  if (key.deletion) {
    throw new CommandFailed(`${nameOf(key)} is scheduled already, for ${moment(key.deletion)}.`)
  }
  const used = await lastUsage(client, key.arn)
  const usage = await usageByDataSource(key, keys, args)
  if (used) terminal.note(`KMS says of ${nameOf(key)}: ${usageOf(used)}.`)
  if (!usage?.every((column) => !isInUse(column))) {
    await refuseUnlessForced({ key, usage, used }, args, terminal)
  }
  const date = await keys.scheduleDeletion(key.arn, days)
  terminal.print(
    `${terminal.style('green', '✓')} ${nameOf(key)} will be deleted on ${terminal.style('bold', moment(date))}.`,
  )
  terminal.print('Nothing can be encrypted or decrypted under it from now on, until you cancel:')
  terminal.print(`  typeorm-kms keys cancel-deletion ${key.id}`)
  if (usage) {
    terminal.print('Only the encrypted columns of this database were looked at: backups, replicas')
    terminal.print('of other applications and other databases were not.')
  }
  const { id, arn } = key
  terminal.printJson({ id, arn, state: 'PendingDeletion', deletion: date, usage, lastUsage: used })
}

/** What the columns of the given DataSource have to do with the key; `undefined` if none was given. */
async function usageByDataSource(
  key: KeyInfo,
  keys: KeyAdministration,
  args: Arguments,
): Promise<KeyUsage[] | undefined> {
  if (args.text('dataSource') === undefined) return undefined
  return withDataSource(args, (dataSource) => keyUsage(dataSource, key, keys))
}

interface Known {
  key: KeyInfo
  usage: readonly KeyUsage[] | undefined
  used: LastUsage | undefined
}

async function refuseUnlessForced(known: Known, args: Arguments, terminal: Terminal): Promise<void> {
  const { key, usage, used } = known
  const explain = terminal.note.bind(terminal)
  if (usage) explainUsage(key, usage, args, explain)
  else {
    explain(`No DataSource was named, so nobody has looked whether values are under ${nameOf(key)}.`)
    explain('Name the application that uses it: -d ormconfig.ts. Once a key is deleted, nobody can ever open')
    explain('what is under it, backups included.')
  }
  if (args.flag('force')) return confirm(key, args, terminal)
  terminal.printJson({
    error: { code: 'REFUSED', message: 'values may be under the key' },
    id: key.id,
    arn: key.arn,
    usage: usage?.filter(isInUse),
    lastUsage: used,
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
  const inUse = usage.filter(isInUse)
  explain(`In use, as far as anybody can tell: ${nameOf(key)}`)
  explain('')
  for (const column of inUse) explain(`  ${column.column}: ${factsOf(column).join(', ')}`)
  explain('')
  for (const reason of new Set(inUse.flatMap(({ unseen }) => unseen ?? []))) explain(`Not seen: ${reason}`)
  if (usage.some(({ configured }) => configured)) {
    explain('Give the application another key (keyId of kmsEncryption() or of the column) and restart it.')
  }
  if (inUse.some(({ history }) => history > 0)) {
    explain(
      'Earlier versions of rows cannot be moved. When nobody needs them: DELETE HISTORY FROM the table.',
    )
  }
  if (
    inUse.some(({ rows, dataKeys = 0, configured, untold }) => rows + dataKeys + untold > 0 || configured)
  ) {
    explain('Then move the values that are there:')
    explain(`  typeorm-kms rotate -d ${file}`)
  }
  if (inUse.some(({ indexKey }) => indexKey)) {
    explain('Without the index key nothing can be searched, and no searched column be written. Move it:')
    explain(`  typeorm-kms keys rewrap-index-key KEY -d ${file}`)
  }
}

function factsOf(usage: KeyUsage): string[] {
  const { rows, dataKeys = 0, indexKey = false, history, untold, configured, unseen } = usage
  const amount = (count: number): string =>
    `${count.toLocaleString('en')} ${count === 1 ? 'value' : 'values'}`
  return [
    rows > 0 ? `${amount(rows)} under it` : '',
    dataKeys > 0 ? `${dataKeys.toLocaleString('en')} data ${dataKeys === 1 ? 'key' : 'keys'} under it` : '',
    indexKey ? 'the key of the blind indexes is under it' : '',
    history > 0 ? `${amount(history)} under it in earlier versions of rows` : '',
    untold > 0 ? `${untold.toLocaleString('en')} whose key only KMS knows` : '',
    configured ? 'new values are encrypted under it' : '',
    unseen === undefined ? '' : 'not all of it could be looked at',
  ].filter(Boolean)
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
