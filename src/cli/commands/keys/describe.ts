import { keyTag } from '../../../cipher/format'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { isSymmetricEncryptionKey } from '../../../kms/aws/key-info'
import { type Command } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { keyJson, printKey } from './key-view'

export const describeKey: Command = {
  name: 'keys describe',
  positionals: 'KEY',
  summary: 'Shows one KMS key: its id, ARN or alias is KEY.',
  options: KMS_OPTIONS,
  async run(args, terminal) {
    const key = await withKmsClient(args, (client) =>
      new KeyAdministration(client).describe(args.required(0)),
    )
    const tag = keyTag(key.arn).toString('hex')
    printKey(key, terminal, [['key tag', `${tag}  (bytes 4 to 7 of values under this key)`]])
    if (!isSymmetricEncryptionKey(key)) {
      terminal.print('\nIt cannot encrypt columns: that takes SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT.')
    }
    terminal.printJson({ ...keyJson(key), keyTag: tag })
  },
}
