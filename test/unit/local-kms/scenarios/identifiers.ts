import {
  CreateAliasCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ListAliasesCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'

import { decrypt, encrypt, type Scenario } from './scenario'

const UNKNOWN = '12345678-1234-4321-8765-123456789012'

/** How keys and aliases are named. */
export const identifiers: Scenario[] = [
  {
    name: 'a key is named by id, ARN, alias name and alias ARN',
    async play(stage) {
      const { client } = stage
      const { id, arn } = await stage.key()
      const name = stage.alias('names')
      await client.send(new CreateAliasCommand({ AliasName: name, TargetKeyId: id }))
      for (const KeyId of [id, arn, name, arn.replace(/key\/.*/, name)]) {
        const ciphertext = await encrypt(client, { KeyId })
        await stage.see(
          'Decrypt names no key',
          () => decrypt(client, { CiphertextBlob: ciphertext }),
          'a private key',
        )
        await stage.see(
          'DescribeKey',
          async () => (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata!.KeyId,
          id,
        )
      }
    },
  },
  {
    name: 'an identifier of nothing is refused in words that say why',
    async play(stage) {
      const { client } = stage
      const { arn } = await stage.key()
      const describe = (KeyId: string) => () => client.send(new DescribeKeyCommand({ KeyId }))
      await stage.see('unknown id', describe(UNKNOWN), "NotFoundException: Key '<arn>' does not exist")
      const multiRegion = `mrk-${UNKNOWN.replaceAll('-', '')}`
      await stage.see(
        'unknown multi-Region id',
        describe(multiRegion),
        `NotFoundException: Key '<arn>' does not exist`,
      )
      await stage.see('no UUID', describe('fake-key-id'), "NotFoundException: Invalid keyId 'fake-key-id'")
      await stage.see(
        'unknown alias',
        describe(stage.alias('none')),
        'NotFoundException: Alias <place>:alias/none is not found.',
      )
      const elsewhere = arn.replace(/^(arn:aws:kms:)[^:]+/, '$1mx-central-1')
      await stage.see('other region', describe(elsewhere), 'NotFoundException: Invalid arn mx-central-1')
    },
  },
  {
    name: 'an alias is not accepted where only a key is meant',
    async play(stage) {
      const { client } = stage
      const { id } = await stage.key()
      const KeyId = stage.alias('key-only')
      await client.send(new CreateAliasCommand({ AliasName: KeyId, TargetKeyId: id }))
      await stage.see('DisableKey', () => client.send(new DisableKeyCommand({ KeyId })), 'NotFoundException')
      await stage.see('EnableKey', () => client.send(new EnableKeyCommand({ KeyId })), 'NotFoundException')
      const schedule = () => client.send(new ScheduleKeyDeletionCommand({ KeyId }))
      await stage.see('ScheduleKeyDeletion', schedule, 'NotFoundException')
      const alias = new CreateAliasCommand({ AliasName: stage.alias('other'), TargetKeyId: KeyId })
      await stage.see('CreateAlias', () => client.send(alias), 'ValidationException')
    },
  },
  {
    name: 'aliases are unique, movable and listed by key',
    async play(stage) {
      const { client } = stage
      const [first, second] = [await stage.key(), await stage.key()]
      const name = stage.alias('movable')
      const create = () => client.send(new CreateAliasCommand({ AliasName: name, TargetKeyId: first.id }))
      const of = async (KeyId: string) =>
        (await client.send(new ListAliasesCommand({ KeyId }))).Aliases!.map((alias) => alias.AliasName)
      await create()
      await stage.see(
        'a second time',
        create,
        'AlreadyExistsException: An alias with the name <place>:alias/movable already exists',
      )
      await stage.see('ListAliases of the first key', () => of(first.id), [name])
      await client.send(new UpdateAliasCommand({ AliasName: name, TargetKeyId: second.id }))
      await stage.see('ListAliases of the second key', () => of(second.arn), [name])
      await stage.see('ListAliases of the first key, later', () => of(first.id), [])
      await client.send(new DeleteAliasCommand({ AliasName: name }))
      await stage.see(
        'DeleteAlias twice',
        () => client.send(new DeleteAliasCommand({ AliasName: name })),
        'NotFoundException: Alias <place>:alias/movable is not found.',
      )
      const named = (AliasName: string) => () =>
        client.send(new CreateAliasCommand({ AliasName, TargetKeyId: first.id }))
      await stage.see(
        'no prefix',
        named('movable'),
        'ValidationException: Alias must start with the prefix "alias/". ' +
          'Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
      )
      await stage.see(
        'a forbidden character',
        named('alias/a!'),
        "ValidationException: 1 validation error detected: Value 'alias/a!' at 'aliasName' failed to satisfy " +
          'constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$',
      )
      await stage.see(
        'a colon',
        named('alias/a:b'),
        'ValidationException: alias/a:b contains invalid characters for an alias',
      )
      await stage.see('AWS’s own prefix', named('alias/aws/s3'), 'NotAuthorizedException')
    },
  },
]
