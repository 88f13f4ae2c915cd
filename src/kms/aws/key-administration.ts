import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GetKeyRotationStatusCommand,
  type KeyListEntry,
  type KeyMetadata,
  type KMSClient,
  paginateListAliases,
  paginateListKeys,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { AccessDeniedError, KeyNotFoundError, KmsRequestError, KmsUnavailableError } from '../../errors'
import { FairQueue } from '../fair-queue'
import { toKmsEncryptionError } from './error-mapping'
import { isSymmetricEncryptionKey, type KeyInfo, keyInfo, type Rotation, undescribedKey } from './key-info'

/** DescribeKey and GetKeyRotationStatus allow 2000 and 1000 calls a second; ten at once stay far below. */
const PARALLEL = 10

/** Milliseconds for one question, a list of many pages included. Clients of applications have no limit of their own. */
const TIMEOUT = 30_000

/** What an administrator does with KMS keys. The application itself needs none of these permissions. */
export class KeyAdministration {
  readonly #client: KMSClient

  constructor(client: KMSClient) {
    this.#client = client
  }

  /** All keys of the account and region with their aliases, state and rotation; customer managed keys first. */
  async list(): Promise<KeyInfo[]> {
    const [entries, aliases] = await Promise.all([this.#entries(), this.aliases()])
    const queue = new FairQueue(PARALLEL)
    const keys = await Promise.all(entries.map((entry) => queue.run(() => this.#described(entry, aliases))))
    const rank = ({ manager, aliases: [alias] }: KeyInfo): string =>
      `${manager === 'AWS' ? 1 : 0}${alias === undefined ? 1 : 0}${alias ?? ''}`
    return keys.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  }

  /** ARNs of all keys, with the names of their aliases. Two kinds of calls, whatever the number of keys. */
  async arns(): Promise<{ arn: string; aliases: readonly string[] }[]> {
    const [entries, aliases] = await Promise.all([this.#entries(), this.aliases()])
    return entries.map(({ KeyId, KeyArn }) => ({
      arn: present(KeyArn),
      aliases: aliases.get(present(KeyId)) ?? [],
    }))
  }

  /** The key behind an id, an ARN or an alias. */
  async describe(keyId: string): Promise<KeyInfo> {
    const metadata = await this.metadata(keyId)
    const [aliases, rotation] = await Promise.all([
      ifAllowed(this.aliases(metadata.Arn)),
      this.#rotation(metadata),
    ])
    return keyInfo(metadata, aliases?.get(present(metadata.KeyId)) ?? [], rotation)
  }

  async metadata(keyId: string): Promise<KeyMetadata & { Arn: string }> {
    const { KeyMetadata } = await this.#send('DescribeKey', keyId, (options) =>
      this.#client.send(new DescribeKeyCommand({ KeyId: keyId }), options),
    )
    const metadata = present(KeyMetadata)
    return { ...metadata, Arn: present(metadata.Arn) }
  }

  async exists(keyId: string): Promise<boolean> {
    try {
      await this.metadata(keyId)
      return true
    } catch (error) {
      if (error instanceof KeyNotFoundError) return false
      throw error
    }
  }

  /** Makes a symmetric encryption key and returns its ARN. */
  async create(description: string): Promise<string> {
    const { KeyMetadata } = await this.#send('CreateKey', undefined, (options) =>
      this.#client.send(new CreateKeyCommand({ Description: description }), options),
    )
    return present(KeyMetadata?.Arn)
  }

  /** `alias` with `alias/`. */
  async createAlias(alias: string, arn: string): Promise<void> {
    const command = new CreateAliasCommand({ AliasName: alias, TargetKeyId: arn })
    await this.#send('CreateAlias', arn, (options) => this.#client.send(command, options))
  }

  /** Automatic rotation, once a year. */
  async enableRotation(arn: string): Promise<void> {
    const command = new EnableKeyRotationCommand({ KeyId: arn })
    await this.#send('EnableKeyRotation', arn, (options) => this.#client.send(command, options))
  }

  /** 32 random bytes, encrypted under the key; nobody sees them before `Decrypt`. */
  async encryptedKey(keyId: string, context: Readonly<Record<string, string>>): Promise<Buffer> {
    const command = new GenerateDataKeyWithoutPlaintextCommand({
      KeyId: keyId,
      NumberOfBytes: 32,
      EncryptionContext: context,
    })
    const { CiphertextBlob } = await this.#send('GenerateDataKeyWithoutPlaintext', keyId, (options) =>
      this.#client.send(command, options),
    )
    return Buffer.from(present(CiphertextBlob))
  }

  async enable(arn: string): Promise<void> {
    await this.#send('EnableKey', arn, (options) =>
      this.#client.send(new EnableKeyCommand({ KeyId: arn }), options),
    )
  }

  async disable(arn: string): Promise<void> {
    await this.#send('DisableKey', arn, (options) =>
      this.#client.send(new DisableKeyCommand({ KeyId: arn }), options),
    )
  }

  /** New key material now; the old is kept, so nothing needs to be encrypted anew. */
  async rotateNow(arn: string): Promise<void> {
    const command = new RotateKeyOnDemandCommand({ KeyId: arn })
    await this.#send('RotateKeyOnDemand', arn, (options) => this.#client.send(command, options))
  }

  /** Returns when the key will be deleted. */
  async scheduleDeletion(arn: string, days: number): Promise<Date> {
    const command = new ScheduleKeyDeletionCommand({ KeyId: arn, PendingWindowInDays: days })
    const { DeletionDate } = await this.#send('ScheduleKeyDeletion', arn, (options) =>
      this.#client.send(command, options),
    )
    return present(DeletionDate)
  }

  /** KMS leaves the key disabled. */
  async cancelDeletion(arn: string): Promise<void> {
    const command = new CancelKeyDeletionCommand({ KeyId: arn })
    await this.#send('CancelKeyDeletion', arn, (options) => this.#client.send(command, options))
  }

  /** Names of aliases by key id; of one key, or of all. */
  async aliases(keyId?: string): Promise<Map<string, string[]>> {
    const of = keyId === undefined ? {} : { KeyId: keyId }
    const byKey = new Map<string, string[]>()
    await this.#send('ListAliases', keyId, async (options) => {
      for await (const { Aliases = [] } of paginateListAliases({ client: this.#client }, of, options)) {
        for (const { AliasName, TargetKeyId } of Aliases) {
          // AWS lists the aliases of its own keys before those keys exist.
          if (AliasName === undefined || TargetKeyId === undefined) continue
          byKey.set(TargetKeyId, [...(byKey.get(TargetKeyId) ?? []), AliasName].sort())
        }
      }
    })
    return byKey
  }

  async #entries(): Promise<KeyListEntry[]> {
    const entries: KeyListEntry[] = []
    await this.#send('ListKeys', undefined, async (options) => {
      for await (const { Keys = [] } of paginateListKeys({ client: this.#client }, {}, options))
        entries.push(...Keys)
    })
    return entries
  }

  async #described({ KeyId, KeyArn }: KeyListEntry, aliases: Map<string, string[]>): Promise<KeyInfo> {
    const arn = present(KeyArn)
    const names = aliases.get(present(KeyId)) ?? []
    try {
      const metadata = await ifAllowed(this.metadata(arn))
      if (!metadata) return undescribedKey(arn, names)
      return keyInfo(metadata, names, await this.#rotation(metadata))
    } catch (error) {
      // Deleted since it was listed.
      if (error instanceof KeyNotFoundError) return undescribedKey(arn, names)
      throw error
    }
  }

  async #rotation(metadata: KeyMetadata & { Arn: string }): Promise<Rotation> {
    const { Arn: arn, KeySpec: spec, KeyUsage: usage, Origin, KeyState } = metadata
    const rotates = Origin === 'AWS_KMS' && isSymmetricEncryptionKey({ spec, usage })
    if (!rotates || (KeyState !== 'Enabled' && KeyState !== 'Disabled')) return undefined
    const command = new GetKeyRotationStatusCommand({ KeyId: arn })
    const status = await ifAllowed(
      this.#send('GetKeyRotationStatus', arn, (options) => this.#client.send(command, options)),
    )
    if (!status) return undefined
    const { KeyRotationEnabled = false, RotationPeriodInDays, NextRotationDate } = status
    return {
      enabled: KeyRotationEnabled,
      ...(RotationPeriodInDays === undefined ? {} : { periodInDays: RotationPeriodInDays }),
      ...(NextRotationDate === undefined ? {} : { next: NextRotationDate }),
    }
  }

  async #send<Output>(
    operation: string,
    keyId: string | undefined,
    send: (options: { abortSignal: AbortSignal }) => Promise<Output>,
  ): Promise<Output> {
    const abortSignal = AbortSignal.timeout(TIMEOUT)
    try {
      return await send({ abortSignal })
    } catch (error) {
      if (abortSignal.aborted) {
        throw new KmsUnavailableError(
          `KMS did not answer ${operation} within ${TIMEOUT / 1_000} seconds. Repeat the command; if it goes on, look at the network between this machine and KMS.`,
          { cause: error },
        )
      }
      throw await toKmsEncryptionError(error, {
        operation,
        keyId,
        region: () => this.#client.config.region(),
      })
    }
  }
}

/** The answer, or `undefined` where the caller may not ask. */
export async function ifAllowed<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof AccessDeniedError) return undefined
    throw error
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new KmsRequestError('KMS answered without the fields that its API promises')
  return value
}
