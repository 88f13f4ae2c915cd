import { inspect } from 'node:util'
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'
import { type KmsCallEvent } from '../../diagnostics'
import { ClosedError, KmsEncryptionError } from '../../errors'
import { asEncryptedDataKey, asPlaintextKey } from '../bytes'
import { type EncryptionContext } from '../encryption-context'
import { FairQueue } from '../fair-queue'
import {
  type CallOptions,
  type Decrypted,
  type DecryptOptions,
  type Encrypted,
  type GeneratedDataKey,
  type KeyService,
  type ReEncrypted,
} from '../key-service'
import { type Attempt } from '../patience'
import { blobOf, bytesOf, dataKeyOf, textOf, zeroFillPlaintext } from './answers'
import { CallLog, type KmsCallCounts } from './call-log'
import { defaultClient, DEFAULT_TIMEOUT } from './client'
import { toKmsEncryptionError, wasAnswered } from './error-mapping'
import { isAnswer, noRegion, type RegionFailure } from './failover'
import { isSameKey } from './key-arn'
import { RegionalClient } from './regional-client'
import { type TrustedKeys } from './trusted-keys'

export interface AwsKmsOptions {
  /**
   * Of the own Region; in a list, then those of Regions that have replicas of its keys. Without one, a client of the AWS default chain
   * is made at the first call, and closed by `close()`.
   */
  client?: KMSClient | readonly KMSClient[] | undefined
  /** Calls under way at once; the others wait their turn. */
  concurrency: number
  /** Milliseconds for one call with its retries, in all Regions together. Default 5,000. */
  timeout?: number
  trustedKeys: TrustedKeys
}

/** Sends a request. `keyId` is the key that was asked for, as the client's Region names it; `named` names others. */
type Send<Output extends object> = (
  client: KMSClient,
  options: { abortSignal: AbortSignal },
  keyId: string | undefined,
  named: (keyId: string) => Promise<string>,
) => Promise<Output>

type Call = Pick<KmsCallEvent, 'operation' | 'keyId' | 'waited'>

/** A call that is asked for. */
interface Asked extends CallOptions {
  operation: keyof KmsCallCounts
  keyId: string | undefined
}

/** Calls AWS KMS: bounded parallelism and time, turns for callers, errors with remedies, trusted keys only. */
export class AwsKms implements KeyService {
  readonly log = new CallLog()
  readonly concurrency: number
  readonly #regions: readonly [RegionalClient, ...RegionalClient[]]
  /** The client that this object made. */
  #ownClient: KMSClient | undefined
  #closed = false
  readonly #trustedKeys: TrustedKeys
  readonly #queue: FairQueue

  constructor({ client: given = [], concurrency, timeout = DEFAULT_TIMEOUT, trustedKeys }: AwsKmsOptions) {
    this.concurrency = concurrency
    this.#trustedKeys = trustedKeys
    const clients = isList(given) ? given : [given]
    const [first, ...replicas] = clients
    const share = { timeout, shares: Math.max(clients.length, 1) }
    this.#regions = [
      new RegionalClient(() => first ?? this.#ownClientFor(timeout), { ...share, isReplica: false }),
      ...replicas.map((client) => new RegionalClient(() => client, { ...share, isReplica: true })),
    ]
    this.#queue = new FairQueue(concurrency)
  }

