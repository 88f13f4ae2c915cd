import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type Command } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { printable } from '../../terminal'
import { day, keyJson, rotationOf, stateOf } from './key-view'

const HEADER = ['ALIAS', 'DESCRIPTION', 'ID', 'MANAGER', 'STATE', 'ROTATION', 'CREATED', 'DELETION']

/** Descriptions have up to 8,192 characters; `keys describe` shows all of them. */
const LONGEST_DESCRIPTION = 60

export const listKeys: Command = {
  name: 'keys list',
  summary: 'Lists the KMS keys of the account and region, your own first.',
  options: KMS_OPTIONS,
  async run(args, terminal) {
    const keys = await withKmsClient(args, (client) => new KeyAdministration(client).list())
    terminal.printJson(keys.map(keyJson))
    if (keys.length === 0) {
      terminal.print('There are no keys. typeorm-kms keys create makes one.')
      return
    }
    const rows = keys.map((key) => [
      key.aliases.join(', '),
      printable(key.description, LONGEST_DESCRIPTION),
      key.id,
      key.manager ?? '?',
      stateOf(key, terminal),
      rotationOf(key),
      day(key.created),
      day(key.deletion),
    ])
    terminal.table(HEADER, rows)
    if (keys.some(({ state }) => state === undefined)) {
      terminal.note('? = kms:DescribeKey is not allowed on that key')
    }
  },
}
