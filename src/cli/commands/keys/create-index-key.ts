import { KeyAdministration } from '../../../kms/aws/key-administration'
import { INDEX_KEY_CONTEXT } from '../../../cipher/blind-index/index-root'
import { type Command } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'

export const createIndexKey: Command = {
  name: 'keys create-index-key',
  summary: 'Makes the key of blind indexes, encrypted, for the option indexKey.',
  positionals: 'KEY',
  options: KMS_OPTIONS,
  async run(args, terminal) {
    await withKmsClient(args, async (client) => {
      const encrypted = await new KeyAdministration(client).encryptedKey(args.required(0), INDEX_KEY_CONTEXT)
      const indexKey = encrypted.toString('base64')
      terminal.print(
        'Made an index key. It is encrypted, so that it may stand in the configuration of the application. Keep it: without it no index can be used or filled again, and another one finds nothing that this one wrote.\n',
      )
      terminal.print(`kmsEncryption({ indexKey }), from the environment:\n\n  KMS_INDEX_KEY=${indexKey}`)
      terminal.printJson({ indexKey })
    })
  },
}