  /** True if values under KMS keys that are not named are refused. */
  get trustsNamedKeysOnly(): boolean {
    return this.#trustedKeys.areNamed
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html */
  async generateDataKey(
    keyId: string,
    context: EncryptionContext,
    options: CallOptions = {},
  ): Promise<GeneratedDataKey> {
    const operation = 'GenerateDataKey'
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings, KeyId) =>
      client.send(
        new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext: context }),
        settings,
      ),
    )
    return opened(answer, () => ({
      keyReference: this.#trusted(answer, 'KeyId', operation),
      encrypted: asEncryptedDataKey(blobOf(answer, operation)),
      plaintext: asPlaintextKey(Buffer.from(dataKeyOf(answer, operation))),
    }))
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html */
  async encrypt(
    keyId: string,
    plaintext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions = {},
  ): Promise<Encrypted> {
    const operation = 'Encrypt'
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings, KeyId) =>
      client.send(new EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionContext: context }), settings),
    )
    const keyReference = this.#trusted(answer, 'KeyId', operation)
    return { ciphertext: blobOf(answer, operation), keyReference }
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html */
  async decrypt(
    ciphertext: Uint8Array,
    context: EncryptionContext,
    { keyReference: keyId, ...options }: DecryptOptions = {},
  ): Promise<Decrypted> {
    const operation = 'Decrypt'
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings, KeyId) =>
      client.send(
        new DecryptCommand({ CiphertextBlob: ciphertext, EncryptionContext: context, KeyId }),
        settings,
      ),
    )
    return opened(answer, () => ({
      keyReference: this.#trusted(answer, 'KeyId', operation),
      plaintext: Buffer.from(bytesOf(answer, 'Plaintext', operation)),
    }))
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html */
  async reEncrypt(
    ciphertext: Uint8Array,
    from: EncryptionContext,
    keyId: string,
    to: EncryptionContext,
    { keyReference: sourceKey, ...options }: DecryptOptions = {},
  ): Promise<ReEncrypted> {
    const operation = 'ReEncrypt'
    const asked = { operation, keyId, ...options } as const
    const answer = await this.#call(asked, async (client, settings, DestinationKeyId, named) =>
      client.send(
        new ReEncryptCommand({
          CiphertextBlob: ciphertext,
          SourceKeyId: sourceKey === undefined ? undefined : await named(sourceKey),
          SourceEncryptionContext: from,
          DestinationKeyId,
          DestinationEncryptionContext: to,
        }),
        settings,
      ),
    )
    const source = this.#trusted(answer, 'SourceKeyId', operation)
    const keyReference = this.#trusted(answer, 'KeyId', operation)
    return {
      ciphertext: blobOf(answer, operation),
      keyReference,
      wasUnderIt: isSameKey(source, keyReference),
    }
  }

  /** The client of the own Region. */
  get client(): KMSClient {
    return this.#regions[0].client
  }

  /** The clients that ask KMS, that of the own Region first. */
  get clients(): readonly KMSClient[] {
    return this.#regions.map(({ client }) => client)
  }

  /** Calls since the start, by operation. */
  get calls(): KmsCallCounts {
    return this.log.calls
  }

  /** Closes the client if it is this object's own. What has not been sent to KMS yet is refused from now on. */
  close(): void {
    this.#closed = true
    this.#ownClient?.destroy()
    this.#ownClient = undefined
  }

  /** Without the client: the SDK writes requests into memory that it does not clear. */
  [inspect.custom](): string {
    const { GenerateDataKey, Encrypt, Decrypt, ReEncrypt } = this.calls
    return `AwsKms { calls: ${GenerateDataKey + Encrypt + Decrypt + ReEncrypt} }`
  }

  #call<Output extends object>({ operation, keyId, caller }: Asked, send: Send<Output>): Promise<Output> {
    const asked = performance.now()
    return this.#queue.run(async () => {
      if (this.#closed)
        throw new ClosedError('this KmsEncryption was closed. Close it after the last use of the DataSource.')
      const call = { operation, keyId, waited: performance.now() - asked }
      return this.#inTurn(call, send)
    }, caller)
  }

  /** Asks the own Region, and where that fails for reasons of its own, the next. */
  async #inTurn<Output extends object>(call: Call, send: Send<Output>): Promise<Output> {
    const failures: RegionFailure[] = []
    for (const region of this.#regions) {
      try {
        return await region.patience.limit(call.operation, (attempt) =>
          this.#send(call, send, region, attempt),
        )
      } catch (error) {
        if (!(error instanceof KmsEncryptionError) || isAnswer(error, failures.length > 0)) throw error
        failures.push({ region, error })
      }
    }
    throw await noRegion(failures)
  }

  async #send<Output extends object>(
    call: Call,
    send: Send<Output>,
    regional: RegionalClient,
    attempt: Attempt,
  ): Promise<Output> {
    const { client, patience } = regional
    const ended = this.log.start(call)
    try {
      const keyId = call.keyId === undefined ? undefined : await regional.named(call.keyId)
      const named = (other: string): Promise<string> => regional.named(other)
      const answer = await send(client, { abortSignal: attempt.signal }, keyId, named)
      patience.answered()
      // The caller was told KMS_UNAVAILABLE by now, and nobody else will see to the plaintext.
      if (attempt.isGivenUp) zeroFillPlaintext(answer)
      ended(attempt.isGivenUp ? 'KMS_UNAVAILABLE' : 'ok', answer)
      return answer
    } catch (cause) {
      const error = await toKmsEncryptionError(cause, { ...call, region: () => regional.region() })
      if (wasAnswered(cause)) patience.answered()
      ended(error.code, cause)
      throw error
    }
  }

  #ownClientFor(timeout: number): KMSClient {
    return (this.#ownClient ??= defaultClient(timeout))
  }

  /** The key that an answer names, if it is trusted. */
  #trusted<Field extends string>(
    answer: { readonly [Name in Field]?: string | undefined },
    field: Field,
    operation: string,
  ): string {
    const keyReference = textOf(answer, field, operation)
    this.#trustedKeys.check(keyReference)
    return keyReference
  }
}

/** What an answer with a plaintext comes to, in memory of our own that can be zero-filled; the SDK's copy is here. */
function opened<Result>(answer: object, read: () => Result): Result {
  try {
    return read()
  } finally {
    zeroFillPlaintext(answer)
  }
}

function isList(given: KMSClient | readonly KMSClient[]): given is readonly KMSClient[] {
  return Array.isArray(given)
}
