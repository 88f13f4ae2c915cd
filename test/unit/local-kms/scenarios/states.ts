import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GenerateDataKeyCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'

import { decrypt, encrypt, type Scenario } from './scenario'

/** Enabled, disabled, pending deletion. */
export const states: Scenario[] = [
  {
    name: 'a disabled key does no cryptography until it is enabled',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const CiphertextBlob = await encrypt(client, { KeyId })
      await client.send(new DisableKeyCommand({ KeyId }))
      await stage.see(
        'DisableKey twice',
        async () => {
          await client.send(new DisableKeyCommand({ KeyId }))
        },
        undefined,
      )
      const refusal = 'DisabledException: <arn> is disabled.'
      await stage.see('Encrypt', () => encrypt(client, { KeyId }), refusal)
      await stage.see('Decrypt', () => decrypt(client, { CiphertextBlob }), refusal)
      const generate = new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })
      await stage.see('GenerateDataKey', () => client.send(generate), refusal)
      const reEncrypt = new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: KeyId })
      await stage.see('ReEncrypt', () => client.send(reEncrypt), refusal)
      await stage.see(
        'RotateKeyOnDemand',
        () => client.send(new RotateKeyOnDemandCommand({ KeyId })),
        refusal,
      )
      await client.send(new EnableKeyCommand({ KeyId }))
      await stage.see('Decrypt, enabled', () => decrypt(client, { CiphertextBlob }), 'a private key')
    },
  },
  {
    name: 'a key pending deletion does nothing, and cancelling leaves it disabled',
    async play(stage) {
      const { client } = stage
      const { id: KeyId, arn } = await stage.key()
      const CiphertextBlob = await encrypt(client, { KeyId })
      const schedule = (PendingWindowInDays?: number) => () =>
        client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }))
      const state = async () => {
        const { KeyMetadata: metadata } = await client.send(new DescribeKeyCommand({ KeyId }))
        return [metadata!.KeyState, metadata!.Enabled, metadata!.DeletionDate instanceof Date]
      }
      await stage.see('6 days', schedule(6), 'ValidationException')
      await stage.see('31 days', schedule(31), 'ValidationException')
      const cancel = () => client.send(new CancelKeyDeletionCommand({ KeyId }))
      await stage.see('nothing to cancel', cancel, 'KMSInvalidStateException: <arn> is not pending deletion.')
      await stage.see(
        'ScheduleKeyDeletion',
        async () => {
          const { KeyId: of, KeyState, PendingWindowInDays } = await schedule()()
          return { of, KeyState, PendingWindowInDays }
        },
        { of: arn, KeyState: 'PendingDeletion', PendingWindowInDays: 30 },
      )
      await stage.see('DescribeKey', state, ['PendingDeletion', false, true])
      const refusal = 'KMSInvalidStateException: <arn> is pending deletion.'
      await stage.see('ScheduleKeyDeletion twice', schedule(7), refusal)
      await stage.see('Encrypt', () => encrypt(client, { KeyId }), refusal)
      await stage.see('Decrypt', () => decrypt(client, { CiphertextBlob }), refusal)
      await stage.see('EnableKey', () => client.send(new EnableKeyCommand({ KeyId })), refusal)
      await stage.see('DisableKey', () => client.send(new DisableKeyCommand({ KeyId })), refusal)
      const alias = new CreateAliasCommand({ AliasName: stage.alias('late'), TargetKeyId: KeyId })
      await stage.see('CreateAlias', () => client.send(alias), refusal)
      const describe = new UpdateKeyDescriptionCommand({ KeyId, Description: 'late' })
      await stage.see('UpdateKeyDescription', () => client.send(describe), refusal)
      const tag = new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'late', TagValue: '' }] })
      await stage.see('TagResource', () => client.send(tag), refusal)
      await stage.see('CancelKeyDeletion', async () => (await cancel()).KeyId, arn)
      await stage.see('DescribeKey, cancelled', state, ['Disabled', false, false])
    },
  },
  {
    name: 'a dry run does nothing but tell that it would succeed',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const CiphertextBlob = await encrypt(client, { KeyId })
      const would =
        'DryRunOperationException: The request would have succeeded, but the DryRun option is set.'
      const DryRun = true
      await stage.see('Encrypt', () => encrypt(client, { KeyId, DryRun }), would)
      await stage.see('Decrypt', () => decrypt(client, { CiphertextBlob, DryRun }), would)
      const generate = new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', DryRun })
      await stage.see('GenerateDataKey', () => client.send(generate), would)
      await client.send(new DisableKeyCommand({ KeyId }))
      await stage.see('Encrypt, disabled', () => encrypt(client, { KeyId, DryRun }), 'DisabledException')
    },
  },
]
