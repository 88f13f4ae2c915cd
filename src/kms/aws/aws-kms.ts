import { inspect } from 'node:util'
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'
import { type KmsCallEvent } from '../../diagnostics'
import { ClosedError } from '../../errors'
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
} from '../key-service'
import { type Attempt, Patience } from '../patience'
import { blobOf, bytesOf, dataKeyOf, textOf, zeroFillPlaintext } from './answers'
import { CallLog, type KmsCallCounts } from './call-log'
import { defaultClient, DEFAULT_TIMEOUT } from './client'
import { toKmsEncryptionError, wasAnswered } from './error-mapping'
import { type TrustedKeys } from './trusted-keys'

export interface AwsKmsOptions {
  /** Without one, a client of the AWS default chain is made at the first call, and closed by `close()`. */
  client?: KMSClient | undefined
  /** Calls under way at once; the others wait their turn. */
  concurrency: number
  /** Milliseconds for one call with its retries. Default 5,000. */
  timeout?: number
  trustedKeys: TrustedKeys
}

type Send<Output extends object> = (
  client: KMSClient,
  options: { abortSignal: AbortSignal },
) => Promise<Output>

/** A call that is asked for. */
interface Asked extends CallOptions {
  operation: keyof KmsCallCounts
  keyId: string | undefined
}

/** Calls AWS KMS: bounded parallelism and time, turns for callers, errors with remedies, trusted keys only. */
export class AwsKms implements KeyService {
  readonly log = new CallLog()
  readonly concurrency: number
  readonly #givenClient: KMSClient | undefined
  #ownClient: KMSClient | undefined
  #closed = false
  readonly #trustedKeys: TrustedKeys
  readonly #timeout: number
  readonly #patience: Patience
  readonly #queue: FairQueue

  constructor({ client, concurrency, timeout = DEFAULT_TIMEOUT, trustedKeys }: AwsKmsOptions) {
    this.concurrency = concurrency
    this.#givenClient = client
    this.#trustedKeys = trustedKeys
    this.#timeout = timeout
    this.#patience = new Patience(timeout)
    this.#queue = new FairQueue(concurrency)
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html */
  async generateDataKey(
    keyId: string,
    context: EncryptionContext,
    options: CallOptions = {},
  ): Promise<GeneratedDataKey> {
    const operation = 'GenerateDataKey'
    const command = new GenerateDataKeyCommand({
      KeyId: keyId,
      KeySpec: 'AES_256',
      EncryptionContext: context,
    })
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings) =>
      client.send(command, settings),
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
    const command = new EncryptCommand({ KeyId: keyId, Plaintext: plaintext, EncryptionContext: context })
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings) =>
      client.send(command, settings),
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
    const command = new DecryptCommand({
      CiphertextBlob: ciphertext,
      EncryptionContext: context,
      KeyId: keyId,
    })
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings) =>
      client.send(command, settings),
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
    options: CallOptions = {},
  ): Promise<Encrypted> {
    const operation = 'ReEncrypt'
    const command = new ReEncryptCommand({
      CiphertextBlob: ciphertext,
      SourceEncryptionContext: from,
      DestinationKeyId: keyId,
      DestinationEncryptionContext: to,
    })
    const answer = await this.#call({ operation, keyId, ...options }, (client, settings) =>
      client.send(command, settings),
    )
    this.#trusted(answer, 'SourceKeyId', operation)
    const keyReference = this.#trusted(answer, 'KeyId', operation)
    return { ciphertext: blobOf(answer, operation), keyReference }
  }

  /** The client that asks KMS. */
  get client(): KMSClient {
    return this.#givenClient ?? (this.#ownClient ??= defaultClient(this.#timeout))
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
      return this.#patience.limit(operation, (attempt) => this.#send(call, send, attempt))
    }, caller)
  }

  async #send<Output extends object>(
    call: Pick<KmsCallEvent, 'operation' | 'keyId' | 'waited'>,
    send: Send<Output>,
    attempt: Attempt,
  ): Promise<Output> {
    const { client } = this
    const ended = this.log.start(call)
    try {
      const answer = await send(client, { abortSignal: attempt.signal })
      this.#patience.answered()
      // The caller was told KMS_UNAVAILABLE by now, and nobody else will see to the plaintext.
      if (attempt.isGivenUp) zeroFillPlaintext(answer)
      ended(attempt.isGivenUp ? 'KMS_UNAVAILABLE' : 'ok', answer)
      return answer
    } catch (cause) {
      const error = await toKmsEncryptionError(cause, { ...call, region: () => client.config.region() })
      if (wasAnswered(cause)) this.#patience.answered()
      ended(error.code, cause)
      throw error
    }
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
