import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { type Arguments, type Command, CommandFailed } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { type Terminal } from '../../terminal'
import { keyJson, moment } from './key-view'

/** What one of these commands does to a key, and says when it is done. */
interface Change {
  name: string
  summary: string
  apply(keys: KeyAdministration, key: KeyInfo): Promise<void>
  done: string
  next: readonly string[]
}

const changes: readonly Change[] = [
  {
    name: 'enable',
    summary: 'Enables a disabled KMS key.',
    async apply(keys, key) {
      refusePendingDeletion(key)
      await keys.enable(key.arn)
    },
    done: 'is enabled',
    next: ['Applications use it again with their next data key; they need no restart.'],
  },
  {
    name: 'disable',
    summary: 'Disables a KMS key: nothing under it can be encrypted or decrypted until it is enabled.',
    async apply(keys, key) {
      refusePendingDeletion(key)
      await keys.disable(key.arn)
    },
    done: 'is disabled',
    next: [
      'Running applications go on with the data keys in their memory for at most cache.maxAge (5 minutes by default).',
      'To undo it: typeorm-kms keys enable KEY',
    ],
  },
  {
    name: 'cancel-deletion',
    summary: 'Keeps a KMS key that is scheduled for deletion. It is disabled then.',
    async apply(keys, key) {
      if (key.state !== 'PendingDeletion' && key.state !== 'PendingReplicaDeletion') {
        throw new CommandFailed(`${key.id} is not scheduled for deletion; it is ${key.state ?? 'unknown'}.`)
      }
      await keys.cancelDeletion(key.arn)
    },
    done: 'is kept, and is disabled',
    next: ['To use it again: typeorm-kms keys enable KEY'],
  },
  {
    name: 'rotate-now',
    summary: 'Gives a KMS key new key material. What is encrypted already still opens.',
    async apply(keys, key) {
      refusePendingDeletion(key)
      await keys.rotateNow(key.arn)
    },
    done: 'is being rotated',
    next: [
      'The key keeps its id, its ARN and its old material: existing values open as before, and stay under the old material.',
      'To encrypt existing values anew: typeorm-kms rotate -d ormconfig.ts --new-data-keys',
    ],
  },
]

export const changeStateCommands: readonly Command[] = changes.map((change) => ({
  name: `keys ${change.name}`,
  positionals: 'KEY',
  summary: change.summary,
  options: KMS_OPTIONS,
  run: (args, terminal) => run(change, args, terminal),
}))

async function run(change: Change, args: Arguments, terminal: Terminal): Promise<void> {
  await withKmsClient(args, async (client) => {
    const keys = new KeyAdministration(client)
    const key = await ownKey(keys, args.required(0))
    await change.apply(keys, key)
    terminal.print(`${terminal.style('green', '✓')} ${nameOf(key)} ${change.done}.`)
    for (const line of change.next) terminal.print(line.replace('KEY', key.id))
    terminal.printJson(keyJson(await keys.describe(key.arn)))
  })
}

/** Throws `CommandFailed` for a key of AWS's own, which nobody else can change. */
export async function ownKey(keys: KeyAdministration, keyId: string): Promise<KeyInfo> {
  const key = await keys.describe(keyId)
  if (key.manager !== 'AWS') return key
  throw new CommandFailed(`${nameOf(key)} is managed by AWS and cannot be changed.`)
}

/** For people: the alias with the id, or the id. */
export function nameOf({ aliases: [alias], id }: KeyInfo): string {
  return alias === undefined ? `the key ${id}` : `the key ${alias} (${id})`
}

function refusePendingDeletion(key: KeyInfo): void {
  if (!key.deletion) return
  throw new CommandFailed(
    `${nameOf(key)} is scheduled for deletion on ${moment(key.deletion)}. First: typeorm-kms keys cancel-deletion ${key.id}`,
  )
}
