import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'

import { decrypt, encrypt, type Scenario } from './scenario'

/** Rotation, tags, lists. */
export const administration: Scenario[] = [
  {
    name: 'a rotated key opens what it sealed before',
    async play(stage) {
      const { client } = stage
      const { id: KeyId, arn } = await stage.key()
      const material = async () =>
        (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata!.CurrentKeyMaterialId
      const before = { material: await material(), CiphertextBlob: await encrypt(client, { KeyId }) }
      await stage.see(
        'RotateKeyOnDemand',
        async () => (await client.send(new RotateKeyOnDemandCommand({ KeyId }))).KeyId,
        arn,
      )
      await stage.see('new material', async () => (await material()) !== before.material, true)
      await stage.see(
        'Decrypt',
        () => decrypt(client, { CiphertextBlob: before.CiphertextBlob }),
        'a private key',
      )
      await stage.see(
        'ListKeyRotations',
        async () =>
          (await client.send(new ListKeyRotationsCommand({ KeyId }))).Rotations!.map(
            ({ RotationType }) => RotationType,
          ),
        ['ON_DEMAND'],
      )
      const status = async () => {
        const { KeyRotationEnabled, RotationPeriodInDays } = await client.send(
          new GetKeyRotationStatusCommand({ KeyId }),
        )
        return [KeyRotationEnabled, RotationPeriodInDays]
      }
      await stage.see('GetKeyRotationStatus', status, [false, undefined])
      await client.send(new EnableKeyRotationCommand({ KeyId }))
      await stage.see('GetKeyRotationStatus, enabled', status, [true, 365])
      const often = new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 89 })
      await stage.see('every 89 days', () => client.send(often), 'ValidationException')
    },
  },
  {
    name: 'tags are set, changed and removed',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key({ Tags: [{ TagKey: 'app', TagValue: 'shop' }] })
      const tags = async (): Promise<unknown> =>
        Object.fromEntries(
          (await client.send(new ListResourceTagsCommand({ KeyId }))).Tags!.map((tag) => [
            tag.TagKey,
            tag.TagValue,
          ]),
        )
      const tag =
        (...Tags: { TagKey: string; TagValue: string }[]) =>
        () =>
          client.send(new TagResourceCommand({ KeyId, Tags }))
      await tag({ TagKey: 'app', TagValue: 'bank' }, { TagKey: 'env', TagValue: '' })()
      await stage.see('ListResourceTags', tags, { app: 'bank', env: '' })
      await client.send(new UntagResourceCommand({ KeyId, TagKeys: ['app', 'never set'] }))
      await stage.see('ListResourceTags, later', tags, { env: '' })
      const twice = tag({ TagKey: 'a', TagValue: '' }, { TagKey: 'a', TagValue: 'b' })
      await stage.see('twice', twice, 'TagException: Duplicate tag keys')
      const reserved = tag({ TagKey: 'aws:a', TagValue: '' })
      await stage.see('aws:', reserved, 'TagException: Tags beginning with aws: are reserved')
      const many = tag(...Array.from({ length: 51 }, (_, index) => ({ TagKey: `tag${index}`, TagValue: '' })))
      await stage.see('51', many, 'TagException: Too many tags')
      await stage.see(
        'a long value',
        tag({ TagKey: 'long', TagValue: 'v'.repeat(257) }),
        `ValidationException: 1 validation error detected: Value '${'v'.repeat(257)}' at 'tags.1.member.tagValue' ` +
          'failed to satisfy constraint: Member must have length less than or equal to 256',
      )
    },
  },
  {
    name: 'what is done already is done again, or refused, as documented',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const done = (send: () => Promise<unknown>) => async () => {
        await send()
        return 'done'
      }
      await stage.see(
        'EnableKey',
        done(() => client.send(new EnableKeyCommand({ KeyId }))),
        'done',
      )
      await stage.see(
        'DisableKeyRotation',
        done(() => client.send(new DisableKeyRotationCommand({ KeyId }))),
        'done',
      )
      const next = async (): Promise<number | undefined> => {
        await client.send(new EnableKeyRotationCommand({ KeyId }))
        const status = await client.send(new GetKeyRotationStatusCommand({ KeyId }))
        return status.NextRotationDate?.getTime()
      }
      const first = await next()
      await stage.see('EnableKeyRotation leaves the date', next, first)
      await stage.see(
        'UntagResource',
        done(() => client.send(new UntagResourceCommand({ KeyId, TagKeys: ['none'] }))),
        'done',
      )
      const AliasName = stage.alias('again')
      const create = () => client.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId }))
      await create()
      await stage.see(
        'CreateAlias',
        create,
        'AlreadyExistsException: An alias with the name <place>:alias/again already exists',
      )
      await stage.see(
        'UpdateAlias to the same key',
        done(() => client.send(new UpdateAliasCommand({ AliasName, TargetKeyId: KeyId }))),
        'done',
      )
      const remove = () => client.send(new DeleteAliasCommand({ AliasName }))
      await remove()
      await stage.see('DeleteAlias', remove, 'NotFoundException: Alias <place>:alias/again is not found.')
      await client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
      const cancel = () => client.send(new CancelKeyDeletionCommand({ KeyId }))
      await cancel()
      await stage.see('CancelKeyDeletion', cancel, 'KMSInvalidStateException: <arn> is not pending deletion.')
    },
  },
  {
    name: 'lists come in pages that neither repeat nor lose anything',
    async play(stage) {
      const { client } = stage
      const keys = await Promise.all(Array.from({ length: 5 }, () => stage.key()))
      const seen: string[] = []
      let Marker: string | undefined
      do {
        const page = await client.send(new ListKeysCommand({ Limit: 2, Marker }))
        seen.push(...page.Keys!.map((key) => key.KeyId!))
        await stage.see('Truncated', () => Promise.resolve(page.Truncated), page.NextMarker !== undefined)
        Marker = page.NextMarker
      } while (Marker !== undefined)
      await stage.see('once each', () => Promise.resolve(new Set(seen).size), seen.length)
      await stage.see('all', () => Promise.resolve(keys.every(({ id }) => seen.includes(id))), true)
      const list = (input: { Limit?: number; Marker?: string }) => () =>
        client.send(new ListKeysCommand(input))
      await stage.see('a marker of nobody', list({ Marker: 'nobody' }), 'InvalidMarkerException')
      await stage.see(
        'Limit 1001',
        list({ Limit: 1001 }),
        "ValidationException: 1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: " +
          'Member must have value less than or equal to 1000',
      )
    },
  },
]
