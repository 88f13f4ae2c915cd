import { type KMSClient } from '@aws-sdk/client-kms'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { lastUsage, type LastUsage } from '../../../kms/aws/last-usage'
import { FairQueue } from '../../../kms/fair-queue'
import { type Command } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { printable } from '../../terminal'
import { day, keyJson, rotationOf, stateOf } from './key-view'

const HEADER = [
  'ALIAS',
  'DESCRIPTION',
  'ID',
  'MANAGER',
  'STATE',
  'ROTATION',
  'CREATED',
  'LAST USED',
  'DELETION',
]

/** Descriptions have up to 8,192 characters; `keys describe` shows all of them. */
const LONGEST_DESCRIPTION = 60
/** Questions to KMS at once. */
const PARALLEL = 10

interface UsedKey {
  key: KeyInfo
  used: LastUsage | undefined
}

export const listKeys: Command = {
  name: 'keys list',
  summary: 'Lists the KMS keys of the account and region, your own first.',
  options: KMS_OPTIONS,
  async run(args, terminal) {
    const keys = await withKmsClient(args, usedKeys)
    terminal.printJson(keys.map(({ key, used }) => ({ ...keyJson(key), lastUsage: used })))
    if (keys.length === 0) {
      terminal.print('There are no keys. typeorm-kms keys create makes one.')
      return
    }
    const rows = keys.map(({ key, used }) => [
      key.aliases.join(', '),
      printable(key.description, LONGEST_DESCRIPTION),
      key.id,
      key.manager ?? '?',
      stateOf(key, terminal),
      rotationOf(key),
      day(key.created),
      lastDay(used),
      day(key.deletion),
    ])
    terminal.table(HEADER, rows)
    if (keys.some(({ key }) => key.state === undefined)) {
      terminal.note('? = kms:DescribeKey is not allowed on that key')
    }
    terminal.print()
    terminal.remark('→ ', nextStep(keys))
  },
}

function nextStep(keys: readonly UsedKey[]): string {
  const doomed = keys.find(({ key }) => key.deletion !== undefined)
  return doomed
    ? `typeorm-kms keys cancel-deletion ${doomed.key.id} keeps the key; for the others that are to be deleted, too.`
    : 'typeorm-kms keys describe KEY shows all of one key.'
}

async function usedKeys(client: KMSClient): Promise<UsedKey[]> {
  const keys = await new KeyAdministration(client).list()
  const queue = new FairQueue(PARALLEL)
  return Promise.all(
    keys.map((key) => queue.run(async () => ({ key, used: await lastUsage(client, key.arn) }))),
  )
}

function lastDay(used: LastUsage | undefined): string {
  if (used === undefined) return ''
  if (used.at) return day(used.at)
  return used.trackedSince ? `not since ${day(used.trackedSince)}` : 'never'
}
